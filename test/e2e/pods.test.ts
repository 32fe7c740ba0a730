// What changes in the pods themselves: images, parameters, passwords, and their end.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pods as podType } from '../../operator/kube/types.ts';
import { kubectl, psql } from '../cluster/e2e.ts';
import { pgbouncerImage } from '../cluster/image-names.ts';
import { amongDaemons, findSupervisor } from '../cluster/inside.ts';
import { namesOf } from '../cluster/names.ts';
import { run, until } from '../cluster/run.ts';
import { client } from './client.ts';
import { Bench } from './load.ts';
import { takeCluster } from './operator.ts';
import { appPassword, conditionOf, inScene, poolKind, type Scene } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

/** The same image under another name, as a new release would be. */
async function tagImage(tag: string): Promise<string> {
  const image = pgbouncerImage.replace(/:[^:]*$/, `:${tag}`);
  const name = process.env.SPILLWAY_TEST_CLUSTER?.split('-').at(-1) ?? '';
  const names = namesOf(name, 1);
  const socket = `--address=${names.nodes[0]?.socket}`;
  const ctr = ['ctr', socket, '--namespace=k8s.io', 'images', 'tag', '--force'];
  await run(amongDaemons(findSupervisor(names)?.pid ?? 0, [...ctr, pgbouncerImage, image]));
  return image;
}

/** The fewest pods that were ready at once while `work` ran. */
async function fewestReady(
  scene: Scene,
  pool: string,
  work: () => Promise<unknown>,
): Promise<number> {
  let over = false;
  let fewest = Number.POSITIVE_INFINITY;
  const look = async () => {
    while (!over) {
      const labelSelector = `spillway.dev/pool=${pool}`;
      const { items } = await client.list(podType, { namespace: scene.namespace, labelSelector });
      const ready = items.filter(({ metadata, status }) => {
        const { conditions = [] } = status as { conditions?: { type: string; status: string }[] };
        const isReady = conditions.some((c) => c.type === 'Ready' && c.status === 'True');
        return isReady && metadata.deletionTimestamp === undefined;
      });
      fewest = Math.min(fewest, ready.length);
      await sleep(50);
    }
  };
  const looking = look();
  await work().finally(() => {
    over = true;
  });
  await looking;
  return fewest;
}

const image = (name: string | null) => ({ spec: { pooler: { image: name } } });

