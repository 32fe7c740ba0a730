// Kinds of Postgres clusters that come and go while the operator runs, on a real API server.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool.ts';
import {
  configMaps,
  customResourceDefinitions,
  events as eventType,
  type KubeObject,
  pods as podType,
  type ResourceType,
  secrets,
  serviceAccounts,
} from '../../operator/kube/types.ts';
import type { ObjectKind } from '../../operator/postgres/adapter.ts';
import { cloudNativePg } from '../../operator/postgres/cloudnativepg.ts';
import { crunchy, percona } from '../../operator/postgres/crunchy.ts';
import { stackGres } from '../../operator/postgres/stackgres.ts';
import { zalando } from '../../operator/postgres/zalando.ts';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import { until } from '../cluster/run.ts';
import type { OperatorProcess } from './operator-process.ts';
import { condition, eventually, makeNamespace, openRoom, pool, type Room, secret } from './room.ts';

/** What "within seconds" may take on a machine that is busy with other things. */
const SECONDS = 15;

let room: Room;
let operator: OperatorProcess;
before(async () => {
  room = await openRoom({ withControllers: true });
  operator = await room.operator();
  await operator.quiet();
});
after(() => room?.close());

const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/** A definition of the kind with a schema that keeps everything. */
function definition(kind: ObjectKind, version = kind.version): KubeObject {
  const schema = { type: 'object', properties: { spec: anything, status: anything } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${kind.apiGroup}` },
    spec: {
      group: kind.apiGroup,
      scope: 'Namespaced',
      names: { plural: kind.plural, kind: kind.kind },
      versions: [
        { name: version, served: true, storage: true, schema: { openAPIV3Schema: schema } },
      ],
    },
  };
}

function typeOf({ apiGroup: group, version, plural, kind }: ObjectKind): ResourceType {
  return { group, version, plural, kind, namespaced: true };
}

async function install(kind: ObjectKind): Promise<void> {
  await room.client.create(customResourceDefinitions, definition(kind));
  await until(`${kind.plural} are served`, SECONDS, async () => {
    return (await room.client.listPage(typeOf(kind)).catch(() => undefined)) !== undefined;
  });
}

function make(
  kind: ObjectKind,
  namespace: string,
  name: string,
  spec: unknown,
): Promise<KubeObject> {
  return room.client.create(typeOf(kind), {
    apiVersion: `${kind.apiGroup}/${kind.version}`,
    kind: kind.kind,
    metadata: { namespace, name },
    spec,
  });
}

const reference = ({ apiGroup, kind }: ObjectKind) => ({
  postgres: { clusterRef: { apiGroup, kind, name: 'db' } },
});

interface Sizing {
  readonly cores?: string;
  readonly maxConnections?: number;
  readonly share?: number;
}

async function sized(namespace: string, holds: (sizing: Sizing) => boolean): Promise<Sizing> {
  const look = () => room.client.get(connectionPools, { namespace, name: 'shop' });
  const sizing = (object: KubeObject) =>
    (object.status as { sizing?: Sizing } | undefined)?.sizing ?? {};
  const live = await eventually(
    `the size of the pool in ${namespace}`,
    look,
    (o) => holds(sizing(o)),
    SECONDS,
  );
  return sizing(live);
}

async function files(namespace: string): Promise<string> {
  const map = await room.client.get(configMaps, { namespace, name: 'shop-pooler' });
  return JSON.stringify(map?.data ?? {});
}

/** An event of the pool says so to whoever does not look at its conditions. */
async function warned(namespace: string, reason: string, message: string): Promise<void> {
  const event = await eventually(
    `an event ${reason}`,
    async () => {
      const { items } = await room.client.list(eventType, { namespace });
      return items.find((one) => one.reason === reason);
    },
    () => true,
  );
  const { kind, name } = event.involvedObject as { kind?: string; name?: string };
  assert.deepEqual(
    { type: event.type, kind, name, message: event.message },
    { type: 'Warning', kind: 'ConnectionPool', name: 'shop', message },
  );
}

test('without any of their types the operator is ready, and has said so once for each', async () => {
  assert.equal((await operator.get('/readyz'))?.status, 200);
  const told = operator.log().match(/"type":"clusters"[^\n]*is not installed/g);
  assert.equal(told?.length, 1);
});

test('a type that is installed later is watched within seconds; its end leaves the pool as it is', async () => {
  const { client } = room;
  const namespace = await makeNamespace(client, 'cnpg');
  await client.create(secrets, secret(namespace));
  await client.create(secrets, secret(namespace, 'db-ca', { 'ca.crt': 'one' }));
  await client.create(connectionPools, pool(namespace, 'shop', reference(cloudNativePg)));
  await condition(client, namespace, 'PostgresFound', 'False', 'PostgresKindNotInstalled');

  await install(cloudNativePg);
  const spec = { instances: 3, resources: { limits: { cpu: '2500m' } } };
  const cluster = await make(cloudNativePg, namespace, 'db', spec);
  assert.deepEqual(
    await sized(namespace, ({ share }) => share !== undefined).then(({ cores, share }) => ({
      cores,
      share,
    })),
    { cores: '2.5', share: 6 },
  );
  await eventually(
    'the files',
    () => client.get(configMaps, { namespace, name: 'shop-pooler' }),
    (map) => /host=db-rw\.cnpg\.svc\.cluster\.local port=5432/.test(JSON.stringify(map.data)),
    SECONDS,
  );

  const type = typeOf(cloudNativePg);
  const patch = (body: Record<string, unknown>) => client.patch(type, cluster.metadata, body);
  await patch({ spec: { resources: { limits: { cpu: '8' } } } });
  await sized(namespace, ({ cores, share }) => cores === '8' && share === 17);
  await patch({ spec: { postgresql: { parameters: { max_connections: '250' } } } });
  await sized(namespace, ({ maxConnections }) => maxConnections === 250);

  const before = await operator.quiet();
  // What no pool reads is no news.
  await patch({ spec: { description: 'another' }, status: { phase: 'healthy' } });
  assert.deepEqual((await operator.quiet()).by, before.by);

  const written = await files(namespace);
  const { metadata } = definition(cloudNativePg);
  await client.delete(customResourceDefinitions, metadata);
  await condition(client, namespace, 'PostgresFound', 'False', undefined, 'shop', SECONDS);
  await operator.quiet();
  assert.equal(await files(namespace), written);
  assert.equal((await operator.get('/readyz'))?.status, 200);

  await until('the old one has ended', 60, async () => {
    return (await client.get(customResourceDefinitions, metadata)) === undefined;
  });
  await install(cloudNativePg);
  await make(cloudNativePg, namespace, 'db', { ...spec, resources: { limits: { cpu: '4' } } });
  await sized(namespace, ({ cores }) => cores === '4');
});

test('a cluster without a cpu limit has the smallest safe size, a condition and an event', async () => {
  const { client } = room;
  const namespace = await makeNamespace(client, 'unlimited');
  await client.create(secrets, secret(namespace));
  await make(cloudNativePg, namespace, 'db', { instances: 1 });
  const tls = { server: { mode: 'require' } };
  await client.create(
    connectionPools,
    pool(namespace, 'shop', { ...reference(cloudNativePg), tls }),
  );
  const message = await condition(client, namespace, 'CoresKnown', 'False', 'CoresUnknown');
  assert.match(message, /^Postgres has neither a cpu limit nor a cpu request, and no pod of it/);
  await warned(namespace, 'CoresUnknown', message);
  await sized(namespace, ({ cores, share }) => cores === '1' && share === 3);
  await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
});

test('an object that the cluster refers to changes the size too', async () => {
  const { client } = room;
  const namespace = await makeNamespace(client, 'stackgres');
  const [profile] = stackGres.related ?? [];
  assert.ok(profile !== undefined);
  await install(stackGres);
  await install(profile);
  await client.create(secrets, secret(namespace));
  await client.create(connectionPools, pool(namespace, 'shop', reference(stackGres)));
  await make(stackGres, namespace, 'db', { instances: 1, sgInstanceProfile: 'size-s' });
  await condition(client, namespace, 'CoresKnown', 'False', 'CoresUnknown');
  await make(profile, namespace, 'size-s', { cpu: '3' });
  await sized(namespace, ({ cores, share }) => cores === '3' && share === 7);
  const before = await operator.quiet();
  await make(profile, namespace, 'other', { cpu: '9' });
  assert.deepEqual((await operator.quiet()).by, before.by);
});

/** A Cluster whose certificate names its Service. */
function owned(namespace: string, name = 'db'): Promise<KubeObject> {
  const serverAltDNSNames = [`${name}-rw.${namespace}.svc.cluster.local`];
  return room.client.create(typeOf(cloudNativePg), {
    apiVersion: 'postgresql.cnpg.io/v1',
    kind: 'Cluster',
    metadata: { namespace, name },
    spec: { instances: 1, resources: { limits: { cpu: '4' } } },
    status: { certificates: { serverAltDNSNames } },
  });
}

function filesHold(namespace: string, words: RegExp): Promise<KubeObject> {
  return eventually(
    `${words} in the files of ${namespace}`,
    () => room.client.get(configMaps, { namespace, name: 'shop-pooler' }),
    (map) => Object.values(map.data as object).every((text) => words.test(text)),
    SECONDS,
  );
}

test('a pool that says nothing of users and TLS takes what the owner of the cluster made', async () => {
  const { client } = room;
  const namespace = await makeNamespace(client, 'owner');
  await owned(namespace);
  const spec = { ...reference(cloudNativePg), users: undefined };
  await client.create(connectionPools, pool(namespace, 'shop', spec));
  await condition(client, namespace, 'CredentialsFound', 'False', 'SecretDoesNotExist');
  await client.create(secrets, secret(namespace, 'db-app', { password: 'of-the-owner' }));
  await condition(client, namespace, 'CredentialsFound', 'False', 'CaDoesNotExist');
  const authority = await client.create(secrets, secret(namespace, 'db-ca', { 'ca.crt': 'one' }));
  await condition(client, namespace, 'CredentialsFound', 'True');
  await filesHold(namespace, /^server_tls_sslmode = verify-full$/m);
  await filesHold(namespace, /^'app' = .*max_user_connections=[45]$/m);
  const found = await condition(client, namespace, 'PostgresFound', 'True');
  assert.match(found, /TLS verify-full, with the CA in Secret db-ca/);
  const list = await eventually(
    'the list of users',
    () => client.get(secrets, { namespace, name: 'shop-pooler-users' }),
    () => true,
    SECONDS,
  );
  const [text = ''] = Object.values(list.data as Record<string, string>);
  assert.match(Buffer.from(text, 'base64').toString('utf8'), /^"app" /m);

  const renewed = secret(namespace, 'db-ca', { 'ca.crt': 'two' });
  const { metadata } = await client.patch(secrets, authority.metadata, { data: renewed.data });
  await filesHold(namespace, new RegExp(`^; server CA ${metadata.resourceVersion}$`, 'm'));
});

test('the passwords of an owner are for the namespaces that he lists by name', async () => {
  const { client } = room;
  const namespace = await makeNamespace(client, 'guest');
  await owned('owner', 'shared');
  await client.create(secrets, secret('owner', 'shared-app'));
  const { clusterRef } = reference(cloudNativePg).postgres;
  const postgres = { clusterRef: { ...clusterRef, namespace: 'owner', name: 'shared' } };
  await client.create(connectionPools, pool(namespace, 'shop', { postgres, users: undefined }));
  await condition(client, namespace, 'ShareGranted', 'False', 'NamespaceNotAllowed');
  const budget = { namespace: 'owner', name: 'cluster-shared' };
  const allow = (...namespaces: string[]) =>
    client.patch(connectionBudgets, budget, {
      spec: { namespaces: namespaces.map((name) => ({ name })) },
    });
  await allow('*');
  await condition(client, namespace, 'ShareGranted', 'True');
  await condition(client, namespace, 'CredentialsFound', 'False', 'UsersNotShared');
  assert.equal(await client.get(secrets, { namespace, name: 'shop-pooler-users' }), undefined);
  await allow('guest');
  await condition(client, namespace, 'CredentialsFound', 'True');
  await filesHold(namespace, /^server_tls_sslmode = require$/m);
  const found = await condition(client, namespace, 'PostgresFound', 'True');
  assert.match(found, /TLS require without a check, as the CA is in Secret owner\/shared-ca/);
});

interface Scene {
  readonly kind: ObjectKind;
  /** Makes the cluster, with three instances and without a primary. */
  make(namespace: string): Promise<unknown>;
  /** Makes its pod of that number the primary. */
  turn(namespace: string, number: number): Promise<unknown>;
}

/** Patroni changes the labels of the pods; the leader that was has none while it starts again. */
function patroni(
  kind: ObjectKind,
  spec: object,
  labels: Readonly<Record<string, string>>,
  role: string,
): Scene {
  return {
    kind,
    make: async (namespace) => {
      await install(kind);
      await make(kind, namespace, 'db', spec);
      for (const number of [1, 2, 3]) {
        await room.client.create(podType, {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { namespace, name: `db-${number}`, labels: { ...labels } },
          spec: { containers: [{ name: 'database', image: 'postgres' }] },
        });
      }
    },
    turn: async (namespace, number) => {
      for (const [value, numbers] of [
        [null, [1, 2, 3].filter((other) => other !== number)],
        ['master', [number]],
        ['replica', [1, 2, 3].filter((other) => other !== number)],
      ] as const) {
        for (const each of numbers) {
          const metadata = { labels: { [role]: value } };
          await room.client.patch(podType, { namespace, name: `db-${each}` }, { metadata });
        }
      }
    },
  };
}

const cores = { limits: { cpu: '4' } };
const crunchys = 'postgres-operator.crunchydata.com/';
const scenes: readonly Scene[] = [
  {
    kind: cloudNativePg,
    make: (namespace) => owned(namespace),
    turn: (namespace, number) =>
      room.client.patch(
        typeOf(cloudNativePg),
        { namespace, name: 'db' },
        { spec: { instances: 3 }, status: { currentPrimary: `db-${number}` } },
      ),
  },
  patroni(
    zalando,
    { numberOfInstances: 3, resources: cores },
    { application: 'spilo', 'cluster-name': 'db' },
    'spilo-role',
  ),
  patroni(
    crunchy,
    { instances: [{ name: 'one', replicas: 3, resources: cores }] },
    { [`${crunchys}cluster`]: 'db', [`${crunchys}data`]: 'postgres' },
    `${crunchys}role`,
  ),
];

for (const scene of scenes) {
  const { kind } = scene.kind;
  test(`${kind}: after a promotion nothing more is given on the primary while a read pool may have sessions there`, async () => {
    const { client } = room;
    const namespace = await makeNamespace(client, `promoted-${kind.toLowerCase()}`);
    await eventually('pods may be made', () =>
      client.get(serviceAccounts, { namespace, name: 'default' }),
    );
    await client.create(secrets, secret(namespace));
    await scene.make(namespace);
    await scene.turn(namespace, 1);
    const { clusterRef } = reference(scene.kind).postgres;
    const tls = { server: { mode: 'require' } };
    const read = { postgres: { clusterRef, role: 'replicas' }, tls };
    await client.create(connectionPools, pool(namespace, 'read', read));
    const topologyIs = (primary: string) =>
      eventually(
        `sessions of the pool are from after ${primary}`,
        () => client.get(connectionPools, { namespace, name: 'read' }),
        ({ status }) => {
          const { topology } = (status ?? {}) as ConnectionPoolStatus;
          return topology?.primary === primary && topology.replicas === 2;
        },
      );
    await topologyIs('db-1');
    await condition(client, namespace, 'SessionsRenewed', 'True', 'Renewed', 'read');

    // A process that nobody can ask, as on a node that is cut off.
    const ref = { namespace, name: 'read-pooler-0' };
    const pod = await eventually('its first pod', () => client.get(podType, ref));
    const running = {
      name: 'pgbouncer',
      image: 'pgbouncer',
      imageID: '',
      ready: false,
      restartCount: 0,
      state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
    };
    const status = {
      ...(pod.status as object),
      podIP: '192.0.2.1',
      podIPs: [{ ip: '192.0.2.1' }],
      containerStatuses: [running],
    };
    await client.update(podType, { ...pod, status }, { subresource: 'status' });
    await scene.turn(namespace, 2);
    const reason = 'OldSessions';
    const why = await condition(client, namespace, 'SessionsRenewed', 'False', reason, 'read');
    assert.match(why, /db-2 is the primary, and there are 2 read replicas now.*\(read-pooler-0\)/);
    const write = pool(namespace, 'write', { postgres: { clusterRef }, tls });
    await client.create(connectionPools, write);
    await condition(client, namespace, 'ShareGranted', 'False', 'WaitingForOthers', 'write');
    const found = await condition(client, namespace, 'PostgresFound', 'True', 'Found', 'write');
    assert.match(found, /primary db-2/);

    await client.delete(podType, ref);
    await topologyIs('db-2');
    await condition(client, namespace, 'ShareGranted', 'True', 'Granted', 'write');
  });
}

test('what Patroni writes down on its pods all the time wakes nobody', async () => {
  const { client } = room;
  const ref = { namespace: 'promoted-postgresql', name: 'db-2' };
  const looks = () => operator.metric('spillway_reconcile_duration_seconds_count');
  const say = (member: object) =>
    client.patch(podType, ref, { metadata: { annotations: { status: JSON.stringify(member) } } });
  await operator.quiet();
  const before = await looks();
  const times = 100;
  for (let place = 0; place < times; place++) await say({ role: 'primary', xlog_location: place });
  await operator.quiet();
  // Pools that wait for something look again now and then.
  assert.ok((await looks()) - before < times / 2);
});

test('a type in a version that nobody knows is a fault with a reason', async () => {
  const { client } = room;
  const kind: ObjectKind = percona;
  await client.create(customResourceDefinitions, definition(kind, 'v7'));
  const namespace = await makeNamespace(client, 'future');
  await client.create(secrets, secret(namespace));
  await client.create(connectionPools, pool(namespace, 'shop', reference(kind)));
  const message = await condition(
    client,
    namespace,
    'PostgresFound',
    'False',
    'PostgresVersionUnknown',
  );
  assert.match(message, /version v2/);
  await warned(namespace, 'PostgresVersionUnknown', message);
});

test('nothing of all that was refused, and no watch that has nothing to watch fills the log', async () => {
  await operator.quiet();
  const { by } = await operator.calls();
  const statuses = Object.keys(by).map((call) => Number(call.split(' ').at(-1)));
  // Of two who write at once one is told so by 409, and reads again.
  const refused = statuses.filter((status) => status === 0 || (status >= 400 && status !== 409));
  assert.deepEqual(refused, [], JSON.stringify(by));
  const lines = operator
    .log()
    .split('\n')
    .filter((line) => /not installed/.test(line));
  assert.ok(lines.length < 20, lines.join('\n'));
  assert.equal(await operator.stop(), 0);
});
