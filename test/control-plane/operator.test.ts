// The whole operator on a real API server without nodes: it converges, and then it is silent.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseFileKey } from '../../operator/core/pool/names.ts';
import {
  configMaps,
  type KubeObject,
  networkPolicies,
  podDisruptionBudgets,
  type ResourceType,
  secrets,
  serviceAccounts,
  services,
  statefulSets,
} from '../../operator/kube/types.ts';
import { connectionBudgets, connectionPools, statusOf } from '../../operator/reconcile/world.ts';
import { until } from '../cluster/run.ts';
import { condition, conditionsOf, eventually, furnish, openRoom, pool, type Room } from './room.ts';

let room: Room;
before(async () => {
  room = await openRoom({ withControllers: true });
});
after(() => room?.close());

/** Everything that a pool `shop` owns. */
const owned: readonly (readonly [ResourceType, string])[] = [
  [serviceAccounts, 'shop-pooler'],
  [secrets, 'shop-pooler-console'],
  [secrets, 'shop-pooler-users'],
  [networkPolicies, 'shop-pooler'],
  [services, 'shop-pooler'],
  [services, 'shop'],
  [podDisruptionBudgets, 'shop-pooler'],
  [configMaps, 'shop-pooler'],
  [statefulSets, 'shop-pooler'],
];

test('a pool gets its objects, its share and a status that says so; then nothing is written', async () => {
  const { client } = room;
  await furnish(client, 'converge');
  const operator = await room.operator();
  const namespace = 'converge';
  const status = await until('the share is granted', 60, async () => {
    const live = await client.get(connectionPools, { namespace, name: 'shop' });
    const granted = conditionsOf(live).find((c) => c.type === 'ShareGranted');
    return granted?.status === 'True' ? (live?.status as Record<string, unknown>) : undefined;
  });
  assert.deepEqual(status.allotment, { connections: 9, serial: 1 });
  assert.deepEqual(
    (status.grants as { connections: number }[]).map((g) => g.connections),
    [5, 4],
  );
  assert.equal((status.sizing as { share: number }).share, 9);
  assert.equal(status.budget, 'converge/statefulset-db');
  assert.equal(status.address, 'shop.converge.svc.cluster.local:5432');
  await condition(client, namespace, 'PodsReady', 'False', 'PodsNotReady');
  // The share is in the status before the objects are there.
  await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied');

  const budget = await client.get(connectionBudgets, { namespace, name: 'statefulset-db' });
  const rows = (budget?.status as { allotments: { connections: number }[] } | undefined)
    ?.allotments;
  assert.deepEqual(
    rows?.map((r) => r.connections),
    [9],
  );
  for (const [type, name] of owned) {
    // The status says what is given before anything is made of it.
    const object = await eventually(`${type.kind} ${name} is there`, () =>
      client.get(type, { namespace, name }),
    );
    assert.equal(object.metadata.ownerReferences?.[0]?.controller, true, `${type.kind} ${name}`);
  }
  const set = await client.get(statefulSets, { namespace, name: 'shop-pooler' });
  assert.equal((set?.spec as { replicas: number } | undefined)?.replicas, 2);

  const before = await operator.quiet();
  const versions = await everything(namespace);
  await wake(namespace);
  assert.deepEqual((await operator.quiet()).by, before.by);
  assert.deepEqual(await everything(namespace), versions);
  assert.equal(before.refused, 0, JSON.stringify(before.by));

  assert.equal(await operator.stop(), 0);
  const second = await room.operator({ name: 'spillway-1' });
  assert.deepEqual(await second.quiet(), { writes: 0, events: 0, refused: 0, by: {} });
  assert.deepEqual(await everything(namespace), versions);
  assert.equal(await second.stop(), 0);
});

/** Makes the operator look again: a label on the pool is no news to it. */
async function wake(namespace: string): Promise<void> {
  const patch = { metadata: { labels: { looked: 'again' } } };
  await room.client.patch(connectionPools, { namespace, name: 'shop' }, patch);
  const user = { metadata: { annotations: { looked: 'again' } } };
  await room.client.patch(secrets, { namespace, name: 'app' }, user);
}

