// A Postgres without a cpu limit and a cpu request: its cores are those of its nodes, as far as they may be read.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool.ts';
import {
  events,
  type KubeObject,
  nodes as nodeType,
  pods as podType,
  secrets,
  serviceAccounts,
  statefulSets,
} from '../../operator/kube/types.ts';
import { connectionPools } from '../../operator/reconcile/world.ts';
import {
  condition,
  eventually,
  kubectl,
  makeNamespace,
  openRoom,
  pool,
  postgres,
  type Room,
  secret,
  system,
} from './room.ts';

const namespace = 'unlimited';
let room: Room;
before(async () => {
  room = await openRoom();
});
after(() => room?.close());

function node(name: string, cpu: string): KubeObject {
  const status = { capacity: { cpu: '64' }, allocatable: { cpu } };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, status };
}

/** As the controller of the StatefulSet makes it, and the scheduler then says where it runs. */
function instance(owner: KubeObject, number: number, nodeName: string): KubeObject {
  const name = `${owner.metadata.name}-${number}`;
  const { apiVersion, kind, metadata } = owner;
  const { uid = '' } = metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace,
      name,
      labels: { app: owner.metadata.name, 'statefulset.kubernetes.io/pod-name': name },
      ownerReferences: [{ apiVersion, kind, name: metadata.name, uid, controller: true }],
    },
    spec: { nodeName, containers: [{ name: 'postgres', image: 'postgres' }] },
  };
}

function sized(cores: string, share: number) {
  return eventually(
    `a share of ${share} by ${cores} cores`,
    () => room.client.get(connectionPools, { namespace, name: 'shop' }),
    ({ status }) => {
      const { sizing } = (status ?? {}) as ConnectionPoolStatus;
      return sizing?.cores === cores && sizing.share === share;
    },
  );
}

const remove = (name: string) =>
  kubectl(room.plane, [
    ...['delete', 'pod', name, `--namespace=${namespace}`],
    ...['--grace-period=0', '--force'],
  ]);

test('the smallest node counts, follows its pods, and wakes nobody with what its kubelet reports', async () => {
  const { client } = room;
  await makeNamespace(client, namespace);
  await client.create(serviceAccounts, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace, name: 'default' },
  });
  const db = postgres(namespace);
  const { template } = db.spec as {
    template: { spec: { containers: { resources?: object }[] } };
  };
  for (const container of template.spec.containers) delete container.resources;
  const set = await client.create(statefulSets, db);
  await client.create(secrets, secret(namespace));
  await client.create(connectionPools, pool(namespace));
  const operator = await room.operator();

  const why = await condition(client, namespace, 'CoresKnown', 'False', 'CoresUnknown');
  assert.match(why, /neither a cpu limit nor a cpu request, and no pod of it has a node, so /);
  await sized('1', 3);
  const event = await eventually(
    'it is told',
    async () => {
      const { items } = await client.list(events, { namespace });
      return items.find(({ reason }) => reason === 'CoresUnknown');
    },
    () => true,
  );
  assert.equal(event.type, 'Warning');

  for (const one of [node('big', '8'), node('small', '3920m')]) await client.create(nodeType, one);
  await client.create(podType, instance(set, 0, 'big'));
  await sized('8', 17);
  await client.create(podType, instance(set, 1, 'small'));
  const live = await sized('3.92', 8);
  const { sizing } = live.status as ConnectionPoolStatus;
  const source = sizing?.sources?.find(({ field }) => field === 'cores')?.source;
  assert.equal(source, 'allocatable cpu of node small');
  await condition(client, namespace, 'CoresKnown', 'True', 'Found');

  const looks = () => operator.metric('spillway_reconcile_duration_seconds_count');
  const report = (status: object) =>
    client.patch(nodeType, { name: 'small' }, { status }, { subresource: 'status' });
  await operator.quiet();
  const before = await looks();
  const times = 100;
  for (let i = 0; i < times; i++) await report({ images: [{ names: [`i${i}`], sizeBytes: i }] });
  const quiet = await operator.quiet();
  // A pool that waits for something looks again now and then.
  assert.ok((await looks()) - before < times / 2);
  await report({ allocatable: { cpu: '2' } });
  await sized('2', 5);

  // While Postgres starts again its pods are on no node.
  for (const name of ['db-0', 'db-1']) await remove(name);
  await operator.quiet();
  await sized('2', 5);
  await client.create(podType, instance(set, 0, 'big'));
  await sized('8', 17);
  // A node that is removed: its pod is there until somebody sees to it, and then runs elsewhere.
  await client.delete(nodeType, { name: 'big' });
  await operator.quiet();
  await sized('8', 17);
  await client.create(nodeType, node('big', '8'));
  await operator.quiet();
  assert.equal(quiet.refused, 0, JSON.stringify(quiet.by));
  assert.equal(await operator.stop(), 0);
});

test('another process does not go through the size of one core', async () => {
  const operator = await room.operator();
  assert.deepEqual(await operator.quiet(), { writes: 0, events: 0, refused: 0, by: {} });
  await sized('8', 17);
  assert.equal(await operator.stop(), 0);
});

test('where nodes may not be read it is one core, and the condition says whose right that would be', async () => {
  const role = JSON.parse(
    await kubectl(room.plane, ['get', 'clusterrole', `${system}:spillway`, '-o', 'json']),
  ) as { rules: { resources: string[] }[] };
  const rules = role.rules.filter(({ resources }) => !resources.includes('nodes'));
  assert.equal(rules.length, role.rules.length - 1);
  await kubectl(room.plane, ['replace', '--filename=-'], JSON.stringify({ ...role, rules }));
  const operator = await room.operator();
  const { client } = room;
  const why = await condition(client, namespace, 'CoresKnown', 'False', 'CoresUnknown');
  assert.match(
    why,
    /its node big cannot be read \(an operator for some namespaces may read none\)/,
  );
  await sized('1', 3);
  assert.equal((await operator.get('/readyz'))?.status, 200);
  await operator.quiet();
  const told = operator.log().match(/"type":"nodes"[^\n]*a watch failed/g);
  assert.equal(told?.length, 1);
  assert.equal(await operator.stop(), 0);
});
