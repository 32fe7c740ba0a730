// A pool with a Deployment on a real API server with the real controllers, and an operator that has the chart's rights.
// No kubelet is here: pods stay pending, which is enough to count them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ConnectionBudgetStatus } from '../../operator/api/connection-budget.ts';
import {
  configMaps,
  deployments,
  type KubeObject,
  pods,
  services,
  statefulSets,
} from '../../operator/kube/types.ts';
import { at } from '../../operator/postgres/raw.ts';
import { connectionBudgets, connectionPools, statusOf } from '../../operator/reconcile/world.ts';
import type { OperatorProcess } from './operator-process.ts';
import { condition, eventually, furnish, kubectl, openRoom, type Room } from './room.ts';

let room: Room;
let operator: OperatorProcess;
before(async () => {
  room = await openRoom({ withControllers: true });
  operator = await room.operator();
});
after(() => room?.close());

/** 4 cores: 9 connections, of which 2 replicas, 5 pods at most, have one each, and 1 replica has 3. */
const pooler = { workload: 'Deployment' };
const read = (namespace: string) =>
  room.client.get(deployments, { namespace, name: 'shop-pooler' });
const readPool = (namespace: string) =>
  room.client.get(connectionPools, { namespace, name: 'shop' });
const podsOf = async (namespace: string) => (await room.client.list(pods, { namespace })).items;
const replicasOf = (object: KubeObject | undefined) => at(object, 'spec', 'replicas');

function granted(namespace: string, connections: number, most: number): Promise<KubeObject> {
  return eventually(
    `a grant of ${connections} for ${most} pods`,
    () => readPool(namespace),
    (pool) => {
      const [grant] = statusOf(pool).grants ?? [];
      return grant?.connections === connections && grant.pods === most;
    },
  );
}

test('a Deployment and one file are made, with the rights of the chart', async () => {
  const namespace = 'made';
  await furnish(room.client, namespace, { pooler });
  await granted(namespace, 5, 5);
  const made = await eventually(
    'the Deployment',
    () => read(namespace),
    (one) => replicasOf(one) === 2,
  );
  assert.equal(made.metadata.ownerReferences?.[0]?.kind, 'ConnectionPool');
  const map = await room.client.get(configMaps, { namespace, name: 'shop-pooler' });
  const { uid } = (await readPool(namespace))?.metadata ?? {};
  assert.deepEqual(Object.keys(map?.data ?? {}), [`shop-pooler-shared.${uid}.0.ini`]);
  const service = await room.client.get(services, { namespace, name: 'shop' });
  assert.equal(at(service, 'spec', 'sessionAffinity'), 'ClientIP');
  assert.equal(await room.client.get(statefulSets, { namespace, name: 'shop-pooler' }), undefined);
  const message = await condition(room.client, namespace, 'WithinBudget', 'True', 'Bounded');
  assert.equal(message.split(';')[0], 'At most 5 pods × 1 = 5 of 9 connections');
});

test('what somebody changes in it by hand comes back, and so does the Deployment itself', async () => {
  const namespace = 'drift-d';
  await furnish(room.client, namespace, { pooler });
  const ref = { namespace, name: 'shop-pooler' };
  const steady = () =>
    eventually(
      'it is as it is to be',
      () => read(namespace),
      (one) =>
        replicasOf(one) === 2 &&
        at(one, 'spec', 'paused') !== true &&
        at(one, 'spec', 'strategy', 'rollingUpdate', 'maxSurge') === 1,
    );
  const first = await steady();
  await room.client.patch(deployments, ref, { spec: { replicas: 6 } });
  await steady();
  const strategy = { rollingUpdate: { maxSurge: 3 } };
  await room.client.patch(deployments, ref, { spec: { strategy } });
  await steady();
  await room.client.patch(deployments, ref, { spec: { paused: true } });
  await steady();
  await room.client.patch(deployments, ref, {
    metadata: { annotations: { 'spillway.dev/epoch': null } },
  });
  await eventually(
    'the ticket is recorded again',
    () => read(namespace),
    (one) => one.metadata.annotations?.['spillway.dev/epoch'] !== undefined,
  );
  await room.client.delete(deployments, ref);
  await eventually(
    'another Deployment',
    () => read(namespace),
    (one) => one.metadata.uid !== first.metadata.uid && replicasOf(one) === 2,
  );
});

test('a Deployment of that name that is not ours is left alone, and the pool says so', async () => {
  const namespace = 'foreign-d';
  await furnish(room.client, namespace, null);
  const labels = { app: 'theirs' };
  const theirs: KubeObject = await room.client.create(deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      namespace,
      name: 'shop-pooler',
      labels: { 'app.kubernetes.io/managed-by': 'spillway' },
    },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'app', image: 'app' }] } },
    },
  });
  await room.client.create(connectionPools, {
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionPool',
    metadata: { namespace, name: 'shop' },
    spec: {
      postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'db' } },
      users: [{ name: 'app', secretRef: { name: 'app' } }],
      pooler,
    },
  });
  const why = await condition(room.client, namespace, 'ObjectsApplied', 'False', 'ObjectNotOurs');
  assert.match(why, /Deployment shop-pooler/);
  const now = await read(namespace);
  assert.equal(now?.metadata.uid, theirs.metadata.uid);
  assert.equal(replicasOf(now), 0);
});

