// Changes and ends that meet something which is under way, or that leave behind what they usually take with them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { pods as podType } from '../../operator/kube/types.ts';
import { kubectl } from '../cluster/e2e.ts';
import { sleep, until } from '../cluster/run.ts';
import { client } from './client.ts';
import { Charges } from './invariant/charges.ts';
import { Bench, Watch } from './load.ts';
import { takeCluster } from './operator.ts';
import {
  budgetKind,
  budgetName,
  inScene,
  pg,
  poolKind,
  rowsOf,
  type Scene,
  settled,
} from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

/** Every version of the ledger in a scene, which ends without a breach. */
async function underWatch(scene: Scene, work: () => Promise<unknown>): Promise<void> {
  await scene.patch(budgetKind, budgetName, { spec: { total: 9 } });
  const charges = await Charges.start(scene.namespace);
  const watch = new Watch(scene);
  try {
    await work();
  } finally {
    await charges.stop();
    await watch.stop();
  }
  const { breaches, writes, most } = charges.judge();
  console.log(
    `${writes} versions, at most ${most} charged; at most ${watch.max('sessions')} sessions`,
  );
  assert.deepEqual(breaches, []);
  assert.ok(most <= 9);
  assert.ok(watch.max('sessions') <= 9 + 10);
}

const podsAlone = async (scene: Scene, pool: string) => {
  const labelSelector = `spillway.dev/pool=${pool}`;
  return (await client.list(podType, { namespace: scene.namespace, labelSelector })).items;
};

