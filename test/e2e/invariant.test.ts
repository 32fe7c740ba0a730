// The promise on the real cluster: random sequences of real operations under load, every version of the ledger judged,
// and beside it what Postgres itself holds, looked at every 20 ms. SPILLWAY_SEED repeats the choice of operations,
// SPILLWAY_SOAK_SECONDS makes it longer.
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionBudgetStatus } from '../../operator/api/connection-budget.ts';
import { connectionBudgets, connectionPools, statusOf } from '../../operator/reconcile/world.ts';
import { apply } from '../cluster/e2e.ts';
import { until } from '../cluster/run.ts';
import { randomFrom } from '../core/simulator/random.ts';
import { client } from './client.ts';
import { Charges } from './invariant/charges.ts';
import { Demand, makeSquare } from './invariant/crowd.ts';
import { judge, report, slackOf } from './invariant/judge.ts';
import { databaseNames, Operations, roles } from './invariant/operations.ts';
import { Snapshots } from './invariant/snapshots.ts';
import { takeCluster } from './operator.ts';
import { appPassword, budgetName, Scene } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

const seconds = Number(process.env.SPILLWAY_SOAK_SECONDS ?? 120);
const seed = Number(process.env.SPILLWAY_SEED ?? Date.now() % 1_000_000_000);
/** Between two times at which all must come to rest. */
const UNREST_SECONDS = 60;

test('whatever happens to its pools, one Postgres never holds more than its budget, and all of it is of use', {
  timeout: (seconds * 3 + 600) * 1000,
}, async () => {
  const scene = await Scene.make('invariant', { maxConnections: 150 });
  try {
    const random = randomFrom(seed);
    const operations = new Operations(scene);
    await furnish(scene, operations.total);
    const charges = await Charges.start(scene.namespace);
    await operations.create(random);
    const snapshots = await Snapshots.start(scene);
    const end = performance.now() + seconds * 1000;
    console.log(`seed ${seed}`);
    try {
      while (performance.now() < end) {
        const rest = Math.min(end, performance.now() + UNREST_SECONDS * 1000);
        while (performance.now() < rest) {
          await operations.next(random);
          await sleep(100 + random.below(1900));
        }
        await comesToRest(scene, operations);
      }
    } finally {
      console.log(`${operations.done.length} operations: ${operations.counts}`);
      await Promise.all([charges.stop(), snapshots.stop()]);
      report(charges.judge(), snapshots, operations.done);
    }
    judge(charges.judge(), snapshots, await slackOf(scene));
  } finally {
    await scene.remove();
  }
});

async function furnish(scene: Scene, total: number): Promise<void> {
  for (const role of roles.filter((name) => name !== 'app'))
    await scene.root(`CREATE ROLE ${role} LOGIN PASSWORD '${appPassword}'`);
  for (const database of databaseNames.filter((name) => name !== 'app'))
    await scene.root(`CREATE DATABASE ${database}`);
  await makeSquare(scene);
  await apply({
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionBudget',
    metadata: { name: budgetName, namespace: scene.namespace },
    spec: {
      postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'db' } },
      total,
    },
  });
}

/** Clients leave, the ledger settles, and then there are clients for more than there is: all of it is used. */
async function comesToRest(scene: Scene, operations: Operations): Promise<void> {
  const { namespace } = scene;
  const started = performance.now();
  await operations.quieten();
  const { total, pools } = operations;
  await until(
    `the ledger of ${namespace} is at rest`,
    300,
    async () => {
      const wrong = await unrest(namespace, total, pools.length);
      if (wrong !== undefined) throw new Error(wrong);
      return true;
    },
    250,
  ).catch((error: Error) => {
    throw new Error(
      `${error.message}: ${(error.cause as Error | undefined)?.message}\n${operations.done.slice(-15).join('\n')}`,
    );
  });
  const settled = performance.now();
  const demand = new Demand();
  try {
    for (const pool of pools) await demand.want(scene, pool.name, pool);
    await until(`all ${total} connections are used`, 120, async () => {
      const [row] = await scene.root(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'idle in transaction' AND usename <> 'postgres'`,
      );
      if (row?.n !== total) throw new Error(`${row?.n} are`);
      return true;
    }).catch(async (error: Error) => {
      const { items } = await client.list(connectionPools, { namespace });
      const said = items.map((one) => `${one.metadata.name} ${JSON.stringify(one.status)}`);
      const why = (error.cause as Error | undefined)?.message;
      throw new Error([error.message, why, ...said, ...operations.done.slice(-15)].join('\n'));
    });
    console.log(
      `at rest after ${((settled - started) / 1000).toFixed(1)} s: ${pools.length} pools, all ${total} connections used`,
    );
  } finally {
    demand.leave();
  }
  operations.resume();
}

/** What is not yet as it is to be in the end; undefined when everything is. */
async function unrest(
  namespace: string,
  total: number,
  count: number,
): Promise<string | undefined> {
  const [budget, pools] = await Promise.all([
    client.get(connectionBudgets, { namespace, name: budgetName }),
    client.list(connectionPools, { namespace }),
  ]);
  const { allotments = [] } = (budget?.status ?? {}) as ConnectionBudgetStatus;
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  if (allotments.length !== count) return `${allotments.length} rows for ${count} pools`;
  const rows = sum(allotments.map(({ connections }) => connections));
  if (rows !== total) return `rows of ${rows}, the budget is ${total}`;
  for (const { metadata, ...pool } of pools.items) {
    const row = allotments.find(({ uid }) => uid === metadata.uid);
    const {
      grants = [],
      sizing,
      confirmed,
      observedGeneration,
      leaving = [],
      conditions = [],
    } = statusOf({ metadata, ...pool });
    const granted = sum(grants.map(({ connections }) => connections));
    const holders = (sizing?.perPod ?? []).length;
    if (row?.connections !== row?.target)
      return `${metadata.name} has ${row?.connections} of ${row?.target}`;
    if (observedGeneration !== metadata.generation) return `${metadata.name} was not seen`;
    if (leaving.length > 0) return `${metadata.name}: ${leaving.map(({ name }) => name)} leaves`;
    if (granted !== row?.connections)
      return `${metadata.name} grants ${granted} of ${row?.connections}`;
    if (confirmed !== `${holders}/${holders}`)
      return `${metadata.name}: ${confirmed} of ${holders}`;
    const wrong = conditions.find(
      ({ type, status }) => ['PodsReady', 'ConfigApplied'].includes(type) && status !== 'True',
    );
    if (wrong !== undefined) return `${metadata.name}: ${wrong.reason}, ${wrong.message}`;
    // Pods that are still to be replaced take what their clients have with them.
    const works = conditions.find(
      ({ type, status }) => type === 'Reconciling' && status === 'True',
    );
    if (works !== undefined) return `${metadata.name}: ${works.reason}, ${works.message}`;
    const paused = conditions.find(({ type, reason }) => type === 'Paused' && reason === 'Paused');
    if (paused !== undefined) return `${metadata.name}: ${paused.message}`;
  }
  return undefined;
}