test('scaled to 0 and back, by the scale subresource', async () => {
  const namespace = 'scaled-d';
  await furnish(room.client, namespace, { pooler });
  await eventually(
    'two replicas',
    () => read(namespace),
    (one) => replicasOf(one) === 2,
  );
  const scale = (n: number) =>
    kubectl(room.plane, [
      ...['scale', 'connectionpools.spillway.dev', 'shop', `--namespace=${namespace}`],
      `--replicas=${n}`,
    ]);
  await scale(0);
  await eventually(
    'no replica',
    () => read(namespace),
    (one) => replicasOf(one) === 0,
  );
  await eventually(
    'nothing is granted',
    () => readPool(namespace),
    (pool) => (statusOf(pool).grants ?? []).length === 0,
  );
  const map = await room.client.get(configMaps, { namespace, name: 'shop-pooler' });
  assert.deepEqual(Object.keys(map?.data ?? {}), []);
  await scale(1);
  await granted(namespace, 9, 3);
  await eventually(
    'one replica',
    () => read(namespace),
    (one) => replicasOf(one) === 1,
  );
});

/** Deletes as many pods, one after the other; each is held by a finalizer, as one whose clients stay. Their names. */
async function endingPods(namespace: string, count: number): Promise<string[]> {
  const held: string[] = [];
  while (held.length < count) {
    const pod = await eventually('a pod that is to stay', async () =>
      (await podsOf(namespace)).find(({ metadata }) => metadata.deletionTimestamp === undefined),
    );
    const { name } = pod.metadata;
    held.push(name);
    const metadata = { finalizers: ['test.example.com/held'] };
    await room.client.patch(pods, { namespace, name }, { metadata });
    await room.client.delete(pods, { namespace, name });
  }
  return held;
}

test('pods that are ending and more than were counted on are said, until they are gone', async () => {
  const namespace = 'more-d';
  await furnish(room.client, namespace, { pooler: { ...pooler, replicas: 1 } });
  await granted(namespace, 9, 3);
  const held = await endingPods(namespace, 3);
  const why = await condition(room.client, namespace, 'WithinBudget', 'False', 'MorePods');
  assert.match(
    why,
    /^4 pods are there.* 3 were counted on, [23] connections each: up to 12 can be open/,
  );
  for (const name of held) {
    await room.client.patch(pods, { namespace, name }, { metadata: { finalizers: null } });
  }
  await condition(room.client, namespace, 'WithinBudget', 'True', 'Bounded');
});

test('a new template waits while pods are ending, and then rolls', async () => {
  const namespace = 'roll-d';
  await furnish(room.client, namespace, { pooler: { ...pooler, replicas: 1 } });
  await granted(namespace, 9, 3);
  const held = await endingPods(namespace, 2);
  await eventually(
    'three pods',
    async () => ({ ...(await readPool(namespace)), items: await podsOf(namespace) }) as never,
    ({ items }: { items: KubeObject[] } & KubeObject) => items.length === 3,
  );
  const annotated = { podAnnotations: { colour: 'blue' } };
  await room.client.patch(
    connectionPools,
    { namespace, name: 'shop' },
    { spec: { pooler: annotated } },
  );
  const template = (one: KubeObject) =>
    at(one, 'spec', 'template', 'metadata', 'annotations', 'colour');
  const paused = await eventually(
    'the template is written',
    () => read(namespace),
    (one) => template(one) === 'blue',
  );
  assert.equal(at(paused, 'spec', 'paused'), true);
  await operator.quiet();
  assert.equal(at(await read(namespace), 'spec', 'paused'), true);
  assert.equal((await podsOf(namespace)).length, 3);
  for (const name of held) {
    await room.client.patch(pods, { namespace, name }, { metadata: { finalizers: null } });
  }
  await eventually(
    'it rolls',
    () => read(namespace),
    (one) => at(one, 'spec', 'paused') !== true,
  );
  await eventually('a pod of the new template', async () =>
    (await podsOf(namespace)).find(({ metadata }) => metadata.annotations?.colour === 'blue'),
  );
});

test('a pool that is deleted keeps its share until its last pod is gone', async () => {
  const namespace = 'gone-d';
  await furnish(room.client, namespace, { pooler: { ...pooler, replicas: 1 } });
  await granted(namespace, 9, 3);
  const pod = await eventually('its pod', async () => (await podsOf(namespace))[0]);
  const ref = { namespace, name: pod.metadata.name };
  await room.client.patch(pods, ref, { metadata: { finalizers: ['test.example.com/held'] } });
  await room.client.delete(connectionPools, { namespace, name: 'shop' });
  const budget = { namespace, name: 'statefulset-db' };
  const rows = async () => {
    const live = await room.client.get(connectionBudgets, budget);
    return ((live?.status ?? {}) as ConnectionBudgetStatus).allotments?.map((r) => r.connections);
  };
  await eventually(
    'the Deployment is gone',
    async () => ({ ...pod, there: await read(namespace) }) as never,
    ({ there }: KubeObject & { there?: KubeObject }) => there === undefined,
  );
  await operator.quiet();
  assert.deepEqual(await rows(), [9]);
  await room.client.patch(pods, ref, { metadata: { finalizers: null } });
  await eventually(
    'nobody has anything any more',
    async () => ({ ...pod, left: await rows() }) as never,
    ({ left }: KubeObject & { left?: number[] }) => (left ?? []).length === 0,
  );
});
