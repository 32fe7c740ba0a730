// Bad input: each ends in a condition that names it, is healed by a retry, and leaves alone what ran before.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ConnectionBudgetStatus } from '../../operator/api/connection-budget.ts';
import {
  configMaps,
  events,
  type KubeObject,
  secrets,
  services,
  statefulSets,
} from '../../operator/kube/types.ts';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import { sleep, until } from '../cluster/run.ts';
import {
  condition,
  furnish,
  makeNamespace,
  openRoom,
  pool,
  postgres,
  type Room,
  secret,
  system,
} from './room.ts';

let room: Room;
before(async () => {
  room = await openRoom();
  await room.operator();
});
after(() => room?.close());

/** Nothing of the pool exists: it waits as a whole. */
async function nothingOf(namespace: string): Promise<void> {
  const { items } = await room.client.list(statefulSets, { namespace });
  assert.deepEqual(
    items.map((o) => o.metadata.name).filter((name) => name !== 'db'),
    [],
  );
}

/** What a running pool lives from, by name. */
async function running(namespace: string): Promise<Record<string, unknown>> {
  const read = async (type: typeof configMaps, name: string) =>
    (await room.client.get(type, { namespace, name }))?.metadata.resourceVersion;
  return {
    files: await read(configMaps, 'shop-pooler'),
    users: await read(secrets, 'shop-pooler-users'),
    workload: await read(statefulSets, 'shop-pooler'),
  };
}

async function replicas(namespace: string): Promise<number> {
  const set = await room.client.get(statefulSets, { namespace, name: 'shop-pooler' });
  return (set?.spec as { replicas: number } | undefined)?.replicas ?? 0;
}

/** No pod is asked for while a second passes. The operator itself is never quiet here: other tests keep it busy. */
async function staysWithoutPods(namespace: string): Promise<void> {
  for (const end = Date.now() + 1000; Date.now() < end; await sleep(50)) {
    assert.equal(await replicas(namespace), 0);
  }
}

async function warned(namespace: string, reason: string): Promise<KubeObject> {
  return until(`an event ${reason}`, 10, async () => {
    const { items } = await room.client.list(events, { namespace });
    return items.find((e) => e.reason === reason && e.type === 'Warning');
  });
}

async function budgetOf(namespace: string): Promise<ConnectionBudgetStatus> {
  const ref = { namespace, name: 'statefulset-db' };
  return ((await room.client.get(connectionBudgets, ref))?.status ?? {}) as ConnectionBudgetStatus;
}

async function budgetSays(namespace: string, reason: string): Promise<void> {
  await until(
    `the budget of ${namespace} says ${reason}`,
    20,
    async () => (await budgetOf(namespace)).conditions?.some((c) => c.reason === reason) === true,
  );
}

