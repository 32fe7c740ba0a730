// The whole plan: what holds between the pools of one server, whatever is said of it and in whatever order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ConnectionPoolSpecInput } from '../../operator/api/connection-pool.ts';
import { parsePool } from '../../operator/api/parse-pool.ts';
import type { ConnectionPool } from '../../operator/api/resources.ts';
import { type PlanInput, type PlannedPool, plan } from '../../operator/core/plan.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import type { RawObject } from '../../operator/postgres/adapter.ts';

type Postgres = ConnectionPoolSpecInput['postgres'];

interface Given {
  readonly postgres: Postgres;
  readonly more?: Partial<ConnectionPoolSpecInput>;
  readonly metadata?: object;
}

function pool(name: string, { postgres, more = {}, metadata = {} }: Given): ConnectionPool {
  const parsed = parsePool({
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionPool',
    metadata: { name, namespace: 'shop', uid: `uid-${name}`, ...metadata },
    spec: { postgres, users: [{ name: 'shop', secretRef: { name: 'shop-app' } }], ...more },
  });
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.pool;
}

const database: RawObject = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'shop-db', namespace: 'shop' },
  spec: {
    serviceName: 'shop-db',
    replicas: 3,
    template: { spec: { containers: [{ name: 'postgres', resources: { limits: { cpu: 2 } } }] } },
  },
};
const ref = { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'shop-db' } } as const;

function planned(pools: readonly ConnectionPool[], more: Partial<PlanInput> = {}): PlannedPool[] {
  return plan({
    pools,
    budgets: new Map(),
    lookup: ({ kind }) => (kind === 'StatefulSet' ? database : undefined),
    clients: () => [],
    usersOf: (users) => users.map(({ name }) => ({ name, password: 'x' })),
    console: { user: 'console', password: 'x', markSecret: 'x' },
    settings: {
      poolerImage: 'pgbouncer',
      clusterDomain: 'cluster.local',
      operatorNamespace: 'spillway-system',
    },
    engine: pgbouncer,
    ...more,
  });
}

const endpoint = (cores: number, more: object = {}) => ({
  endpoint: { host: 'db.example.com', cores, ...more },
});
const shareOf = ({ pool: { metadata }, sizing }: PlannedPool) =>
  `${metadata.name}: ${sizing?.share} of ${sizing?.budget}`;

test('where the pools of an endpoint say different things of it, the least counts for all of them', () => {
  const pools = [
    pool('a', { postgres: endpoint(4) }),
    pool('b', { postgres: endpoint(8, { host: 'DB.example.com.', maxConnections: 50 }) }),
  ];
  const both = planned(pools);
  assert.deepEqual(both.map(shareOf), ['a: 5 of 9', 'b: 4 of 9']);
  const said = both[1]?.sizing?.sources?.filter(({ field }) =>
    ['cores', 'maxConnections'].includes(field),
  );
  assert.deepEqual(said, [
    {
      field: 'cores',
      value: '4',
      source: 'spec.postgres.endpoint.cores of ConnectionPool shop/a',
    },
    { field: 'maxConnections', value: '50', source: 'spec.postgres.endpoint.maxConnections' },
  ]);
});

test('a pool that may not draw from an endpoint still says what it knows of it', () => {
  const pools = [
    pool('a', { postgres: endpoint(8) }),
    pool('b', { postgres: endpoint(4), metadata: { namespace: 'books' } }),
  ];
  const budget = planned(pools)[0]?.budget ?? '';
  const spec = { postgres: endpoint(8), namespaces: [{ name: 'shop' }] } as never;
  const result = planned(pools, { budgets: new Map([[budget, spec]]) });
  assert.deepEqual(result.map(shareOf), ['a: 9 of 9', 'b: undefined of undefined']);
});

const times = ['2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z', undefined];
for (const [order, expected] of [
  [[0, 1, 2], 'a: 0 of 2, b: 1 of 2, c: 1 of 2'],
  [[1, 0, 0], 'a: 1 of 2, b: 0 of 2, c: 1 of 2'],
  [[2, 1, 0], 'a: 1 of 2, b: 1 of 2, c: 0 of 2'],
] as const) {
  test(`the youngest pool goes without where there is not enough: created ${order.map((i) => times[i] ?? 'never')}`, () => {
    const pools = ['c', 'b', 'a'].map((name, index) => {
      const creationTimestamp = times[order[index] ?? 0];
      const metadata = creationTimestamp === undefined ? {} : { creationTimestamp };
      return pool(name, { postgres: endpoint(8), metadata });
    });
    const budget = planned(pools)[0]?.budget ?? '';
    const spec = { postgres: endpoint(8), total: 2 } as never;
    const result = planned(pools, { budgets: new Map([[budget, spec]]) });
    assert.equal(result.map(shareOf).sort().join(', '), expected);
  });
}

