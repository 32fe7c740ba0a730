// What hands can do to the ledger and to what follows from it, under load: it is mended, and the budget holds meanwhile.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import { kubectl } from '../cluster/e2e.ts';
import { until } from '../cluster/run.ts';
import { client } from './client.ts';
import { Bench, Watch } from './load.ts';
import { takeCluster } from './operator.ts';
import {
  budgetKind,
  budgetName,
  conditionOf,
  granted,
  inScene,
  poolKind,
  type Scene,
  settled,
} from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

async function wipe(scene: Scene, kind: string, name: string): Promise<void> {
  const { namespace } = scene;
  const type = kind === poolKind ? connectionPools : connectionBudgets;
  const ref = { namespace, name };
  await client.patch(type, ref, { status: null }, { subresource: 'status' });
}

describe('hands', { concurrency: 3 }, () => {
  test(
    'a ledger that somebody emptied is rebuilt from the files and the processes',
    inScene('wipe', async (scene) => {
      await scene.pool('first');
      await scene.pool('second');
      await scene.until('first', (status) => settled(status, status.sizing?.share ?? -1));
      const before = [...(await scene.identities('first')), ...(await scene.identities('second'))];
      const caps = [await scene.running('first'), await scene.running('second')];
      const bench = await Bench.start(scene, 'first');
      const watch = new Watch(scene);
      for (const [kind, name] of [
        [budgetKind, budgetName],
        [poolKind, 'first'],
        [poolKind, 'second'],
      ] as const) {
        await wipe(scene, kind, name);
        await scene.until('first', (status) => settled(status, status.sizing?.share ?? -1));
        await scene.until('second', (status) => settled(status, status.sizing?.share ?? -1));
        await until('the rows are back', 30, async () => {
          const budget = await client.get(connectionBudgets, {
            namespace: scene.namespace,
            name: budgetName,
          });
          const { allotments = [] } = (budget?.status ?? {}) as {
            allotments?: { connections: number }[];
          };
          return allotments.reduce((sum, row) => sum + row.connections, 0) === 9;
        });
      }
      await bench.stop();
      for (const look of await watch.stop()) {
        assert.ok(look.rows <= 9 && look.grants <= 9 && look.files <= 9, JSON.stringify(look));
      }
      assert.ok(watch.max('sessions') <= 9 + 10);
      assert.deepEqual([await scene.running('first'), await scene.running('second')], caps);
      const now = [...(await scene.identities('first')), ...(await scene.identities('second'))];
      assert.deepEqual(now, before);
    }),
  );

  test(
    'files, workload and Secrets that were deleted come back under the running pods',
    inScene('deleted', async (scene) => {
      await scene.pool('shop');
      const before = await scene.identities('shop');
      const bench = await Bench.start(scene, 'shop');
      const watch = new Watch(scene);
      const { namespace } = scene;
      for (const object of ['configmap/shop-pooler', 'secret/shop-pooler-users', 'service/shop']) {
        const uid = [
          'get',
          object,
          `--namespace=${namespace}`,
          '--output=jsonpath={.metadata.uid}',
        ];
        const old = await kubectl(uid);
        await kubectl(['delete', object, `--namespace=${namespace}`]);
        await until(`${object} is back`, 30, async () => (await kubectl(uid)) !== old);
        await scene.ready('shop');
      }
      // Pods that have no file do not start, and go again.
      await kubectl([
        'scale',
        'statefulset',
        'shop-pooler',
        '--replicas=5',
        `--namespace=${namespace}`,
      ]);
      await until('the pods are two again', 90, async () => {
        const replicas = await kubectl([
          ...['get', 'statefulset', 'shop-pooler', `--namespace=${namespace}`],
          '--output=jsonpath={.spec.replicas}',
        ]);
        return replicas === '2' && (await scene.pods('shop')).length === 2;
      });
      await scene.until('shop', (status) => settled(status, 9));
      for (const look of await watch.stop()) {
        assert.ok(look.rows <= 9 && look.grants <= 9 && look.files <= 9, JSON.stringify(look));
        assert.ok(look.sessions <= 9 + 10, JSON.stringify(look));
      }
      assert.deepEqual(await scene.identities('shop'), before);
      await scene.answers('shop');
      // Its address has changed with the Service, so these clients hold connections of before.
      await bench.stop();
    }),
  );

  test(
    'a pool can be asked for no pods, for more than there is budget for, and for some again',
    inScene('few', async (scene) => {
      await scene.pool('shop');
      const watch = new Watch(scene);
      const replicas = (n: number) =>
        scene.patch(poolKind, 'shop', { spec: { pooler: { replicas: n } } });
      await replicas(0);
      await scene.until('shop', (s) => s.replicas === 0 && granted(s) === 0);
      await scene.patch(budgetKind, budgetName, { spec: { total: 2 } });
      await replicas(3);
      const few = await scene.until('shop', (s) => s.readyReplicas === 2 && granted(s) === 2);
      assert.equal(conditionOf(few, 'ShareGranted')?.reason, 'FewerPods');
      assert.deepEqual(Object.values(await scene.running('shop')), [1, 1]);
      await scene.patch(budgetKind, budgetName, { spec: { total: 9 } });
      await scene.until('shop', (status) => settled(status, 9));
      assert.deepEqual(Object.values(await scene.running('shop')), [3, 3, 3]);
      await scene.patch(budgetKind, budgetName, { spec: { total: 1 } });
      await scene.until('shop', (s) => s.replicas === 1 && granted(s) === 1);
      await scene.answers('shop');
      for (const look of await watch.stop()) assert.ok(look.files <= 9, JSON.stringify(look));
    }),
  );

  test(
    'a pool that is made again under its name starts when the pods of the one before are gone',
    inScene('again', async (scene) => {
      await scene.pool('shop');
      const before = await scene.identities('shop');
      const watch = new Watch(scene);
      await kubectl(['delete', poolKind, 'shop', `--namespace=${scene.namespace}`, '--wait=false']);
      await scene.pool('shop', { pooler: { replicas: 3 } });
      assert.deepEqual(Object.values(await scene.running('shop')), [3, 3, 3]);
      const now = await scene.identities('shop');
      assert.equal(now.filter((one) => before.includes(one)).length, 0);
      for (const look of await watch.stop()) {
        assert.ok(look.rows <= 9 && look.files <= 9, JSON.stringify(look));
      }
    }),
  );

  test(
    'a budget that somebody deletes stays until nobody holds anything of it',
    inScene('budget', async (scene) => {
      const { namespace } = scene;
      await scene.pool('shop');
      await kubectl(['delete', budgetKind, budgetName, `--namespace=${namespace}`, '--wait=false']);
      await scene.patch(poolKind, 'shop', { spec: { pooler: { replicas: 3 } } });
      await scene.until('shop', (status) => settled(status, 9));
      await kubectl(['delete', poolKind, 'shop', `--namespace=${namespace}`]);
      await until('the budget is gone', 60, async () => {
        const left = await kubectl([
          'get',
          budgetKind,
          `--namespace=${namespace}`,
          '--output=name',
        ]);
        return left.trim() === '';
      });
      await scene.pool('shop');
      assert.deepEqual(Object.values(await scene.running('shop')), [5, 4]);
    }),
  );
});
