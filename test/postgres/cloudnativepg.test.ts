// CloudNativePG: what is read from where, with and without every optional field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Role } from '../../operator/postgres/adapter.ts';
import { cloudNativePg } from '../../operator/postgres/cloudnativepg.ts';
import { change, factsOf, NO_CORES, POSTGRES, reasonOf } from './help.ts';
import { cloudNativePgSample } from './objects.ts';

test('CloudNativePG with nothing but instances', () => {
  assert.deepEqual(factsOf(cloudNativePg, cloudNativePgSample.bare), {
    host: 'db-rw.data.svc.cluster.local',
    port: 5432,
    instances: 1,
    replicas: 0,
    maxConnections: { value: 100, source: POSTGRES, assumed: true },
    reservedConnections: { value: 3, source: POSTGRES, assumed: true },
    podSelector: { 'cnpg.io/cluster': 'db' },
    users: [{ name: 'app', namespace: 'data', secret: 'db-app', key: 'password' }],
    tls: { namespace: 'data', caSecret: 'db-ca', caKey: 'ca.crt', namesHost: false },
    coresUnknown: NO_CORES,
  });
});

test('CloudNativePG with everything', () => {
  const { full } = cloudNativePgSample;
  const facts = factsOf(cloudNativePg, full);
  assert.match(facts.warning?.message ?? '', /is stopped \(annotation cnpg.io\/hibernation\)/);
  assert.deepEqual(
    { ...facts, warning: undefined },
    {
      host: 'db-writer.data.svc.cluster.local',
      port: 5432,
      milliCores: { value: 2500, source: 'resources.limits.cpu of Cluster data/db' },
      instances: 3,
      replicas: 2,
      maxConnections: { value: 250, source: 'the parameters of Cluster data/db' },
      reservedConnections: { value: 7, source: `${POSTGRES}, the parameters of Cluster data/db` },
      podSelector: { 'cnpg.io/cluster': 'db' },
      users: [],
      tls: { namespace: 'data', caSecret: 'our-ca', caKey: 'ca.crt', namesHost: true },
      primary: 'db-2',
      systemIdentifier: '7300000000000000001',
      warning: undefined,
    },
  );
  const replicas = factsOf(cloudNativePg, full, 'replicas');
  assert.equal(replicas.host, 'db-readers.data.svc.cluster.local');
  assert.equal(replicas.tls?.namesHost, false, 'the certificate does not name that Service');
});

test('CloudNativePG: who may log in is who bootstrap made', () => {
  const users = (bootstrap: unknown, replica?: unknown) => {
    const spec = { instances: 1, bootstrap, ...(replica === undefined ? {} : { replica }) };
    const facts = factsOf(cloudNativePg, { ...cloudNativePgSample.bare, spec });
    return facts.users?.map(({ name, secret }) => `${name} ${secret}`);
  };
  assert.deepEqual(users(undefined), ['app db-app']);
  assert.deepEqual(users({ initdb: {} }), ['app db-app']);
  assert.deepEqual(users({ initdb: { database: 'shop' } }), ['shop db-app']);
  assert.deepEqual(users({ initdb: { database: 'shop', owner: 'o', secret: { name: 's' } } }), [
    'o s',
  ]);
  assert.deepEqual(users({ initdb: { import: { type: 'microservice' } } }), ['app db-app']);
  assert.deepEqual(users({ initdb: { import: { type: 'monolith' } } }), []);
  assert.deepEqual(users({ recovery: { source: 'x' } }), []);
  assert.deepEqual(users({ recovery: { source: 'x', database: 'd', owner: 'o' } }), ['o db-app']);
  assert.deepEqual(users({ pg_basebackup: { source: 'x' } }), []);
  assert.deepEqual(users({ pg_basebackup: { source: 'x', database: 'd' } }), ['d db-app']);
  const replica = { source: 'x', primary: 'elsewhere', self: 'db' };
  assert.deepEqual(users(undefined, replica), []);
  assert.deepEqual(users(undefined, { ...replica, primary: 'db' }), ['app db-app']);
});