describe('bad input', { concurrency: true }, () => {
  test('a Postgres that does not exist yet is waited for, and used when it is there', async () => {
    const { client } = room;
    const namespace = await makeNamespace(client, 'no-postgres');
    await client.create(secrets, secret(namespace));
    await client.create(connectionPools, pool(namespace));
    const reason = 'PostgresDoesNotExist';
    const message = await condition(client, namespace, 'PostgresFound', 'False', reason);
    assert.match(message, /no StatefulSet no-postgres\/db/);
    await condition(client, namespace, 'Ready', 'False', reason);
    await condition(client, namespace, 'Reconciling', 'True', reason);
    await warned(namespace, reason);
    await nothingOf(namespace);
    await client.create(statefulSets, postgres(namespace));
    await condition(client, namespace, 'PostgresFound', 'True', 'Found');
    await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
    await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied');
  });

  test('a Postgres that is gone takes nothing from the pool that runs', async () => {
    const { client } = room;
    const namespace = 'lost-postgres';
    await furnish(client, namespace);
    await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied');
    await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
    const before = await running(namespace);
    await client.delete(statefulSets, { namespace, name: 'db' });
    await condition(client, namespace, 'PostgresFound', 'False', 'PostgresDoesNotExist');
    assert.deepEqual(await running(namespace), before);
    const live = await client.get(connectionPools, { namespace, name: 'shop' });
    assert.deepEqual((live?.status as { allotment: object } | undefined)?.allotment, {
      connections: 9,
      serial: 1,
    });
    await client.create(statefulSets, postgres(namespace));
    await condition(client, namespace, 'PostgresFound', 'True', 'Found');
    await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
    assert.deepEqual(await running(namespace), before);
  });

  test('a Secret that is missing is waited for', async () => {
    const { client } = room;
    const namespace = await makeNamespace(client, 'no-secret');
    await client.create(statefulSets, postgres(namespace));
    await client.create(connectionPools, pool(namespace));
    const reason = 'SecretDoesNotExist';
    const message = await condition(client, namespace, 'CredentialsFound', 'False', reason);
    assert.match(message, /spec\.users\[app\]\.secretRef: there is no Secret no-secret\/app/);
    await condition(client, namespace, 'Ready', 'False', reason);
    await warned(namespace, reason);
    await nothingOf(namespace);
    await client.create(secrets, secret(namespace));
    await condition(client, namespace, 'CredentialsFound', 'True');
    await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied');
  });

  test('a Secret without the key is named, and healed by the key', async () => {
    const { client } = room;
    const namespace = await makeNamespace(client, 'no-key');
    await client.create(statefulSets, postgres(namespace));
    await client.create(secrets, secret(namespace, 'app', { pass: 'x' }));
    await client.create(connectionPools, pool(namespace));
    const reason = 'SecretHasNoPassword';
    const message = await condition(client, namespace, 'CredentialsFound', 'False', reason);
    assert.match(message, /no-key\/app has no value under "password"/);
    await nothingOf(namespace);
    const data = { password: Buffer.from('y').toString('base64') };
    await client.patch(secrets, { namespace, name: 'app' }, { data });
    await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied');
  });

  test('a password that cannot be written is refused in words, without the password', async () => {
    const { client } = room;
    const namespace = await makeNamespace(client, 'bad-password');
    const bad = 'line one\nline two';
    await client.create(statefulSets, postgres(namespace));
    await client.create(secrets, secret(namespace, 'app', { password: bad }));
    await client.create(connectionPools, pool(namespace));
    const reason = 'PasswordCannotBeWritten';
    const message = await condition(client, namespace, 'CredentialsFound', 'False', reason);
    assert.doesNotMatch(message, /line one|line two/);
    await nothingOf(namespace);
  });

  test('a Secret that goes takes nothing from the pool that runs', async () => {
    const { client } = room;
    const namespace = 'lost-secret';
    await furnish(client, namespace);
    await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied');
    await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
    const before = await running(namespace);
    await client.delete(secrets, { namespace, name: 'app' });
    await condition(client, namespace, 'CredentialsFound', 'False', 'SecretDoesNotExist');
    assert.deepEqual(await running(namespace), before);
    await client.create(secrets, secret(namespace));
    await condition(client, namespace, 'CredentialsFound', 'True');
    assert.deepEqual(await running(namespace), before);
  });

  test('what comes and goes is told with a count, not with an event each time', async () => {
    const { client } = room;
    const namespace = 'flapping';
    await furnish(client, namespace);
    await condition(client, namespace, 'CredentialsFound', 'True');
    for (let times = 0; times < 8; times++) {
      await client.delete(secrets, { namespace, name: 'app' });
      await condition(client, namespace, 'CredentialsFound', 'False', 'SecretDoesNotExist');
      await client.create(secrets, secret(namespace));
      await condition(client, namespace, 'CredentialsFound', 'True');
    }
    const told = await until('the events are written', 10, async () => {
      const { items } = await client.list(events, { namespace });
      const ours = items.filter(
        (e) => (e.source as { component?: string }).component === 'spillway',
      );
      const warned = ours.find((e) => e.reason === 'SecretDoesNotExist');
      return warned?.count === 8 ? ours : undefined;
    });
    assert.deepEqual(told.map((e) => e.reason).sort(), ['Found', 'SecretDoesNotExist']);
  });

  test('a budget smaller than the pods runs fewer pods, never with 0 connections', async () => {
    const { client } = room;
    const namespace = 'small-budget';
    await furnish(client, namespace, null);
    await client.create(connectionBudgets, budget(namespace, 3));
    await client.create(connectionPools, pool(namespace, 'shop', { pooler: { replicas: 5 } }));
    await condition(client, namespace, 'ShareGranted', 'False', 'FewerPods');
    await until('three pods', 20, async () => (await replicas(namespace)) === 3);
    const files = await client.get(configMaps, { namespace, name: 'shop-pooler' });
    assert.doesNotMatch(
      JSON.stringify(files?.data),
      /(user|db)_connections ?= ?0\b|(?<!reserve_)pool_size ?= ?0\b/,
    );
    const spec = { total: 5 };
    await client.patch(connectionBudgets, { namespace, name: 'statefulset-db' }, { spec });
    await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
  });

  test('a budget that has nothing for a pool makes it wait with 0 pods and a reason', async () => {
    const { client } = room;
    const namespace = 'no-budget';
    await furnish(client, namespace, null);
    await client.create(connectionBudgets, budget(namespace, 1));
    await client.create(connectionPools, pool(namespace, 'first'));
    await condition(client, namespace, 'ShareGranted', 'False', 'FewerPods', 'first');
    await client.create(connectionPools, pool(namespace, 'shop'));
    const message = await condition(client, namespace, 'ShareGranted', 'False', 'BudgetTooSmall');
    assert.match(message, /ConnectionBudget no-budget\/statefulset-db/);
    await condition(client, namespace, 'Ready', 'False', 'BudgetTooSmall');
    await staysWithoutPods(namespace);
    const spec = { total: 4 };
    await client.patch(connectionBudgets, { namespace, name: 'statefulset-db' }, { spec });
    await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
  });

  test('a pool of a namespace that may not attach gets nothing until it may', async () => {
    const { client } = room;
    const home = 'attach-home';
    const namespace = 'attach-guest';
    // The budget is there already, and says nothing about other namespaces.
    await furnish(client, home, null);
    await client.create(connectionBudgets, budget(home, 9));
    await makeNamespace(client, namespace);
    await client.create(secrets, secret(namespace));
    const ref = { apiGroup: 'apps', kind: 'StatefulSet', name: 'db', namespace: home };
    const databases = [{ name: 'shop' }, { name: 'stock' }];
    const guest = pool(namespace, 'shop', { postgres: { clusterRef: ref }, databases });
    await client.create(connectionPools, guest);
    const reason = 'NamespaceNotAllowed';
    const message = await condition(client, namespace, 'ShareGranted', 'False', reason);
    assert.match(message, /add it to the budget's spec\.namespaces/);
    await condition(client, namespace, 'Stalled', 'True', reason);
    await staysWithoutPods(namespace);
    const allow = (max: number) =>
      client.patch(
        connectionBudgets,
        { namespace: home, name: 'statefulset-db' },
        { spec: { namespaces: [{ name: namespace, max }] } },
      );
    // One connection for two databases: not even one pod.
    await allow(1);
    const tooSmall = 'NamespaceMaxTooSmall';
    const fix = await condition(client, namespace, 'ShareGranted', 'False', tooSmall);
    assert.match(fix, /raise the max of namespace attach-guest in spec\.namespaces/);
    await warned(namespace, tooSmall);
    await budgetSays(home, tooSmall);
    await warned(home, tooSmall);
    assert.equal(await replicas(namespace), 0);
    await allow(5);
    await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
    await budgetSays(home, 'EveryPoolServed');
    const whys = (await budgetOf(home)).allotments?.map(({ name, target, why }) => [
      name,
      target,
      why,
    ]);
    assert.deepEqual(whys, [
      [
        'shop',
        5,
        'all of the budget, within what pools of namespace attach-guest may have together, 5',
      ],
    ]);
    await until('its pods are asked for', 20, async () => (await replicas(namespace)) === 2);
  });

  test('an endpoint whose host does not resolve is named', async () => {
    const { client } = room;
    const namespace = await makeNamespace(client, 'no-host');
    await client.create(secrets, secret(namespace));
    const endpoint = { host: 'db.invalid', cores: 4, maxConnections: 100 };
    await client.create(connectionPools, pool(namespace, 'shop', { postgres: { endpoint } }));
    const reason = 'HostDoesNotResolve';
    const message = await condition(client, namespace, 'PostgresFound', 'False', reason);
    assert.match(message, /db\.invalid/);
    const { items } = await client.list(connectionBudgets, { namespace: system });
    assert.equal(items.length, 1);
  });
});

test('an object that the API server refuses is named, and is written when it may be', async () => {
  const { client } = room;
  const namespace = 'refused';
  const group = 'admissionregistration.k8s.io';
  const apiVersion = `${group}/v1`;
  const name = 'no-services';
  const type = (kind: string, plural: string) =>
    ({ group, version: 'v1', plural, kind, namespaced: false }) as const;
  const policies = type('ValidatingAdmissionPolicy', 'validatingadmissionpolicies');
  const bindings = type('ValidatingAdmissionPolicyBinding', 'validatingadmissionpolicybindings');
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['services'] };
  const selector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } };
  await client.create(policies, {
    apiVersion,
    kind: policies.kind,
    metadata: { name },
    spec: {
      matchConstraints: { resourceRules: [rule], namespaceSelector: selector },
      validations: [{ expression: 'false', message: 'no Services today' }],
    },
  });
  await client.create(bindings, {
    apiVersion,
    kind: bindings.kind,
    metadata: { name },
    spec: { policyName: name, validationActions: ['Deny'] },
  });
  await furnish(client, namespace, null);
  const metadata = { namespace, name: 'probe' };
  const spec = { ports: [{ port: 1 }] };
  await until('the policy holds', 30, async () => {
    const probe = { apiVersion: 'v1', kind: 'Service', metadata, spec };
    const refused = await client.create(services, probe).then(
      () => false,
      () => true,
    );
    if (!refused) await client.delete(services, metadata);
    return refused;
  });
  await client.create(connectionPools, pool(namespace));
  const message = await condition(client, namespace, 'ObjectsApplied', 'False', 'ObjectRefused');
  assert.match(message, /Service shop.*no Services today/);
  await condition(client, namespace, 'Ready', 'False', 'ObjectRefused');
  await warned(namespace, 'ObjectRefused');
  await client.delete(bindings, { name });
  await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied', 'shop', 120);
});

function budget(namespace: string, total: number): KubeObject {
  return {
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionBudget',
    metadata: { namespace, name: 'statefulset-db' },
    spec: {
      postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'db' } },
      total,
    },
  };
}
