// An operator for some namespaces, with the rights that the chart gives it for these and no others: it serves the pools
// there, knows nothing of the rest, and asks for nothing that it may not have.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ConnectionBudgetStatus } from '../../operator/api/connection-budget.ts';
import {
  configMaps,
  customResourceDefinitions,
  deployments,
  horizontalPodAutoscalers,
  secrets,
  statefulSets,
} from '../../operator/kube/types.ts';
import { cloudNativePg } from '../../operator/postgres/cloudnativepg.ts';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import type { OperatorProcess } from './operator-process.ts';
import {
  condition,
  conditionsOf,
  eventually,
  furnish,
  kubectl,
  openRoom,
  pool,
  postgres,
  type Room,
  secret,
  system,
} from './room.ts';

const [one, two, other] = ['shop', 'books', 'elsewhere'];

let room: Room;
let operator: OperatorProcess;
before(async () => {
  room = await openRoom({ withControllers: true, watchNamespaces: [one, two] });
  operator = await room.operator();
});
after(() => room?.close());

/** Requests of every kind that the API server refused. */
async function refused(): Promise<string[]> {
  const page = (await operator.get('/metrics'))?.body ?? '';
  return page
    .split('\n')
    .filter((line) => line.startsWith('spillway_kube_request_duration_seconds_count'))
    .filter((line) => /status="(401|403)"/.test(line));
}

async function works(namespace: string, name = 'shop'): Promise<void> {
  const { client } = room;
  for (const [type, reason] of [
    ['PostgresFound', 'Found'],
    ['CredentialsFound', 'Found'],
    ['ShareGranted', 'Granted'],
    ['ObjectsApplied', 'Applied'],
  ] as const) {
    await condition(client, namespace, type, 'True', reason, name);
  }
  await eventually(
    `the pods of ${namespace}/${name}`,
    () => client.get(statefulSets, { namespace, name: `${name}-pooler` }),
    (set) => (set.spec as { replicas: number }).replicas === 2,
  );
  const files = await client.get(configMaps, { namespace, name: `${name}-pooler` });
  assert.equal(Object.keys(files?.data as object).length, 2);
}

test('there is no right in any other namespace, and none that holds for the cluster', async () => {
  const { plane } = room;
  const bindings = await kubectl(plane, ['get', 'clusterrolebindings', '--output=name']);
  assert.doesNotMatch(bindings, /spillway/);
  const user = `--as=system:serviceaccount:${system}:spillway`;
  const can = (...args: string[]) =>
    kubectl(plane, ['auth', 'can-i', user, ...args]).then(
      (answer) => answer.trim(),
      () => 'no',
    );
  assert.equal(await can('list', 'secrets', `--namespace=${one}`), 'yes');
  assert.equal(await can('list', 'secrets', `--namespace=${other}`), 'no');
  assert.equal(await can('list', 'customresourcedefinitions'), 'no');
  const roles = await kubectl(plane, ['get', 'roles', '--all-namespaces', '--output=json']);
  assert.doesNotMatch(roles, /customresourcedefinitions/, 'in a Role it would be without effect');
});

test('pools of its namespaces get all that they need, of a cluster and of an endpoint', async () => {
  const { client } = room;
  // The budget of an endpoint is in the operator's own namespace. It comes first: while others hold something, a new
  // server is asked who it is, and here is no pod through which it could be.
  await client.create(secrets, secret(two));
  const endpoint = { host: '192.0.2.1', cores: 4, maxConnections: 100 };
  await client.create(connectionPools, pool(two, 'shop', { postgres: { endpoint } }));
  await works(two);
  await client.create(statefulSets, postgres(one));
  await client.create(secrets, secret(one));
  await client.create(connectionPools, pool(one));
  await works(one);
  const { items } = await client.list(connectionBudgets, { namespace: system });
  const rows = items.flatMap(
    ({ status }) => (status as ConnectionBudgetStatus | undefined)?.allotments ?? [],
  );
  assert.deepEqual(
    rows.map(({ namespace, name, connections }) => [namespace, name, connections]),
    [[two, 'shop', 9]],
  );
});

