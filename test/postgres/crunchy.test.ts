// Crunchy's and Percona's operators: what is read from where, with and without every optional field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PostgresAdapter } from '../../operator/postgres/adapter.ts';
import { crunchy, percona } from '../../operator/postgres/crunchy.ts';
import { change, factsOf, NO_CORES, POSTGRES, reasonOf } from './help.ts';
import { crunchySample, perconaSample, type Sample } from './objects.ts';

const selector = {
  'postgres-operator.crunchydata.com/cluster': 'db',
  'postgres-operator.crunchydata.com/data': 'postgres',
};

test('Crunchy and Percona with nothing but what is required', () => {
  for (const [adapter, { bare }] of [
    [crunchy, crunchySample],
    [percona, perconaSample],
  ] as const) {
    assert.deepEqual(factsOf(adapter, bare), {
      host: 'db-primary.data.svc.cluster.local',
      port: 5432,
      instances: 1,
      replicas: 0,
      maxConnections: { value: 100, source: POSTGRES, assumed: true },
      reservedConnections: { value: 3, source: POSTGRES, assumed: true },
      podSelector: selector,
      tls: { namespace: 'data', caSecret: 'db-cluster-cert', caKey: 'ca.crt', namesHost: false },
      users: [{ name: 'db', namespace: 'data', secret: 'db-pguser-db', key: 'password' }],
      coresUnknown: NO_CORES,
    });
    assert.equal(reasonOf(adapter, bare, 'replicas'), 'PostgresHasNoReplicas');
  }
});

test('Crunchy with everything', () => {
  const facts = factsOf(crunchy, crunchySample.full, 'replicas');
  assert.match(facts.warning?.message ?? '', /is stopped \(spec.shutdown\)/);
  assert.deepEqual(
    { ...facts, warning: undefined },
    {
      host: 'db-replicas.data.svc.cluster.local',
      port: 5555,
      // Any instance may become the primary, so the smallest counts.
      milliCores: {
        value: 500,
        source: 'resources.requests.cpu of instance set small of PostgresCluster data/db',
      },
      instances: 3,
      replicas: 2,
      maxConnections: { value: 400, source: 'spec.config of PostgresCluster data/db' },
      reservedConnections: {
        value: 6,
        source: 'the Patroni settings of PostgresCluster data/db',
      },
      podSelector: selector,
      tls: { namespace: 'data', caSecret: 'our-cert', caKey: 'authority', namesHost: false },
      users: [{ name: 'shop', namespace: 'data', secret: 'db-pguser-shop', key: 'password' }],
      systemIdentifier: '7300000000000000002',
      warning: undefined,
    },
  );
});

test('Percona with everything', () => {
  const facts = factsOf(percona, perconaSample.full);
  assert.match(facts.warning?.message ?? '', /is stopped \(spec.pause\)/);
  assert.deepEqual(
    { ...facts, warning: undefined },
    {
      host: 'db-primary.data.svc.cluster.local',
      port: 5433,
      milliCores: {
        value: 2000,
        source: 'resources.limits.cpu of instance set one of PerconaPGCluster data/db',
      },
      instances: 3,
      replicas: 2,
      maxConnections: { value: 150, source: 'the Patroni settings of PerconaPGCluster data/db' },
      reservedConnections: {
        value: 5,
        source: `${POSTGRES}, spec.config of PerconaPGCluster data/db`,
      },
      podSelector: selector,
      tls: { namespace: 'data', caSecret: 'our-cert', caKey: 'ca.crt', namesHost: false },
      users: [{ name: 'shop', namespace: 'data', secret: 'shop-login', key: 'password' }],
      systemIdentifier: '7300000000000000003',
      warning: undefined,
    },
  );
});

test('Crunchy makes no user of an empty list, Percona the one of the cluster', () => {
  const users = (adapter: PostgresAdapter, { full }: Sample) =>
    factsOf(adapter, change(full, ['spec', 'users'], [])).users?.map(({ name }) => name);
  assert.deepEqual(users(crunchy, crunchySample), []);
  assert.deepEqual(users(percona, perconaSample), ['db']);
});

test('Crunchy and Percona: a standby that does not say whether it is one', () => {
  const reason = (adapter: PostgresAdapter, { bare }: Sample, standby: unknown) =>
    factsOf(adapter, change(bare, ['spec', 'standby'], standby)).warning?.reason;
  assert.equal(reason(crunchy, crunchySample, { host: 'x' }), 'PostgresReadOnly');
  assert.equal(reason(crunchy, crunchySample, { host: 'x', enabled: false }), undefined);
  assert.equal(reason(percona, perconaSample, { host: 'x' }), undefined);
  assert.equal(reason(percona, perconaSample, { host: 'x', enabled: true }), 'PostgresReadOnly');
});

test('Crunchy: cores are known only when every instance set says them', () => {
  const sets = [{ name: 'a', resources: { limits: { cpu: 2 } } }, { name: 'b' }];
  const cores = (instances: unknown) =>
    factsOf(crunchy, change(crunchySample.bare, ['spec', 'instances'], instances)).milliCores;
  assert.equal(cores(sets), undefined);
  assert.equal(cores(sets.slice(0, 1))?.value, 2000);
  assert.equal(cores([]), undefined);
});