describe('midway', { concurrency: 4 }, () => {
  test(
    'a rollout in the middle of a scale-up ends with four new pods, and no transaction fails',
    inScene('rollout', async (scene) => {
      await scene.pool('shop', { pooler: { drainSeconds: 10 } });
      const coming = { clients: 8, rate: 40, reconnect: true, threads: true };
      const bench = await Bench.start(scene, 'shop', coming);
      await underWatch(scene, async () => {
        const before = (await scene.pods('shop')).map(({ metadata }) => metadata.uid);
        await scene.patch(poolKind, 'shop', { spec: { pooler: { replicas: 4 } } });
        await until('the first new pod', 60, async () => (await scene.pods('shop')).length > 2, 50);
        const podAnnotations = { 'example.com/roll': 'yes' };
        await scene.patch(poolKind, 'shop', { spec: { pooler: { podAnnotations } } });
        const started = performance.now();
        await scene.until('shop', (s) => settled(s, 9) && s.confirmed === '4/4', 240);
        console.log(`rolled after ${((performance.now() - started) / 1000).toFixed(0)} s`);
        const pods = await scene.pods('shop');
        assert.equal(pods.length, 4);
        for (const { metadata } of pods) {
          assert.equal(metadata.annotations?.['example.com/roll'], 'yes', metadata.name);
          assert.ok(!before.includes(metadata.uid), metadata.name);
        }
        assert.deepEqual(Object.values(await scene.running('shop')), [3, 2, 2, 2]);
      });
      const { transactions } = await bench.stop();
      console.log(`${transactions} transactions meanwhile`);
    }),
  );

  test(
    'a pool that is deleted while its clients are in transactions keeps its share until its last pod is gone',
    inScene('gone', async (scene) => {
      await scene.pool('stays', { pooler: { replicas: 1 } });
      await scene.pool('goes', {
        sizing: { weight: 2 },
        pooler: { terminationGracePeriodSeconds: 60 },
      });
      await underWatch(scene, async () => {
        await scene.until('goes', (status) => settled(status, 6));
        const [first, second] = await Promise.all(
          ['goes-pooler-0', 'goes-pooler-1'].map((pod) => inTransaction(scene, 'goes', pod)),
        );
        await kubectl([
          'delete',
          poolKind,
          'goes',
          `--namespace=${scene.namespace}`,
          '--wait=false',
        ]);
        await until('its pods are told to stop', 30, async () =>
          (await podsAlone(scene, 'goes')).every((p) => p.metadata.deletionTimestamp !== undefined),
        );
        await leave(first);
        await until('the first pod is gone', 60, async () => {
          await isWhole(scene);
          return (await podsAlone(scene, 'goes')).length === 1;
        });
        for (let i = 0; i < 10; i++) {
          await isWhole(scene);
          await sleep(200);
        }
        await second?.query('SELECT 1');
        await leave(second);
        const seen = { withRow: 0 };
        await until('the row is gone', 60, async () => {
          // The row first: when it is gone now, no pod may be seen after.
          const has = (await rowsOf(scene)).goes !== undefined;
          const pods = await podsAlone(scene, 'goes');
          if (!has) assert.equal(pods.length, 0, 'a pod was left when the row had gone');
          else seen.withRow += 1;
          return !has;
        });
        assert.ok(seen.withRow > 0);
        await scene.until('stays', (status) => settled(status, 9));
        assert.deepEqual(Object.values(await scene.running('stays')), [9]);
      });
    }),
  );

  test(
    'pods that --cascade=orphan left keep their connections, and a pool of the same name waits until they are gone',
    inScene('orphan', async (scene) => {
      const { namespace } = scene;
      const double = { sizing: { weight: 2 } };
      await scene.pool('shop', double);
      await scene.pool('other', { pooler: { replicas: 1 } });
      await underWatch(scene, async () => {
        await scene.until('shop', (status) => settled(status, 6));
        await scene.until('other', (status) => settled(status, 3));
        const before = await scene.identities('shop');
        const bench = await Bench.start(scene, 'shop', { clients: 20 });
        await kubectl(['delete', poolKind, 'shop', `--namespace=${namespace}`, '--cascade=orphan']);
        await sleep(2000);
        assert.deepEqual(await scene.identities('shop'), before);
        assert.equal((await rowsOf(scene)).shop, 6);
        await scene.pool('shop', double, false);
        const waits = await scene.until('shop', (status) =>
          (status.conditions ?? []).some(({ reason }) => reason === 'PredecessorNotGone'),
        );
        const why = waits.conditions?.find(({ reason }) => reason === 'PredecessorNotGone');
        assert.match(why?.message ?? '', /shop.* is of an earlier pool of this name.*delete it/);
        await sleep(3000);
        // They serve as before, and nobody was given what they have.
        assert.deepEqual(await scene.identities('shop'), before);
        await scene.until('other', (status) => settled(status, status.sizing?.share ?? -1));
        await bench.stop();

        const kinds =
          'statefulset,configmap,secret,service,serviceaccount,poddisruptionbudget,networkpolicy';
        const left = [`--namespace=${namespace}`, '--selector=spillway.dev/pool=shop'];
        await kubectl(['delete', kinds, ...left, '--wait=false']);
        await scene.until('shop', (status) => settled(status, 6), 120);
        const now = await scene.identities('shop');
        assert.equal(now.length, 2);
        assert.equal(now.filter((one) => before.includes(one)).length, 0);
        assert.deepEqual(Object.values(await scene.running('shop')), [3, 3]);
        await scene.answers('shop');
      });
    }),
  );

  test(
    'a workload that --cascade=orphan took from its pods gets them back, and they follow again',
    inScene('adopt', async (scene) => {
      await scene.pool('shop');
      await underWatch(scene, async () => {
        const before = await scene.identities('shop');
        const bench = await Bench.start(scene, 'shop', { clients: 20 });
        const uid = async () => (await scene.workload('shop'))?.metadata.uid;
        const old = await uid();
        const set = ['statefulset', 'shop-pooler', `--namespace=${scene.namespace}`];
        // One of the same name comes so soon that a wait may not see that the first has gone.
        await kubectl(['delete', ...set, '--cascade=orphan', '--wait=false']);
        const next = await until('it is made again', 60, async () => {
          const now = await uid();
          return now !== old && now;
        });
        await until('it has its pods', 60, async () => {
          const owners = (await podsAlone(scene, 'shop')).map((p) => p.metadata.ownerReferences);
          return owners.length === 2 && owners.every((one) => one?.[0]?.uid === next);
        });
        await scene.patch(budgetKind, budgetName, { spec: { total: 4 } });
        await scene.until('shop', (status) => settled(status, 4));
        await scene.patch(budgetKind, budgetName, { spec: { total: 9 } });
        await scene.until('shop', (status) => settled(status, 9));
        assert.deepEqual(await scene.identities('shop'), before);
        assert.deepEqual(Object.values(await scene.running('shop')), [5, 4]);
        await bench.stop();
      });
    }),
  );
});

/** Nothing of what the pool `goes` had was given to the other. */
async function isWhole(scene: Scene): Promise<void> {
  assert.deepEqual(await rowsOf(scene), { goes: 6, stays: 3 });
}

async function inTransaction(scene: Scene, pool: string, pod: string): Promise<pg.Client> {
  const one = new pg.Client(scene.loginAt(pool, pod));
  one.on('error', () => undefined);
  await one.connect();
  await one.query('BEGIN');
  await one.query('SELECT 1');
  return one;
}

async function leave(one: pg.Client | undefined): Promise<void> {
  await one?.query('COMMIT');
  await one?.end();
}