test('a pool of one of its namespaces shares the Postgres of another one of them', async () => {
  const { client } = room;
  const clusterRef = { apiGroup: 'apps', kind: 'StatefulSet', name: 'db', namespace: one };
  await client.create(connectionPools, pool(two, 'guest', { postgres: { clusterRef } }));
  await condition(client, two, 'ShareGranted', 'False', 'NamespaceNotAllowed', 'guest');
  const budget = { namespace: one, name: 'statefulset-db' };
  await client.patch(connectionBudgets, budget, { spec: { namespaces: [{ name: two }] } });
  await condition(client, two, 'PostgresFound', 'True', 'Found', 'guest');
  // What it is to have: without processes that could prove it, the other one gives nothing back.
  await eventually(
    'the share of both',
    () => client.get(connectionBudgets, budget),
    ({ status }) => {
      const { allotments = [] } = (status ?? {}) as ConnectionBudgetStatus;
      const targets = allotments.map(({ namespace, target }) => [namespace, target] as const);
      const of = new Map(targets);
      return Math.min(of.get(one) ?? 0, of.get(two) ?? 0) === 4 && of.size === 2;
    },
  );
});

test('what scales and what connects is read there too', async () => {
  const { client } = room;
  const labels = { app: 'web' };
  await client.create(deployments, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: one, name: 'web' },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'web' }] } },
    },
  });
  const clients = { workloads: [{ kind: 'Deployment', name: 'web', poolSize: 10 }] };
  const pooler = { autoscaling: { maxReplicas: 3 } };
  await client.patch(
    connectionPools,
    { namespace: one, name: 'shop' },
    { spec: { clients, pooler } },
  );
  await condition(client, one, 'ClientsFit', 'True');
  await eventually('the autoscaler', () =>
    client.get(horizontalPodAutoscalers, { namespace: one, name: 'shop-pooler' }),
  );
});

test('a kind of Postgres cluster that is installed later is found without a look at definitions', async () => {
  const { client } = room;
  const { apiGroup: group, kind, plural, version } = cloudNativePg;
  const reference = { clusterRef: { apiGroup: group, kind, name: 'db' } };
  await client.create(connectionPools, pool(two, 'later', { postgres: reference }));
  const reason = 'PostgresKindNotInstalled';
  const message = await condition(client, two, 'PostgresFound', 'False', reason, 'later');
  assert.match(message, /install the operator that Cluster belongs to/);
  const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const openAPIV3Schema = { type: 'object', properties: { spec: anything, status: anything } };
  await client.create(customResourceDefinitions, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind },
      versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  });
  const missing = 'PostgresDoesNotExist';
  await condition(client, two, 'PostgresFound', 'False', missing, 'later', 180);
});

test('of a pool in another namespace nothing is known, and nothing of all that was refused', async () => {
  const { client } = room;
  await furnish(client, other);
  const at = (host: string) => ({
    postgres: { endpoint: { host, cores: 1, maxConnections: 100 } },
  });
  await client.create(connectionPools, pool(other, 'same-server', at('192.0.2.1')));
  // Whatever it were to do about them, it would have done before this one is served.
  await client.create(connectionPools, pool(one, 'last', at('192.0.2.2')));
  await condition(client, one, 'ShareGranted', 'False', 'AskingServer', 'last');
  await condition(client, one, 'ObjectsApplied', 'True', 'Applied', 'last');
  await operator.quiet();
  for (const name of ['shop', 'same-server']) {
    assert.deepEqual(
      conditionsOf(await client.get(connectionPools, { namespace: other, name })),
      [],
    );
  }
  const sets = await client.list(statefulSets, { namespace: other });
  assert.deepEqual(
    sets.items.map(({ metadata }) => metadata.name),
    ['db'],
  );
  assert.deepEqual((await client.list(connectionBudgets, { namespace: other })).items, []);
  const { items } = await client.list(connectionBudgets, { namespace: system });
  const rows = items.flatMap(
    ({ status }) => (status as ConnectionBudgetStatus | undefined)?.allotments ?? [],
  );
  assert.deepEqual(
    rows.map(({ namespace, name, target }) => `${namespace}/${name} ${target}`).sort(),
    // Of a server that was not asked yet a pod's worth.
    [`${two}/shop 9`, `${one}/last 1`],
  );

  assert.deepEqual(await refused(), []);
  const words = new RegExp(`forbidden|a watch failed|${other}`);
  const lines = operator
    .log()
    .split('\n')
    .filter((line) => words.test(line));
  assert.deepEqual(lines, []);
  assert.equal(await operator.stop(), 0);
});
