// From spec.clients to max_client_conn, status.clients and what does not fit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConnectionPoolSpecInput,
  connectionPoolSpec,
  poolClients,
} from '../../../operator/api/connection-pool.ts';
import { planClients } from '../../../operator/core/clients/plan.ts';
import type { RawObject } from '../../../operator/postgres/adapter.ts';

const deployment = (name: string, replicas: number): RawObject => ({
  kind: 'Deployment',
  metadata: { name, namespace: 'shop', labels: { team: 'shop' } },
  spec: { replicas, strategy: { type: 'Recreate' } },
});

function plan(
  clients: ConnectionPoolSpecInput['clients'],
  objects: readonly RawObject[] = [],
  more: Partial<ConnectionPoolSpecInput> = {},
  before?: number,
) {
  const spec = connectionPoolSpec.parse({
    postgres: { endpoint: { host: 'db.example.com', cores: 8 } },
    users: [{ name: 'shop', secretRef: { name: 'shop-app' } }],
    ...(clients === undefined ? {} : { clients }),
    ...more,
  });
  return planClients({
    spec,
    namespace: 'shop',
    lookup: (kind) => objects.filter((object) => object.kind === kind),
    share: 17,
    perPod: [9, 8],
    before,
  });
}

test('a pool that names no workloads keeps the default, and nothing is said of its clients', () => {
  for (const clients of [undefined, {}, { workloads: [] }]) {
    const { limit, ...more } = plan(clients);
    assert.deepEqual(limit, { max: 1000, source: 'the default' });
    assert.deepEqual(more, {});
  }
  assert.equal(plan({ max: 50 }).limit.max, 50);
});

const web = { kind: 'Deployment', name: 'web', poolSize: 10 } as const;

test('with workloads the limit is computed, unless the user gives it', () => {
  const objects = [deployment('web', 30)];
  assert.equal(plan({ workloads: [web] }, objects).limit.max, 400);
  assert.equal(plan({ workloads: [web], max: 350 }, objects).limit.max, 350);
  assert.deepEqual(plan({ workloads: [web] }, objects).faults, []);
  const reasons = (max: number) =>
    plan({ workloads: [web], max }, objects).faults?.map((fault) => fault.reason);
  assert.deepEqual(reasons(149), ['MoreThanAccepted']);
  assert.deepEqual(reasons(150), ['NotWithoutAPod']);
  assert.deepEqual(reasons(300), []);
});

test('what a missing workload had is kept for it', () => {
  const { limit, faults } = plan({ workloads: [web] }, [], {}, 400);
  assert.equal(limit.max, 400);
  assert.deepEqual(
    faults?.map((fault) => fault.reason),
    ['WorkloadDoesNotExist'],
  );
});

test('the sizes of all workloads come from what all of them share', () => {
  const workloads = [web, { ...web, name: 'api', poolSize: 2 }];
  const { clients } = plan({ workloads }, [deployment('web', 2), deployment('api', 3)]);
  assert.deepEqual(
    clients?.workloads.map((w) => [w.name, w.connections, w.recommendedPoolSize]),
    [
      ['web', 20, 7],
      ['api', 6, 7],
    ],
  );
  assert.equal(clients?.connections, 26);
});

test('in session mode all of them have to fit into the share', () => {
  const objects = [deployment('web', 2)];
  const { clients, faults } = plan({ workloads: [web] }, objects, { mode: 'session' });
  assert.equal(faults?.[0]?.reason, 'SessionsDoNotFit');
  assert.equal(clients?.workloads[0]?.recommendedPoolSize, 8);
});

test("query_wait_timeout is the pool's own, PgBouncer's default, or none", () => {
  const objects = [deployment('web', 100)];
  const reasons = (parameters: Record<string, string>) =>
    plan({ workloads: [web] }, objects, { parameters }).faults?.map((fault) => fault.reason);
  assert.deepEqual(reasons({}), ['FileLimitNotKnown']);
  assert.deepEqual(reasons({ query_wait_timeout: '5' }), ['WaitsTooLong', 'FileLimitNotKnown']);
  assert.deepEqual(reasons({ query_wait_timeout: '0' }), ['FileLimitNotKnown']);
});

test('thousands of workloads are counted, and as many listed as the status takes', () => {
  const objects = Array.from({ length: 2000 }, (_, i) => deployment(`web-${i}`, 1));
  const workloads = [
    { kind: 'Deployment', selector: { matchLabels: { team: 'shop' } }, poolSize: 5 } as const,
  ];
  const { clients } = plan({ workloads }, objects);
  assert.equal(clients?.connections, 10_000);
  assert.equal(poolClients.safeParse(clients).success, true);
});
