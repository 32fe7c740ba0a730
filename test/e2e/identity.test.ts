// One Postgres under four names: its StatefulSet, a Service that objects explain, and two that only the server's own word
// explains. Together their pools never hold more than the server's budget.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ConnectionBudgetStatus, SameServer } from '../../operator/api/connection-budget.ts';
import { connectionBudgets } from '../../operator/reconcile/world.ts';
import { apply } from '../cluster/e2e.ts';
import { sleep, until } from '../cluster/run.ts';
import { client } from './client.ts';
import { checkHeld } from './invariant/judge.ts';
import { Snapshots } from './invariant/snapshots.ts';
import { Bench } from './load.ts';
import { takeCluster } from './operator.ts';
import { granted, inScene, type Scene } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

/** 4 cores × 2 + 1. */
const BUDGET = 9;
/** The connection through which a server is asked who it is: one for each new name, from the slack. */
const QUESTIONS = 2;

const endpoint = (scene: Scene, host: string) => ({
  postgres: {
    endpoint: { host: `${host}.${scene.namespace}.svc`, cores: 64, maxConnections: 100 },
  },
  pooler: { replicas: 1 },
});

/** A Service that selects nothing and leads to the server all the same, as names outside of a cluster do. */
async function blindService(scene: Scene, name: string): Promise<void> {
  const [db] = await scene.servers();
  const { namespace } = scene;
  const ports = [{ name: 'postgres', port: 5432 }];
  await apply([
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { clusterIP: 'None', ports },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [db?.status?.podIP ?? ''], conditions: { ready: true } }],
      ports,
    },
  ]);
}

async function budgetOf(key: string): Promise<ConnectionBudgetStatus> {
  const [namespace = '', name = ''] = key.split('/');
  const live = await client.get(connectionBudgets, { namespace, name });
  return (live?.status ?? {}) as ConnectionBudgetStatus;
}

/** From whom the budget of a pool draws, once it does. */
async function linkOf(scene: Scene, pool: string): Promise<SameServer> {
  return until(`the budget of ${pool} is a part of another`, 60, async () => {
    const { budget = '' } = await scene.status(pool);
    const { servers = [] } = await budgetOf(budget);
    return servers.find((one) => one.sameAs !== undefined)?.sameAs;
  });
}

describe('one server', { concurrency: 1 }, () => {
  test(
    'under four names has one budget, found by objects and by its own word',
    inScene('names', async (scene) => {
      const service = { selector: { app: 'db' }, ports: [{ name: 'postgres', port: 5432 }] };
      const metadata = { name: 'pg', namespace: scene.namespace };
      await apply({ apiVersion: 'v1', kind: 'Service', metadata, spec: service });
      for (const name of ['far', 'farther']) await blindService(scene, name);
      await scene.pool('own', { pooler: { replicas: 1 } });
      const benches = [await Bench.start(scene, 'own', { clients: 20 })];
      const snapshots = await Snapshots.start(scene);
      for (const name of ['pg', 'far', 'farther']) {
        await scene.pool(`by-${name}`, endpoint(scene, name));
        benches.push(await Bench.start(scene, `by-${name}`, { clients: 20 }));
      }
      const home = { namespace: scene.namespace, name: 'statefulset-db', server: 'primary' };
      const reasons: string[] = [];
      for (const name of ['by-pg', 'by-far', 'by-farther']) {
        const { reason, why: _, ...above } = await linkOf(scene, name);
        assert.deepEqual(above, home);
        reasons.push(reason);
      }
      assert.deepEqual(reasons, ['SameCluster', 'SameSystem', 'SameSystem']);
      // Everybody has its part, and nothing is left over.
      const pools = ['own', 'by-pg', 'by-far', 'by-farther'];
      await until('all is shared', 90, async () => {
        const held = await Promise.all(
          pools.map(async (name) => granted(await scene.status(name))),
        );
        const sum = held.reduce((a, b) => a + b, 0);
        return sum === BUDGET && held.every((connections) => connections >= 2);
      });
      const from = performance.now();
      await sleep(3000);
      for (const bench of benches) {
        const { transactions, failed } = await bench.stop();
        assert.equal(failed, 0);
        assert.ok(transactions > 0);
      }
      await snapshots.stop();
      const most = (some: readonly { held: number }[]) => Math.max(...some.map((s) => s.held));
      console.log(
        `${snapshots.list.length} snapshots: most held ${most(snapshots.list)}, at the end ${most(snapshots.list.filter((s) => s.from > from))}, the budget is ${BUDGET}`,
      );
      checkHeld(snapshots.list, BUDGET + QUESTIONS);
      checkHeld(
        snapshots.list.filter((s) => s.from > from),
        BUDGET,
      );
      const { servers = [], conditions = [] } = await budgetOf(`${home.namespace}/${home.name}`);
      assert.equal(servers[0]?.allotted, BUDGET);
      assert.ok(conditions.some((one) => one.type === 'Ready' && one.status === 'True'));
    }),
  );
});