test('CloudNativePG: a certificate that somebody gives is checked against the CA that is given with it', () => {
  const { full } = cloudNativePgSample;
  const tls = (certificates: unknown) =>
    factsOf(cloudNativePg, change(full, ['spec', 'certificates'], certificates)).tls;
  assert.equal(tls({ serverTLSSecret: 'given' }), undefined);
  assert.deepEqual(tls({ serverTLSSecret: 'given', serverCASecret: 'authority' }), {
    namespace: 'data',
    caSecret: 'authority',
    caKey: 'ca.crt',
    namesHost: false,
  });
  assert.equal(tls({})?.caSecret, 'their-ca');
});

test('CloudNativePG: what keeps the server from its work is said, and the facts stay', () => {
  const reason = (role: Role, annotations: Record<string, string>, replica?: unknown) => {
    const raw = change(cloudNativePgSample.full, ['metadata', 'annotations'], annotations);
    return factsOf(cloudNativePg, change(raw, ['spec', 'replica'], replica), role).warning?.reason;
  };
  const fenced = (list: string) => ({ 'cnpg.io/fencedInstances': list });
  assert.equal(reason('primary', {}), undefined);
  assert.equal(reason('replicas', { 'cnpg.io/hibernation': 'on' }), 'PostgresStopped');
  assert.equal(reason('primary', { 'cnpg.io/hibernation': 'off' }), undefined);
  assert.equal(reason('primary', fenced('["db-2"]')), 'PostgresStopped');
  assert.equal(reason('replicas', fenced('["db-2"]')), undefined);
  assert.equal(reason('primary', fenced('["db-1"]')), undefined);
  assert.equal(reason('replicas', fenced('["*"]')), 'PostgresStopped');
  assert.equal(reason('primary', fenced('not JSON')), undefined);
  const replica = { enabled: true, source: 'x' };
  assert.equal(reason('primary', {}, replica), 'PostgresReadOnly');
  assert.equal(reason('replicas', {}, replica), undefined);
});

test('CloudNativePG: a role without a Service, or without an instance, is a fault', () => {
  const { bare, full } = cloudNativePgSample;
  assert.equal(reasonOf(cloudNativePg, bare, 'replicas'), 'PostgresHasNoReplicas');
  const services = ['spec', 'managed', 'services', 'additional'];
  assert.equal(reasonOf(cloudNativePg, change(full, services), 'replicas'), 'PostgresHasNoService');
  const own = { metadata: { name: 'mine' }, spec: { ports: [{ port: 6000 }] } };
  const elsewhere = change(full, services, [{ selectorType: 'ro', serviceTemplate: own }]);
  assert.equal(reasonOf(cloudNativePg, elsewhere, 'replicas'), 'PostgresHasNoService');
});

test('CloudNativePG: roles that it manages are users where applications can log in as them', () => {
  const passwordSecret = { name: 'login' };
  const named = (name: string, more: object = {}) => ({
    name,
    login: true,
    passwordSecret,
    ...more,
  });
  const roles = [
    named('reports'),
    named('jobs', { ensure: 'present', superuser: false, replication: false, inRoles: ['app'] }),
    named('gone', { ensure: 'absent' }),
    named('group', { login: false }),
    { name: 'silent', passwordSecret },
    named('boss', { superuser: true }),
    named('copier', { replication: true }),
    named('locked', { disablePassword: true }),
    { name: 'certificate', login: true },
    named('app', { passwordSecret: { name: 'another' } }),
  ];
  const users = (raw = cloudNativePgSample.bare) =>
    factsOf(cloudNativePg, change(raw, ['spec', 'managed'], { roles })).users;
  const user = (name: string, secret: string) => ({
    name,
    namespace: 'data',
    secret,
    key: 'password',
  });
  assert.deepEqual(users(), [
    user('app', 'db-app'),
    user('reports', 'login'),
    user('jobs', 'login'),
  ]);
  // Of a database that was restored nobody knows the owner; its managed roles are known all the same.
  const restored = change(cloudNativePgSample.bare, ['spec', 'bootstrap'], { recovery: {} });
  assert.deepEqual(
    users(restored)?.map(({ name }) => name),
    ['reports', 'jobs', 'app'],
  );
  assert.deepEqual(users(cloudNativePgSample.full), [], 'a replica has those of another cluster');
});
