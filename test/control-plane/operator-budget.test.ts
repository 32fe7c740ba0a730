// What happens to a budget under its pools, on a real API server with the real controllers: the Postgres shrinks, the
// budget is deleted, its ledger is lost. There is no node, so no process ever proves that it has given back: what pools
// hold is charged until the end.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ConnectionBudgetStatus } from '../../operator/api/connection-budget.ts';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool.ts';
import {
  configMaps,
  events,
  type KubeObject,
  secrets,
  statefulSets,
} from '../../operator/kube/types.ts';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import { until } from '../cluster/run.ts';
import type { OperatorProcess } from './operator-process.ts';
import {
  condition,
  conditionsOf,
  eventually,
  furnish,
  kubectl,
  makeNamespace,
  openRoom,
  pool,
  postgres,
  type Room,
  secret,
} from './room.ts';

let room: Room;
let operator: OperatorProcess;
before(async () => {
  room = await openRoom({ withControllers: true });
  operator = await room.operator();
});
after(() => room?.close());

const readBudget = (namespace: string) =>
  room.client.get(connectionBudgets, { namespace, name: 'statefulset-db' });

async function budgetStatus(namespace: string): Promise<ConnectionBudgetStatus> {
  return ((await readBudget(namespace))?.status ?? {}) as ConnectionBudgetStatus;
}

async function poolStatus(namespace: string, name = 'shop'): Promise<ConnectionPoolStatus> {
  const live = await room.client.get(connectionPools, { namespace, name });
  return (live?.status ?? {}) as ConnectionPoolStatus;
}

/** Waits until a condition of the budget has that status and reason, and returns its message. */
async function budgetSays(
  namespace: string,
  type: string,
  status: string,
  reason: string,
): Promise<string> {
  const live = await eventually(
    `${type} ${status} ${reason} of the budget of ${namespace}`,
    () => readBudget(namespace),
    (budget) =>
      conditionsOf(budget).some(
        (c) => c.type === type && c.status === status && c.reason === reason,
      ),
  );
  return conditionsOf(live).find((c) => c.type === type)?.message ?? '';
}

/** An event of that kind about an object of that kind. */
async function told(
  namespace: string,
  kind: string,
  type: string,
  reason: string,
): Promise<KubeObject> {
  return until(`${type} event ${reason} of a ${kind} in ${namespace}`, 30, async () => {
    const { items } = await room.client.list(events, { namespace });
    return items.find(
      (e) =>
        e.reason === reason &&
        e.type === type &&
        (e.involvedObject as { kind: string }).kind === kind,
    );
  });
}

/** Their Postgres comes last, or the first of the pools would have all of it and never prove that it gives back. */
async function furnishTogether(namespace: string, objects: readonly KubeObject[]): Promise<void> {
  const { client } = room;
  await makeNamespace(client, namespace);
  await client.create(secrets, secret(namespace));
  for (const object of objects) {
    const isPool = object.kind === connectionPools.kind;
    await client.create(isPool ? connectionPools : connectionBudgets, object);
    if (!isPool) continue;
    const { name } = object.metadata;
    await condition(client, namespace, 'PostgresFound', 'False', 'PostgresDoesNotExist', name);
  }
  await client.create(statefulSets, postgres(namespace));
}

async function giveCores(namespace: string, cores: number): Promise<void> {
  const containers = [
    {
      name: 'postgres',
      image: 'postgres',
      args: ['-c', 'max_connections=200'],
      resources: { limits: { cpu: String(cores) } },
    },
  ];
  const patch = { spec: { template: { spec: { containers } } } };
  await room.client.patch(statefulSets, { namespace, name: 'db' }, patch);
}