test('users of a cluster are for its own namespace, until the owner lists another by name', () => {
  const cluster: RawObject = {
    apiVersion: 'postgresql.cnpg.io/v1',
    kind: 'Cluster',
    metadata: { name: 'db', namespace: 'data' },
    spec: { instances: 1, bootstrap: { initdb: { database: 'app', owner: 'app' } } },
  };
  const clusterRef = {
    apiGroup: 'postgresql.cnpg.io',
    kind: 'Cluster',
    name: 'db',
    namespace: 'data',
  };
  const guest = pool('guest', { postgres: { clusterRef }, more: { users: undefined } });
  const reasons = (name: string) =>
    planned([guest], {
      lookup: ({ kind }) => (kind === 'Cluster' ? cluster : undefined),
      budgets: new Map([
        ['data/cluster-db', { postgres: { clusterRef }, namespaces: [{ name }] } as never],
      ]),
    }).map(({ faults, objects }) => [faults.map(({ reason }) => reason), objects.length > 0]);
  assert.deepEqual(reasons('*'), [[['UsersNotShared'], false]]);
  assert.deepEqual(reasons('shop'), [[[], true]]);
});

const targets = fc.oneof(
  fc.constantFrom<Postgres>(ref, { ...ref, role: 'replicas' }),
  fc
    .record(
      {
        host: fc.constantFrom('db.example.com', 'DB.example.com', 'other.example.com'),
        cores: fc.integer({ min: 1, max: 64 }),
        maxConnections: fc.integer({ min: 10, max: 500 }),
        reservedConnections: fc.integer({ min: 0, max: 9 }),
      },
      { requiredKeys: ['host', 'cores'] },
    )
    .map((server): Postgres => ({ endpoint: server })),
);
const pools = fc
  .array(
    fc.record({
      postgres: targets,
      replicas: fc.integer({ min: 0, max: 4 }),
      weight: fc.integer({ min: 1, max: 5 }),
      max: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
      session: fc.boolean(),
      created: fc.constantFrom(...times),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((list) =>
    list.map(({ postgres, replicas, weight, max, session, created }, index) =>
      pool(`p${index}`, {
        postgres,
        more: {
          mode: session ? 'session' : 'transaction',
          pooler: { replicas },
          sizing: { weight, ...(max === undefined ? {} : { max }) },
        },
        metadata: created === undefined ? {} : { creationTimestamp: created },
      }),
    ),
  );

test('every server shows its pools one budget, and their shares together are at most that', () => {
  fc.assert(
    fc.property(pools, (list) => {
      const servers = Map.groupBy(
        planned(list).filter(({ sizing }) => sizing !== undefined),
        ({ budget, pool: { spec } }) => `${budget} ${spec.postgres.role}`,
      );
      assert.ok(servers.size > 0);
      for (const [server, members] of servers) {
        const [first, ...rest] = members.map(({ sizing }) => {
          const { budget, optimum, cores, maxConnections, reserved, slack } = sizing ?? {};
          return { budget, optimum, cores, maxConnections, reserved, slack };
        });
        for (const other of rest) assert.deepEqual(other, first, server);
        const total = members.reduce((sum, { sizing }) => sum + (sizing?.share ?? 0), 0);
        assert.ok(total <= (first?.budget ?? 0), `${server}: ${total} of ${first?.budget}`);
        for (const { sizing } of members) {
          const pods = sizing?.perPod?.reduce((sum, size) => sum + size, 0) ?? 0;
          assert.ok(pods <= (sizing?.share ?? 0));
        }
      }
    }),
    { numRuns: 200 },
  );
});

test('the order of the pools changes nothing', () => {
  const ordered = pools.chain((list) =>
    fc
      .shuffledSubarray(list, { minLength: list.length, maxLength: list.length })
      .map((shuffled) => [list, shuffled] as const),
  );
  fc.assert(
    fc.property(ordered, ([list, shuffled]) => {
      const sizes = (given: readonly ConnectionPool[]) =>
        Object.fromEntries(
          planned(given).map(({ pool: { metadata }, sizing, faults }) => [
            metadata.name,
            { sizing, faults },
          ]),
        );
      assert.deepEqual(sizes(shuffled), sizes(list));
    }),
    { numRuns: 100 },
  );
});
