// `spillway plan` with the objects of Postgres operators: the same files that they are applied from.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { dump } from 'js-yaml';
import type { PoolSizing } from '../../operator/api/connection-pool.ts';
import type { RawObject } from '../../operator/postgres/adapter.ts';
import { node, pod as podOf, samples } from '../postgres/objects.ts';

const program = join(import.meta.dirname, '../../bin/spillway');

function plan(objects: readonly unknown[], ...words: readonly string[]) {
  const input = objects.map((object) => dump(object, { noRefs: true })).join('---\n');
  const { status, stdout, stderr } = spawnSync(program, ['plan', '-f', '-', ...words], {
    input,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

function pool({ apiVersion, kind, metadata }: RawObject, spec: object = {}) {
  return {
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionPool',
    metadata: { name: 'shop', namespace: 'data' },
    spec: {
      postgres: {
        clusterRef: { apiGroup: apiVersion?.split('/')[0], kind, name: metadata?.name },
      },
      ...spec,
    },
  };
}

interface Planned {
  readonly sizing: PoolSizing;
  readonly objects: readonly { kind: string; data?: Record<string, string> }[];
}

function planned(...objects: readonly unknown[]): Planned {
  const { status, stdout, stderr } = plan(objects, '-o', 'json');
  assert.equal(stderr, '');
  assert.equal(status, 0);
  const [first] = JSON.parse(stdout) as Planned[];
  assert.ok(first !== undefined);
  return first;
}

const users = [{ name: 'shop', secretRef: { name: 'shop-login' } }];

test('every kind of cluster is read from files, with the objects that it refers to', () => {
  const cores: Record<string, string | undefined> = {};
  for (const [{ kind }, { full, related }] of samples) {
    const role = { postgres: { ...pool(full).spec.postgres, role: 'replicas' } };
    const { sizing } = planned(full, ...related, pool(full, { ...role, users }));
    cores[kind] = sizing.cores;
  }
  assert.deepEqual(cores, {
    Cluster: '2.5',
    postgresql: '1.5',
    PostgresCluster: '0.5',
    PerconaPGCluster: '2',
    SGCluster: '1.5',
  });
});

test('where the cluster says nothing, the cores are those of the nodes in the same files', () => {
  const [, { bare }] = samples[0];
  const labels = { 'cnpg.io/cluster': 'db', 'cnpg.io/podRole': 'instance' };
  const known = [podOf('db-1', labels, { node: 'n' }), node('n', '3920m')];
  assert.equal(planned(bare, pool(bare)).sizing.cores, '1');
  const { sizing } = planned(bare, ...known, pool(bare));
  assert.equal(sizing.cores, '3.92');
  const cores = sizing.sources?.find(({ field }) => field === 'cores');
  assert.equal(cores?.source, 'allocatable cpu of node n');
});

test('the users and the CA of the cluster are taken where the pool says neither', () => {
  const [, { bare }] = samples[0];
  const { objects } = planned(bare, pool(bare));
  const files = objects.find(({ kind }) => kind === 'ConfigMap')?.data ?? {};
  const [text = ''] = Object.values(files);
  assert.match(text, /^server_tls_sslmode = verify-ca$/m);
  assert.match(text, /^'app' = /m);
});

test('a cluster that names no user is refused at its place, with the way out', () => {
  const [, { full }] = samples[0];
  const { status, stderr } = plan([full, pool(full)]);
  assert.equal(status, 1);
  assert.match(stderr, /spec\.users: Cluster db names no user .*: list them in spec\.users/);
});