test('a Postgres that shrinks under its pools: what there is now, what they hold, and who was told', async () => {
  const { client } = room;
  const namespace = 'shrinks';
  await furnish(client, namespace);
  await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
  // Another pool: the first gives back for it, and that is nobody's fault.
  await client.create(connectionPools, pool(namespace, 'web'));
  await condition(client, namespace, 'WithinBudget', 'False', 'GivingBack');
  await budgetSays(namespace, 'Ready', 'False', 'Sharing');
  await budgetSays(namespace, 'WithinBudget', 'True', 'Within');

  // An even number, because the odd one goes by uid.
  await giveCores(namespace, 1.5);
  const message = await budgetSays(namespace, 'WithinBudget', 'False', 'BudgetShrank');
  assert.match(message, /^primary: the budget is 4 now \(1\.5 cores × 2 \+ 1 = 4; /);
  assert.match(message, /pools hold 9 connections: they close 5 of them/);
  await budgetSays(namespace, 'Ready', 'False', 'BudgetShrank');
  const event = await told(namespace, 'ConnectionBudget', 'Warning', 'BudgetShrank');
  assert.match(String(event.message), /the budget is 4 now .* pools hold 9 connections/);
  // What is to be stands beside what is in effect.
  const { servers, allotments } = await budgetStatus(namespace);
  const { explanation, sources: _, ...numbers } = servers?.[0] ?? {};
  assert.match(String(explanation), /1\.5 cores × 2 \+ 1 = 4/);
  assert.deepEqual(numbers, { name: 'primary', budget: 4, allotted: 9, free: 0, over: 5 });
  assert.deepEqual(
    allotments?.map(({ name, connections, target }) => [name, connections, target]),
    [
      ['shop', 9, 2],
      ['web', 0, 2],
    ],
  );

  const words = /^9 connections can be open and 2 are allotted, because the budget .*, 4: /;
  await eventually(
    'the pool says why it gives back',
    () => client.get(connectionPools, { namespace, name: 'shop' }),
    (live) => conditionsOf(live).some((c) => c.reason === 'BudgetShrank' && words.test(c.message)),
  );
  await condition(client, namespace, 'Ready', 'False', 'BudgetShrank');
  await told(namespace, 'ConnectionPool', 'Warning', 'BudgetShrank');
  const { sizing, grants, allotment } = await poolStatus(namespace);
  assert.deepEqual([sizing?.budget, sizing?.share, allotment?.connections], [4, 2, 2]);
  assert.equal(
    grants?.reduce((sum, grant) => sum + grant.connections, 0),
    9,
  );

  await giveCores(namespace, 16);
  await budgetSays(namespace, 'WithinBudget', 'True', 'Within');
  await condition(client, namespace, 'WithinBudget', 'True', 'Exact');
  await told(namespace, 'ConnectionBudget', 'Normal', 'Within');
  await condition(client, namespace, 'ShareGranted', 'True', 'Granted', 'web');
  const last = (await budgetStatus(namespace)).servers?.[0];
  assert.deepEqual([last?.budget, last?.allotted, last?.free, last?.over], [33, 33, 0, undefined]);
  // Events come in their order: one about giving back for the other pool would be here by now.
  const { items } = await client.list(events, { namespace });
  assert.deepEqual(
    items.filter((e) => e.reason === 'GivingBack').map((e) => e.message),
    [],
  );
});

/** What a pool lives from: its workload and its files as they are, and what it may hold. */
async function running(namespace: string, name: string): Promise<object> {
  const ref = { namespace, name: `${name}-pooler` };
  const set = await room.client.get(statefulSets, ref);
  const files = await room.client.get(configMaps, ref);
  const { allotment, grants } = await poolStatus(namespace, name);
  const spec = set?.spec as { replicas: number; template: object } | undefined;
  return {
    replicas: spec?.replicas,
    template: spec?.template,
    files: files?.data,
    allotment,
    grants,
  };
}

/** The budget that is there now, once it is another one than before. */
function another(namespace: string, uid: string | undefined): Promise<KubeObject> {
  return eventually(
    'another budget',
    () => readBudget(namespace),
    (live) => live.metadata.uid !== uid,
  );
}

test('a budget that is deleted is held by its pools, gives nothing to new ones, and is made anew when they are gone', async () => {
  const { client } = room;
  const namespace = 'deleted';
  const budget = { namespace, name: 'statefulset-db' };
  await furnish(client, namespace);
  await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
  await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied');
  const before = await running(namespace, 'shop');
  const first = await readBudget(namespace);

  await client.delete(connectionBudgets, budget);
  const message = await budgetSays(namespace, 'Ready', 'False', 'BeingDeleted');
  assert.match(message, /held until its pools are gone: deleted\/shop\./);
  await told(namespace, 'ConnectionBudget', 'Warning', 'BeingDeleted');
  await condition(client, namespace, 'ShareGranted', 'True', 'BudgetBeingDeleted');

  await client.create(connectionPools, pool(namespace, 'web'));
  const reason = 'BudgetBeingDeleted';
  const why = await condition(client, namespace, 'ShareGranted', 'False', reason, 'web');
  assert.match(why, /ConnectionBudget deleted\/statefulset-db is deleted and gives nothing more/);
  await condition(client, namespace, 'Ready', 'False', reason, 'web');
  assert.deepEqual(
    (await budgetStatus(namespace)).allotments?.map(({ name, connections, target }) => [
      name,
      connections,
      target,
    ]),
    [['shop', 9, 9]],
  );
  assert.deepEqual(await running(namespace, 'shop'), before);
  assert.equal((await poolStatus(namespace)).sizing?.share, 9);
  const { grants = [], allotment } = await poolStatus(namespace, 'web');
  assert.deepEqual([grants, allotment?.connections ?? 0], [[], 0]);

  await client.delete(connectionPools, { namespace, name: 'shop' });
  const second = await another(namespace, first?.metadata.uid);
  await condition(client, namespace, 'ShareGranted', 'True', 'Granted', 'web');
  assert.equal((await poolStatus(namespace, 'web')).allotment?.connections, 9);

  // Nobody comes: it goes with its last pool, and the owner can make another one.
  await client.delete(connectionBudgets, budget);
  await budgetSays(namespace, 'Ready', 'False', 'BeingDeleted');
  await client.delete(connectionPools, { namespace, name: 'web' });
  await until('the budget is gone', 60, async () => (await readBudget(namespace)) === undefined);
  await client.create(connectionBudgets, {
    apiVersion: second.apiVersion,
    kind: second.kind,
    metadata: budget,
    spec: { ...(second.spec as object), total: 4 },
  });
  await client.create(connectionPools, pool(namespace));
  await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
  assert.equal((await poolStatus(namespace)).allotment?.connections, 4);
});

test('a ledger that is lost is written again from what pools hold: nobody gets more, and nobody loses anything', async () => {
  const { client } = room;
  const namespace = 'lost-ledger';
  // Weights by which nothing depends on uids.
  await furnishTogether(namespace, [
    pool(namespace, 'shop', { sizing: { weight: 2 } }),
    pool(namespace, 'web', { sizing: { weight: 1 } }),
  ]);
  const names = ['shop', 'web'];
  for (const name of names) {
    await condition(client, namespace, 'ShareGranted', 'True', 'Granted', name);
    await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied', name);
  }
  const all = async () => Promise.all(names.map((name) => running(namespace, name)));
  const rows = async () =>
    (await budgetStatus(namespace)).allotments?.map(({ name, connections, target }) => [
      name,
      connections,
      target,
    ]);
  const ledger = [
    ['shop', 6, 6],
    ['web', 3, 3],
  ];
  const before = await all();
  assert.deepEqual(await rows(), ledger);

  // By force: the finalizer is there so that this does not happen.
  const first = await readBudget(namespace);
  await client.delete(connectionBudgets, { namespace, name: 'statefulset-db' });
  await client.patch(
    connectionBudgets,
    { namespace, name: 'statefulset-db' },
    { metadata: { finalizers: null } },
  );
  await another(namespace, first?.metadata.uid);
  await budgetSays(namespace, 'Ready', 'True', 'Shared');
  assert.deepEqual(await rows(), ledger);
  assert.deepEqual(await all(), before);

  const wipe = (type: string, name: string, status: object) =>
    kubectl(room.plane, [
      ...['patch', `${type}.spillway.dev`, name, `--namespace=${namespace}`],
      ...['--subresource=status', '--type=merge', '--patch', JSON.stringify({ status })],
    ]);
  await wipe('connectionbudgets', 'statefulset-db', { allotments: null, servers: null });
  await until('the rows are there again', 60, async () => (await rows())?.length === 2);
  assert.deepEqual(await rows(), ledger);
  assert.deepEqual(await all(), before);

  // Nothing but the files says what the pool holds.
  await wipe('connectionpools', 'shop', { allotment: null, grants: null });
  await until('the pool has its own again', 60, async () => {
    const { allotment, grants } = await poolStatus(namespace);
    const sum = (grants ?? []).reduce((total, grant) => total + grant.connections, 0);
    return allotment?.connections === 6 && sum === 6;
  });
  assert.deepEqual(await rows(), ledger);
  const files = (one: object | undefined) => (one as { files: object }).files;
  assert.deepEqual(files((await all())[0]), files(before[0]));
});

test('a min that is more than there is: what is too small, what helps, and an event', async () => {
  const { client } = room;
  const namespace = 'below-min';
  await furnish(client, namespace, { sizing: { min: 12 } });
  const message = await condition(client, namespace, 'ShareGranted', 'False', 'BelowMin');
  assert.match(message, /^The share is below spec\.sizing\.min \(4 cores × 2 \+ 1 = 9; /);
  assert.match(message, /raise the total or share of ConnectionBudget below-min\/statefulset-db/);
  assert.match(message, /give Postgres more cores, or lower spec\.sizing\.min$/);
  const event = await told(namespace, 'ConnectionPool', 'Warning', 'BelowMin');
  assert.equal(event.message, message);
  const { sizing } = await poolStatus(namespace);
  const share = sizing?.share ?? 0;
  assert.ok(share > 0 && share <= 9, String(share));
  await giveCores(namespace, 16);
  await until('the pool has its min', 60, async () => {
    const status = await poolStatus(namespace);
    return status.sizing?.share === 33 && !/BelowMin/.test(JSON.stringify(status.conditions));
  });
});

test('an edit of one pool is written into those only that say something else, and into all of those', async () => {
  const { client } = room;
  const namespace = 'edits';
  // 30 percent of 200 are 60 connections, 10 each, also when one of them weighs a little more.
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  await furnishTogether(namespace, [
    {
      apiVersion: 'spillway.dev/v1alpha1',
      kind: 'ConnectionBudget',
      metadata: { namespace, name: 'statefulset-db' },
      spec: {
        postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'db' } },
        share: 30,
      },
    },
    ...names.map((name) => pool(namespace, name, { sizing: { weight: 100 } })),
  ]);
  for (const name of names) {
    await condition(client, namespace, 'ShareGranted', 'True', 'Granted', name);
  }
  const writes = async () => {
    const count = (await operator.quiet()).by['PUT connectionpools/status 200'];
    assert.ok(count !== undefined);
    return count;
  };
  const edit = (sizing: object) =>
    client.patch(connectionPools, { namespace, name: 'a' }, { spec: { sizing } });
  const before = await writes();
  await edit({ weight: 101 });
  assert.equal(await writes(), before + 1);

  // No share changes, for the owner has said how much there is; but all pools say where the optimum comes from.
  await edit({ coresFactor: '3' });
  // At once: what is looked at every half minute would find it too.
  assert.equal(await writes(), before + 1 + names.length);
  for (const name of names) {
    const { sizing } = await poolStatus(namespace, name);
    const factor = sizing?.sources?.find(({ field }) => field === 'coresFactor');
    assert.deepEqual(
      [sizing?.optimum, sizing?.share, factor?.source],
      [13, 10, 'spec.sizing of ConnectionPool edits/a'],
    );
  }
  const { servers } = await budgetStatus(namespace);
  assert.deepEqual(
    servers?.[0]?.sources
      ?.filter(({ field }) => ['coresFactor', 'budget', 'pools'].includes(field))
      .map(({ value, source }) => `${value}: ${source}`),
    [
      '3: spec.sizing of ConnectionPool edits/a',
      '60: 30 % of max_connections 200 (spec.share)',
      'more than 4: in transaction or statement mode: more than 4 pools by weight',
    ],
  );

  // Whatever anybody says in the whole cluster, it is what is so: who looks anew has nothing to write.
  assert.equal(await operator.stop(), 0);
  operator = await room.operator({ name: 'spillway-1' });
  assert.deepEqual(await operator.quiet(), { writes: 0, events: 0, refused: 0, by: {} });
});
