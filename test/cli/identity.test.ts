// `spillway plan` and servers with several names: one budget, as in the cluster.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { dump } from 'js-yaml';

const program = join(import.meta.dirname, '../../bin/spillway');

interface Planned {
  readonly name: string;
  readonly sizing: {
    readonly budget: number;
    readonly share: number;
    readonly explanation: string;
  };
}

function plan(...objects: readonly object[]) {
  const input = objects.map((object) => dump(object, { noRefs: true })).join('---\n');
  const words = ['plan', '-f', '-', '-o', 'json'];
  const { status, stdout, stderr } = spawnSync(program, words, { input, encoding: 'utf8' });
  return { status, stderr, pools: stdout === '' ? [] : (JSON.parse(stdout) as Planned[]) };
}

const database = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'db', namespace: 'data' },
  spec: {
    serviceName: 'db',
    replicas: 1,
    selector: { matchLabels: { app: 'db' } },
    template: {
      spec: { containers: [{ name: 'postgres', resources: { limits: { cpu: '4' } } }] },
    },
  },
};
const service = (namespace: string, name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace, name },
  spec,
});
const pg = service('data', 'pg', { clusterIP: '10.96.0.7', selector: { app: 'db' } });

function pool(namespace: string, name: string, postgres: object) {
  return {
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionPool',
    metadata: { namespace, name },
    spec: { postgres, users: [{ name: 'app', secretRef: { name: 'app' } }] },
  };
}
const cluster = { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'db' } };
const endpoint = (host: string, cores = 64) => ({
  endpoint: { host, cores, maxConnections: 5000 },
});

function shares({ status, stderr, pools }: ReturnType<typeof plan>): Record<string, number> {
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return Object.fromEntries(pools.map(({ name, sizing }) => [name, sizing.share]));
}

test('names of one cluster share its budget, whatever cores they claim', () => {
  const hosts = ['pg.data', 'pg.data.svc.cluster.local', '10.96.0.7', 'db-0.db.data.svc'];
  const made = plan(
    database,
    pg,
    service('data', 'db', { clusterIP: 'None', selector: { app: 'db' } }),
    pool('data', 'own', cluster),
    ...hosts.map((host, i) => pool('data', `p${i}`, endpoint(host))),
  );
  assert.deepEqual(Object.values(shares(made)).sort(), [1, 2, 2, 2, 2]);
  for (const { sizing } of made.pools) {
    assert.equal(sizing.budget, 9);
    assert.match(sizing.explanation, /^4 cores × 2 \+ 1 = 9; more than 4 pools share it/);
  }
});

test('who may not attach to a cluster may not do so by the name of its Service', () => {
  const { status, stderr } = plan(
    database,
    pg,
    pool('data', 'own', cluster),
    pool('evil', 'other', endpoint('pg.data.svc')),
  );
  assert.equal(status, 1);
  assert.match(stderr, /ConnectionBudget data\/statefulset-db does not let namespace evil/);
});

test('two endpoints in front of the same pods are one server, and without the Service they are two', () => {
  const pools = [
    pool('data', 'a', endpoint('pg.data', 8)),
    pool('data', 'b', endpoint('alias.data.svc', 8)),
  ];
  const alias = service('data', 'alias', { type: 'ExternalName', externalName: 'pg.data.svc' });
  assert.deepEqual(shares(plan(pg, alias, ...pools)), { a: 9, b: 8 });
  assert.deepEqual(shares(plan(...pools)), { a: 17, b: 17 });
});

test('a cluster that no pool names is found behind its Service too', () => {
  const cnpg = {
    apiVersion: 'postgresql.cnpg.io/v1',
    kind: 'Cluster',
    metadata: { name: 'shop', namespace: 'data' },
    spec: { instances: 2, resources: { limits: { cpu: '2' } } },
  };
  const two = [
    pool('data', 'a', endpoint('shop-rw.data.svc')),
    pool('data', 'b', endpoint('shop-rw.data')),
  ];
  assert.deepEqual(shares(plan(cnpg, service('data', 'shop-rw', {}), ...two)), { a: 3, b: 2 });
});
