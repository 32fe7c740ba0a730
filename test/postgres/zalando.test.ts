// Zalando's operator: what is read from where, with and without every optional field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zalando } from '../../operator/postgres/zalando.ts';
import { change, factsOf, NO_CORES, POSTGRES, reasonOf } from './help.ts';
import { zalandoSample } from './objects.ts';

test('Zalando with nothing but what is required', () => {
  const { bare, related } = zalandoSample;
  assert.deepEqual(factsOf(zalando, bare), {
    host: 'acid-db.data.svc.cluster.local',
    port: 5432,
    instances: 1,
    replicas: 0,
    maxConnections: { value: 100, source: 'the least that Spilo sets', assumed: true },
    reservedConnections: { value: 3, source: POSTGRES, assumed: true },
    podSelector: { application: 'spilo', 'cluster-name': 'acid-db' },
    users: [],
    coresUnknown: NO_CORES,
  });
  // The cores that the operator gave it by its own defaults.
  assert.deepEqual(factsOf(zalando, bare, 'primary', related).milliCores, {
    value: 1000,
    source: 'resources.limits.cpu of StatefulSet data/acid-db',
  });
});

test('Zalando with everything', () => {
  const { full, related } = zalandoSample;
  const facts = factsOf(zalando, full, 'primary', related);
  assert.equal(facts.warning?.reason, 'PostgresReadOnly');
  const secret = (user: string) => `${user}.acid-db.credentials.postgresql.acid.zalan.do`;
  const user = (name: string, of: string) => ({
    name,
    namespace: 'data',
    secret: secret(of),
    key: 'password',
  });
  assert.deepEqual(
    { ...facts, warning: undefined },
    {
      host: 'acid-db.data.svc.cluster.local',
      port: 5432,
      milliCores: { value: 1500, source: 'resources.limits.cpu of postgresql data/acid-db' },
      instances: 2,
      replicas: 1,
      maxConnections: { value: 300, source: 'the parameters of postgresql data/acid-db' },
      reservedConnections: {
        value: 5,
        source: 'the parameters of postgresql data/acid-db',
      },
      podSelector: { application: 'spilo', 'cluster-name': 'acid-db' },
      users: [
        user('shop_app', 'shop-app'),
        user('shop_owner_user', 'shop-owner-user'),
        user('shop_reader_user', 'shop-reader-user'),
        user('shop_writer_user', 'shop-writer-user'),
        user('shop_stock_owner_user', 'shop-stock-owner-user'),
        user('shop_stock_reader_user', 'shop-stock-reader-user'),
        user('shop_stock_writer_user', 'shop-stock-writer-user'),
      ],
      tls: { namespace: 'data', caSecret: 'server-ca', caKey: 'ca.crt', namesHost: false },
      warning: undefined,
    },
  );
  const replicas = factsOf(zalando, full, 'replicas', related);
  assert.equal(replicas.host, 'acid-db-repl.data.svc.cluster.local');
  assert.equal(replicas.warning, undefined);
});

test('Zalando: a prepared database or schema has login roles only where it says so', () => {
  const users = (prepared: unknown) =>
    factsOf(
      zalando,
      change(zalandoSample.bare, ['spec', 'preparedDatabases'], prepared),
    ).users?.map(({ name }) => name);
  const three = (prefix: string) => ['owner', 'reader', 'writer'].map((r) => `${prefix}_${r}_user`);
  assert.deepEqual(users({}), []);
  assert.deepEqual(users({ bar: {} }), []);
  assert.deepEqual(users({ bar: { defaultUsers: false, schemas: { a: {} } } }), []);
  assert.deepEqual(users({ bar: { defaultUsers: true } }), three('bar'));
  assert.deepEqual(users({ bar: { schemas: { a: { defaultUsers: true } } } }), three('bar_a'));
  const far = { secretNamespace: 'far', schemas: { a: { defaultUsers: true } } };
  assert.deepEqual(users({ bar: far }), []);
});

test('Zalando: a CA is there only where the manifest names its file', () => {
  const tls = (value: unknown) =>
    factsOf(zalando, change(zalandoSample.full, ['spec', 'tls'], value)).tls;
  assert.equal(tls({ secretName: 'cert' }), undefined);
  assert.equal(tls({ secretName: 'cert', caFile: '/elsewhere/ca.crt' }), undefined);
  assert.equal(tls({ secretName: 'cert', caFile: 'root.crt' })?.caSecret, 'cert');
  assert.equal(tls({ secretName: 'cert', caFile: 'root.crt' })?.caKey, 'root.crt');
});

test('Zalando: no instance, and no replica', () => {
  const none = change(zalandoSample.bare, ['spec', 'numberOfInstances'], 0);
  assert.equal(factsOf(zalando, none).warning?.reason, 'PostgresStopped');
  assert.equal(reasonOf(zalando, none, 'replicas'), 'PostgresHasNoReplicas');
});
