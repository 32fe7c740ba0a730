// StackGres: what is read from where, with and without every optional field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stackGres } from '../../operator/postgres/stackgres.ts';
import { change, factsOf, POSTGRES, reasonOf } from './help.ts';
import { stackGresSample } from './objects.ts';

test('StackGres with nothing but what is required', () => {
  assert.deepEqual(factsOf(stackGres, stackGresSample.bare), {
    host: 'db.data.svc.cluster.local',
    port: 5433,
    podPorts: [5432, 7433],
    milliCores: { value: 1000, source: "StackGres' default profile" },
    instances: 1,
    replicas: 0,
    maxConnections: { value: 100, source: POSTGRES, assumed: true },
    reservedConnections: { value: 8, source: "StackGres' default", assumed: true },
    podSelector: { app: 'StackGresCluster', 'stackgres.io/cluster-name': 'db' },
    users: [],
  });
});

test('StackGres with everything', () => {
  const { full, related } = stackGresSample;
  assert.equal(reasonOf(stackGres, full, 'primary', related), 'PostgresHasNoService');
  assert.deepEqual(factsOf(stackGres, full, 'replicas', related), {
    host: 'db-replicas.data.svc.cluster.local',
    // Without the sidecar pooler Postgres itself is at the usual port.
    port: 5432,
    podPorts: [5432, 7432],
    milliCores: { value: 1500, source: 'cpu of SGInstanceProfile data/size-s' },
    instances: 2,
    replicas: 1,
    maxConnections: { value: 220, source: 'SGPostgresConfig data/tuned' },
    reservedConnections: {
      value: 10,
      source:
        'the defaults of SGPostgresConfig data/tuned, spec.configurations.postgres of SGCluster data/db',
    },
    podSelector: { app: 'StackGresCluster', 'pg.example.com/cluster-name': 'db' },
    users: [{ name: 'shop', namespace: 'data', secret: 'shop-login', key: 'secret' }],
    primary: 'db-1',
    encrypts: true,
  });
});

test('StackGres: TLS is sure only where the object says that it is on', () => {
  const encrypts = (ssl: unknown) =>
    factsOf(stackGres, change(stackGresSample.bare, ['spec', 'postgres', 'ssl'], ssl)).encrypts;
  assert.equal(encrypts(undefined), undefined, 'so was it before StackGres 1.17');
  assert.equal(encrypts({ enabled: false }), undefined);
  assert.equal(encrypts({ enabled: true }), true);
  const given = { enabled: true, certificateSecretKeySelector: { name: 'c', key: 'k' } };
  assert.equal(encrypts(given), true);
});

test('StackGres: a profile or configuration that is not there yet leaves the safe size', () => {
  const facts = factsOf(stackGres, stackGresSample.full, 'replicas');
  assert.equal(facts.milliCores, undefined);
  assert.deepEqual(facts.maxConnections, { value: 100, source: POSTGRES, assumed: true });
});

test('StackGres: the superuser of the default binding is nobody that an application logs in as', () => {
  const users = (binding: unknown) => {
    const path = ['spec', 'configurations', 'binding'];
    return factsOf(stackGres, change(stackGresSample.full, path, binding), 'replicas').users;
  };
  assert.deepEqual(users(undefined), []);
  assert.deepEqual(users({ username: 'shop' }), []);
  assert.deepEqual(users({ username: 'postgres', password: { name: 's', key: 'k' } }), []);
});

test('StackGres: one that follows another, and one without instances', () => {
  const shown = change(stackGresSample.full, ['spec', 'postgresServices']);
  assert.equal(factsOf(stackGres, shown).warning?.reason, 'PostgresReadOnly');
  const none = change(stackGresSample.bare, ['spec', 'instances'], 0);
  assert.equal(factsOf(stackGres, none).warning?.reason, 'PostgresStopped');
});
