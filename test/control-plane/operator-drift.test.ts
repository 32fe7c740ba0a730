// What people and other controllers do to the operator's objects: its own fields come back, theirs stay.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
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
import { connectionPools } from '../../operator/reconcile/world.ts';
import type { OperatorProcess } from './operator-process.ts';
import { condition, eventually, furnish, openRoom, type Room } from './room.ts';

const namespace = 'drift';
const labels = { colour: 'blue' };
let room: Room;
let operator: OperatorProcess;
before(async () => {
  room = await openRoom();
  await furnish(room.client, namespace, {
    pooler: { podLabels: labels, service: { annotations: labels } },
    parameters: { query_wait_timeout: '33', server_lifetime: '600' },
  });
  operator = await room.operator();
  await condition(room.client, namespace, 'ShareGranted', 'True');
  await operator.quiet();
});
after(() => room?.close());

type Patch = Record<string, unknown>;
const read = (type: ResourceType, name: string) => room.client.get(type, { namespace, name });
const spec = (patch: Patch): Patch => ({ spec: patch });

/** A change by hand of a field that is ours, for each kind. */
const drifts: readonly (readonly [string, ResourceType, string, Patch])[] = [
  ['a ServiceAccount', serviceAccounts, 'shop-pooler', { automountServiceAccountToken: true }],
  ['the list of users', secrets, 'shop-pooler-users', { data: { 'userlist.txt': 'AAAA' } }],
  ['a key in the list of users', secrets, 'shop-pooler-users', { data: { more: 'AAAA' } }],
  ['a NetworkPolicy', networkPolicies, 'shop-pooler', spec({ egress: [{}] })],
  ['a Service', services, 'shop', spec({ selector: { app: 'theirs' } })],
  ['the headless Service', services, 'shop-pooler', spec({ publishNotReadyAddresses: false })],
  ['a PodDisruptionBudget', podDisruptionBudgets, 'shop-pooler', spec({ maxUnavailable: 2 })],
  [
    'the epoch of the files',
    configMaps,
    'shop-pooler',
    { metadata: { annotations: { 'spillway.dev/epoch': null } } },
  ],
  ['a key in the ConfigMap', configMaps, 'shop-pooler', { data: { more: 'theirs' } }],
  [
    'a StatefulSet',
    statefulSets,
    'shop-pooler',
    spec({ updateStrategy: { type: 'RollingUpdate' } }),
  ],
  ['the replicas', statefulSets, 'shop-pooler', spec({ replicas: 7 })],
  [
    'a label',
    services,
    'shop',
    { metadata: { labels: { 'app.kubernetes.io/component': 'theirs' } } },
  ],
];

for (const [what, type, name, patch] of drifts) {
  test(`${what}, changed by hand, comes back`, async () => {
    const before = steady(await read(type, name));
    const changed = await room.client.patch(type, { namespace, name }, patch);
    assert.notDeepEqual(steady(changed), before);
    const healed = await eventually(
      `${what} is as before`,
      () => read(type, name),
      (object) => JSON.stringify(steady(object)) === JSON.stringify(before),
      10,
    );
    assert.equal(healed.metadata.uid, changed.metadata.uid);
  });
}

test('a file that says more connections, by hand, is taken back before it is used', async () => {
  const map = await read(configMaps, 'shop-pooler');
  const [key = '', text = ''] =
    Object.entries((map?.data ?? {}) as Record<string, string>)[0] ?? [];
  const more = text.replaceAll(/(max_user_connections ?= ?)[0-9]+/g, '$190');
  assert.notEqual(more, text);
  await room.client.patch(
    configMaps,
    { namespace, name: 'shop-pooler' },
    { data: { [key]: more } },
  );
  await eventually(
    'the caps are as before',
    () => read(configMaps, 'shop-pooler'),
    (object) => !/max_user_connections ?= ?90/.test(String((object.data as Patch)[key])),
    10,
  );
  await operator.quiet();
});

test('an object that was deleted comes back', async () => {
  for (const [type, name] of new Map(
    drifts.map(([, t, n]) => [`${t.kind} ${n}`, [t, n] as const]),
  ).values()) {
    const before = await read(type, name);
    await room.client.delete(type, { namespace, name });
    await eventually(
      `${type.kind} ${name} is back`,
      () => read(type, name),
      (object) => object.metadata.uid !== before?.metadata.uid,
      10,
    );
  }
  await operator.quiet();
});

