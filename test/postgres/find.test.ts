// From spec.postgres to facts: endpoints, references, and what keeps a pool from its Postgres.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findPostgres, type PostgresRef } from '../../operator/postgres/find.ts';
import { adapters } from '../../operator/postgres/table.ts';

const context = { clusterDomain: 'cluster.local' };
const ref = { apiGroup: 'apps', kind: 'StatefulSet', name: 'db' };

test('an endpoint says everything itself', () => {
  const found = findPostgres(
    {
      role: 'primary',
      endpoint: {
        host: 'db.example.com',
        port: 6432,
        cores: '2500m',
        maxConnections: 200,
        reservedConnections: 5,
      },
    },
    'shop',
    () => assert.fail('nothing is to be looked up'),
    context,
  );
  assert.deepEqual(found, {
    ok: true,
    facts: {
      host: 'db.example.com',
      port: 6432,
      milliCores: { value: 2500, source: 'spec.postgres.endpoint.cores' },
      instances: 1,
      replicas: 0,
      maxConnections: { value: 200, source: 'spec.postgres.endpoint.maxConnections' },
      reservedConnections: { value: 5, source: 'spec.postgres.endpoint.reservedConnections' },
    },
  });
});

test('a reference without a namespace is to the namespace of the pool', () => {
  const asked: PostgresRef[] = [];
  const lookup = (one: PostgresRef) => {
    asked.push(one);
    return undefined;
  };
  findPostgres({ role: 'primary', clusterRef: ref }, 'shop', lookup, context);
  findPostgres(
    { role: 'primary', clusterRef: { ...ref, namespace: 'data' } },
    'shop',
    lookup,
    context,
  );
  assert.deepEqual(
    asked.map((one) => one.namespace),
    ['shop', 'data'],
  );
});

function reason(clusterRef: typeof ref): string {
  const found = findPostgres({ role: 'primary', clusterRef }, 'shop', () => undefined, context);
  assert.ok(!found.ok);
  assert.match(found.fault.message, /^spec\.postgres\.clusterRef: .*: /, 'names field and fix');
  return found.fault.reason;
}

test('a cluster that is not there, and a kind that nobody knows, are different faults', () => {
  assert.equal(reason(ref), 'PostgresDoesNotExist');
  assert.equal(reason({ ...ref, kind: 'Deployment' }), 'PostgresKindUnknown');
  assert.equal(reason({ ...ref, apiGroup: 'apps.example.com' }), 'PostgresKindUnknown');
});

test('no two adapters are for the same kind', () => {
  const kinds = adapters.map((adapter) => `${adapter.kind}.${adapter.apiGroup}`);
  assert.equal(new Set(kinds).size, kinds.length);
});