async function everything(namespace: string): Promise<Record<string, string>> {
  const found: KubeObject[] = [];
  for (const type of [...new Set(owned.map(([t]) => t)), connectionBudgets]) {
    found.push(...(await room.client.list(type, { namespace })).items);
  }
  return Object.fromEntries(
    found
      .filter((o) => o.metadata.labels?.['app.kubernetes.io/managed-by'] === 'spillway')
      .map((o) => [`${o.kind} ${o.metadata.name}`, o.metadata.resourceVersion ?? '']),
  );
}

test('a pool that goes leaves nothing, and its budget goes with it', async () => {
  const { client } = room;
  const namespace = 'gone';
  await furnish(client, namespace);
  const operator = await room.operator();
  await condition(client, namespace, 'ShareGranted', 'True');
  await operator.quiet();
  await client.delete(connectionPools, { namespace, name: 'shop' });
  for (const [type, name] of owned) {
    await until(`${type.kind} ${name} is gone`, 60, async () => {
      return (await client.get(type, { namespace, name })) === undefined;
    });
  }
  await until('the budget is gone', 60, async () => {
    return (await client.list(connectionBudgets, { namespace })).items.length === 0;
  });
  assert.equal(await operator.stop(), 0);
});

test('a pool that is made again under its name starts anew, when the API server says that nothing of the first is left', async () => {
  const { client } = room;
  const namespace = 'again';
  await furnish(client, namespace);
  const operator = await room.operator();
  await condition(client, namespace, 'ShareGranted', 'True');
  await operator.quiet();
  const asked = () =>
    operator.metric('spillway_kube_request_duration_seconds_count', {
      method: 'GET',
      resource: 'pods',
    });
  const before = await asked();
  const ref = { namespace, name: 'shop' };
  const first = (await client.get(connectionPools, ref))?.metadata.uid ?? '';
  await client.delete(connectionPools, ref);
  await client.create(connectionPools, pool(namespace));
  const live = await eventually(
    'the second pool has its share',
    () => client.get(connectionPools, ref),
    (one) =>
      statusOf(one).allotment?.connections === 9 && (statusOf(one).grants ?? []).length === 2,
  );
  const { uid = '' } = live.metadata;
  assert.notEqual(uid, first);
  assert.ok((await asked()) > before, 'whether a pod of the first is left was asked');
  const map = await eventually(
    'the second pool has files',
    () => client.get(configMaps, { namespace, name: 'shop-pooler' }),
    (one) => Object.keys((one.data ?? {}) as object).length > 0,
  );
  for (const key of Object.keys(map.data as object)) {
    assert.ok(parseFileKey({ name: 'shop', uid }, key), key);
    assert.equal(parseFileKey({ name: 'shop', uid: first }, key), undefined);
  }
  const budget = await client.get(connectionBudgets, { namespace, name: 'statefulset-db' });
  const { allotments = [] } = (budget?.status ?? {}) as { allotments?: { uid: string }[] };
  assert.deepEqual(
    allotments.map((row) => row.uid),
    [uid],
  );
  assert.equal(await operator.stop(), 0);
});

test('a spec that changes reaches the objects', async () => {
  const { client } = room;
  const namespace = 'changes';
  await furnish(client, namespace);
  const operator = await room.operator();
  await condition(client, namespace, 'ShareGranted', 'True');
  const spec = { pooler: { replicas: 1 }, parameters: { query_wait_timeout: '33' } };
  await client.patch(connectionPools, { namespace, name: 'shop' }, { spec });
  const set = () => client.get(statefulSets, { namespace, name: 'shop-pooler' });
  await eventually('one pod', set, (s) => (s.spec as { replicas: number }).replicas === 1);
  await eventually(
    'the parameter',
    () => client.get(configMaps, { namespace, name: 'shop-pooler' }),
    (map) => Object.values(map.data as object).every((t) => /query_wait_timeout = 33/.test(t)),
  );
  assert.equal(await operator.stop(), 0);
});