test('what others add is left alone, and makes no write', async () => {
  const before = await operator.quiet();
  const metadata = { labels: { theirs: 'yes' }, annotations: { 'theirs/note': 'yes' } };
  for (const [, type, name] of drifts) {
    await room.client.patch(type, { namespace, name }, { metadata });
  }
  await room.client.patch(
    services,
    { namespace, name: 'shop' },
    spec({ sessionAffinity: 'ClientIP' }),
  );
  await room.client.patch(
    statefulSets,
    { namespace, name: 'shop-pooler' },
    spec({ minReadySeconds: 3 }),
  );
  assert.deepEqual((await operator.quiet()).by, before.by);
  // Nor does a write that is needed for something else.
  await room.client.patch(
    services,
    { namespace, name: 'shop' },
    spec({ selector: { app: 'theirs' } }),
  );
  const healed = await eventually(
    'the selector is ours',
    () => read(services, 'shop'),
    (object) => (object.spec as { selector: Patch }).selector.app === undefined,
    10,
  );
  assert.equal(healed.metadata.labels?.theirs, 'yes');
  assert.equal(healed.metadata.annotations?.['theirs/note'], 'yes');
  assert.equal((healed.spec as { sessionAffinity: string }).sessionAffinity, 'ClientIP');
});

test('an item that others add to a list stays, and is not fought over', async () => {
  const more = { name: 'more', port: 9999, protocol: 'TCP' };
  await room.client.apply(services, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name: 'shop' },
    spec: { ports: [more] },
  });
  await operator.quiet();
  const before = await operator.calls();
  const metadata = { annotations: { looked: 'again' } };
  await room.client.patch(connectionPools, { namespace, name: 'shop' }, { metadata });
  assert.deepEqual((await operator.quiet()).by, before.by);
  const { ports } = ((await read(services, 'shop'))?.spec ?? {}) as { ports?: object[] };
  assert.equal(ports?.length, 2);
});

test('what a pool says no more goes from its objects', async () => {
  const service = await read(services, 'shop');
  assert.equal(service?.metadata.annotations?.colour, 'blue');
  assert.equal(templateLabels(await read(statefulSets, 'shop-pooler')).colour, 'blue');
  await room.client.patch(
    connectionPools,
    { namespace, name: 'shop' },
    spec({
      pooler: { podLabels: null, service: { annotations: null } },
      parameters: { query_wait_timeout: null },
    }),
  );
  const gone = (object: KubeObject) => object.metadata.annotations?.colour === undefined;
  const after = await eventually('the annotation is gone', () => read(services, 'shop'), gone, 10);
  assert.equal(after.metadata.annotations?.['theirs/note'], 'yes');
  await eventually(
    'the label of the pods is gone',
    () => read(statefulSets, 'shop-pooler'),
    (object) => templateLabels(object).colour === undefined,
    10,
  );
  await eventually(
    'the parameter is gone',
    () => read(configMaps, 'shop-pooler'),
    (object) => !/query_wait_timeout = 33/.test(JSON.stringify(object.data)),
    10,
  );
});

test('an object that was made by one operator loses what the next one does not want', async () => {
  // The first operator makes it by POST and never applies it again; the second starts with that alone.
  const other = 'handover';
  await furnish(room.client, other, { pooler: { service: { annotations: labels } } });
  await condition(room.client, other, 'ShareGranted', 'True');
  await operator.quiet();
  assert.equal(await operator.stop(), 0);
  const patch = spec({ pooler: { service: { annotations: null } } });
  await room.client.patch(connectionPools, { namespace: other, name: 'shop' }, patch);
  operator = await room.operator();
  await eventually(
    'the annotation is gone',
    () => room.client.get(services, { namespace: other, name: 'shop' }),
    (object) => object.metadata.annotations?.colour === undefined,
    20,
  );
});

/** Without what changes with every write, and without what is not ours to bring back. */
function steady(object: KubeObject | undefined): Patch {
  if (object === undefined) return {};
  const { status: _s, ...rest } = object;
  const { managedFields: _m, resourceVersion: _v, generation: _g, ...metadata } = rest.metadata;
  return { ...rest, metadata };
}

function templateLabels(object: KubeObject | undefined): Record<string, string> {
  const template = (object?.spec as { template?: { metadata?: { labels?: object } } } | undefined)
    ?.template;
  return { ...template?.metadata?.labels };
}