describe('pods', { concurrency: 3 }, () => {
  test(
    'another image replaces the pods one at a time, and clients that come and go notice nothing',
    inScene('image', async (scene) => {
      await scene.pool('shop');
      const before = await scene.identities('shop');
      const other = await tagImage('other');
      const bench = await Bench.start(scene, 'shop', { clients: 10, rate: 50, reconnect: true });
      const started = performance.now();
      const fewest = await fewestReady(scene, 'shop', async () => {
        await scene.patch(poolKind, 'shop', image(other));
        await scene.ready('shop');
      });
      const seconds = (performance.now() - started) / 1000;
      const { transactions } = await bench.stop();
      console.log(`2 pods replaced in ${seconds.toFixed(0)} s, ${transactions} transactions`);
      assert.equal(fewest, 1);
      for (const pod of await scene.pods('shop')) {
        const { containers } = pod.spec as { containers: { image: string }[] };
        assert.equal(containers[0]?.image, other);
      }
      const now = await scene.identities('shop');
      assert.equal(now.filter((one) => before.includes(one)).length, 0);
      assert.deepEqual(await scene.running('shop'), { 'shop-pooler-0': 5, 'shop-pooler-1': 4 });
    }),
  );

  test(
    'an image that cannot be pulled is named, the other pods serve on, and a right one heals',
    inScene('noimage', async (scene) => {
      await scene.pool('shop');
      const before = await scene.identities('shop');
      const bench = await Bench.start(scene, 'shop', { clients: 10, rate: 50, reconnect: true });
      await scene.patch(poolKind, 'shop', image('localhost/spillway/there-is-none:0'));
      const stuck = await scene.until('shop', (status) => {
        const { reason } = conditionOf(status, 'PodsReady') ?? {};
        return reason === 'ErrImagePull' || reason === 'ImagePullBackOff';
      });
      assert.match(conditionOf(stuck, 'PodsReady')?.message ?? '', /check spec\.pooler\.image/);
      assert.equal(conditionOf(stuck, 'Ready')?.status, 'False');
      assert.equal((await scene.identities('shop'))[0], before[0]);
      await scene.answers('shop');
      await scene.patch(poolKind, 'shop', image(null));
      await scene.ready('shop');
      await bench.stop();
      assert.equal((await scene.identities('shop'))[0], before[0]);
    }),
  );

  test(
    'a parameter that PgBouncer reloads changes in place, another one replaces the pods',
    inScene('param', async (scene) => {
      await scene.pool('shop');
      const before = await scene.identities('shop');
      const parameters = (values: Record<string, string>) =>
        scene.patch(poolKind, 'shop', { spec: { parameters: values } });
      await parameters({ query_wait_timeout: '77' });
      const started = performance.now();
      await scene.ready('shop');
      console.log(`parameter in 2 pods after ${(performance.now() - started).toFixed(0)} ms`);
      for (const pod of ['shop-pooler-0', 'shop-pooler-1']) {
        assert.equal(await scene.setting('shop', pod, 'query_wait_timeout'), '77');
      }
      assert.deepEqual(await scene.identities('shop'), before);
      await parameters({ pkt_buf: '8192' });
      const rolling = await scene.until('shop', (status) => {
        return conditionOf(status, 'ConfigApplied')?.reason === 'ReplacingPods';
      });
      assert.match(conditionOf(rolling, 'ConfigApplied')?.message ?? '', /because pkt_buf cannot/);
      assert.equal(await fewestReady(scene, 'shop', () => scene.ready('shop')), 1);
      for (const pod of ['shop-pooler-0', 'shop-pooler-1']) {
        assert.equal(await scene.setting('shop', pod, 'pkt_buf'), '8192');
      }
    }),
  );

  test(
    'a new password reaches the pods, and the old one is no good any more',
    inScene('rotate', async (scene) => {
      await scene.pool('shop');
      const before = await scene.identities('shop');
      const next = 'rotated-5d3e-secret';
      await scene.root(`ALTER ROLE app PASSWORD '${next}'`);
      await scene.patch('secret', 'app', { stringData: { password: next } });
      const started = performance.now();
      for (const { metadata } of await scene.pods('shop')) {
        const login = scene.loginAt('shop', metadata.name, next);
        await until(`${metadata.name} takes the new password`, 60, async () => {
          await psql(login, 'SELECT 1');
          return true;
        });
        const old = { ...login, password: appPassword };
        await assert.rejects(psql(old, 'SELECT 1'), /authentication failed/);
      }
      console.log(`password in 2 pods after ${(performance.now() - started).toFixed(0)} ms`);
      await scene.ready('shop');
      assert.deepEqual(await scene.identities('shop'), before);
    }),
  );

  test(
    'a pool that is deleted leaves nothing',
    inScene('delete', async (scene) => {
      const { namespace } = scene;
      await scene.pool('shop');
      await kubectl(['delete', poolKind, 'shop', `--namespace=${namespace}`]);
      const kinds =
        'pods,statefulsets,services,endpointslices,configmaps,secrets,serviceaccounts,poddisruptionbudgets,networkpolicies,controllerrevisions,connectionbudgets.spillway.dev';
      await until('nothing is left', 60, async () => {
        const found = await kubectl(['get', kinds, `--namespace=${namespace}`, '--output=name']);
        const left = found
          .trim()
          .split('\n')
          .filter((name) => !isOthers(name));
        return left.length === 0 || Promise.reject(new Error(left.join(' ')));
      });
      // The name can be used again.
      await scene.pool('shop');
      await scene.answers('shop');
    }),
  );

  test(
    'a console Secret that was deleted or changed by hand does not lock the operator out',
    inScene('console', async (scene) => {
      await scene.pool('shop');
      const before = await scene.identities('shop');
      const secret = 'shop-pooler-console';
      await kubectl(['delete', 'secret', secret, `--namespace=${scene.namespace}`]);
      await follows(scene, '71');
      await scene.patch('secret', secret, { stringData: { password: 'by-hand' } });
      await follows(scene, '72');
      assert.deepEqual(await scene.identities('shop'), before);
    }),
  );
});

/** Whether the pods still take a change. */
async function follows(scene: Scene, value: string): Promise<void> {
  const parameters = { query_wait_timeout: value };
  await scene.patch(poolKind, 'shop', { spec: { parameters } });
  await scene.ready('shop', 60);
  for (const { metadata } of await scene.pods('shop')) {
    await until(`${metadata.name} has the new value`, 20, async () => {
      return (await scene.setting('shop', metadata.name, 'query_wait_timeout')) === value;
    });
  }
}

/** What is in each namespace, and the Postgres. */
function isOthers(name: string): boolean {
  return name === '' || /\/(db|db-[^/]*|app|default|kube-root-ca\.crt)$/.test(name);
}
