// What happens to a budget under its pools, on a real API server with the real controllers: the Postgres shrinks. There
// is no node, so no process ever proves that it has given back: what pools hold is charged until the end.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ConnectionBudgetStatus } from '../../operator/api/connection-budget.ts';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool.ts';
import { events, type KubeObject, statefulSets } from '../../operator/kube/types.ts';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import { until } from '../cluster/run.ts';
import { condition, conditionsOf, eventually, furnish, openRoom, pool, type Room } from './room.ts';

let room: Room;
before(async () => {
  room = await openRoom({ withControllers: true });
  await room.operator();
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
  const { explanation, ...numbers } = servers?.[0] ?? {};
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
