// The health of a pool from a real PgBouncer under load: what /metrics shows of it, and what the conditions say when
// it lasts. Only the passing of minutes is made up.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool.ts';
import type { HolderConfig, UserSecret } from '../../operator/engines/engine.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import type { Client } from '../../operator/kube/client.ts';
import { type KubeObject, pods as podType } from '../../operator/kube/types.ts';
import { asPool } from '../../operator/reconcile/gather.ts';
import { Health } from '../../operator/reconcile/health.ts';
import { registerPoolMetrics } from '../../operator/reconcile/pool-metrics.ts';
import { Shelf } from '../../operator/reconcile/shelf.ts';
import { connectionPools } from '../../operator/reconcile/world.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import {
  eventually,
  holderConfig,
  type Pooler,
  startLoad,
  startPooler,
} from '../engines/pooler.ts';

const web = { name: 'web', secret: 'w' };
const batch = { name: 'batch', secret: 'b' };
let postgres: Postgres;
before(async () => {
  postgres = await startPostgres({
    users: [web, batch].map(({ name, secret }) => ({ name, password: secret })),
    databases: ['a', 'b'],
  });
});
after(() => postgres?.stop());

/** The operator's own parts around one pool, with stores that nobody watches. */
function observer(databases: readonly { name: string }[], status: ConnectionPoolStatus) {
  const shelf = (type: typeof podType) => new Shelf({ client: {} as Client, type, namespaces: [] });
  const world = { pools: shelf(connectionPools), pods: shelf(podType) };
  const object: KubeObject = {
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionPool',
    metadata: { namespace: 'shop', name: 'shop', uid: 'u', resourceVersion: '1', generation: 1 },
    spec: { databases },
    status,
  };
  const put = (next: KubeObject, position: string) =>
    world.pools.reflectors[0]?.store.replace([next], position);
  put(object, '1');
  const changes: string[] = [];
  const health = new Health({ world, engine: pgbouncer, onChange: (key) => changes.push(key) });
  const metrics = new Metrics();
  let now = Date.now();
  registerPoolMetrics(metrics, world, health, () => now);
  return {
    health,
    changes,
    pool: asPool(object),
    remove: () => world.pools.reflectors[0]?.store.replace([], '2'),
    /** One look, so many seconds after the last. */
    look: async (pooler: Pooler, seconds: number) => {
      now += seconds * 1000;
      const observation = await pooler.observe();
      health.look('shop/shop', 'pod-0', observation, now);
      return observation;
    },
    later: (seconds: number) => {
      now += seconds * 1000;
    },
    /** The samples of the pool, by name and labels without namespace and pool. */
    samples: async () => {
      const page = await metrics.registry.metrics();
      return Object.fromEntries(
        [
          ...page.matchAll(/^spillway_pool_(\w+)\{namespace="shop",pool="shop"(.*?)\} (\S+)$/gm),
        ].map(([, name, more = '', value]) => [
          `${name}${more.replace(/^,\w+="(\w+)"$/, '_$1')}`,
          Number(value),
        ]),
      );
    },
  };
}

async function withPooler(
  parts: Partial<HolderConfig>,
  users: readonly UserSecret[],
  work: (pooler: Pooler) => Promise<void>,
): Promise<void> {
  const pooler = await startPooler(holderConfig(postgres, parts), users);
  try {
    await work(pooler);
  } finally {
    await pooler.stop();
  }
}

const grants = [{ holder: 'shop-pooler-0-0', connections: 1, generation: 1 }];
const allotment = { connections: 1, serial: 1 };

test('clients that wait long are seen in the metrics at once, and in the condition after a minute', async () => {
  const a = { databases: [{ name: 'a' }], users: [web], caps: [{ name: 'a', connections: 1 }] };
  await withPooler(a, [web], async (pooler) => {
    const seen = observer([{ name: 'a' }], { grants, allotment, sizing: { share: 1 } });
    assert.deepEqual(await seen.samples(), {}, 'nothing is said of a pool that nobody has seen');
    assert.deepEqual(seen.health.findings(seen.pool), []);
    const sql = 'select pg_sleep(0.3)';
    const load = await startLoad({
      port: pooler.port,
      user: web,
      databases: ['a'],
      clients: 8,
      sql,
    });
    try {
      await eventually('they wait', pooler.observe, (o) => o.maxWaitSeconds >= 1.5);
      const started = Date.now();
      await seen.look(pooler, 0);
      await sleep(5500);
      const { clients, pools } = await seen.look(pooler, (Date.now() - started) / 1000);
      const now = await seen.samples();
      // Whoever has its answer counts as active until it asks again, so there may be more than the one that is served.
      assert.equal(clients.active + clients.waiting, 8);
      assert.ok(clients.active >= 1 && clients.waiting > clients.active, JSON.stringify(clients));
      assert.equal(now.clients_active, clients.active);
      assert.equal(now.clients_waiting, clients.waiting);
      assert.ok((now.max_wait_seconds ?? 0) >= 1, `${now.max_wait_seconds}`);
      const { serversActive: active, serversIdle: idle } = pools[0] ?? assert.fail('no pool');
      // Idle for the moment in which it goes from one client to the next.
      assert.equal(active + idle, 1);
      assert.equal(now.server_connections_active, active);
      assert.equal(now.server_connections_idle, idle);
      assert.equal(now.granted_connections, 1);
      assert.equal(now.share_connections, 1);
      assert.equal(now.pods_answering, 1);
      // Always busy; a transaction counts when it ends.
      assert.ok((now.busy_ratio ?? 0) > 0.8, `${now.busy_ratio}`);
      assert.ok((now.transaction_mean_seconds ?? 0) >= 0.3, `${now.transaction_mean_seconds}`);
      assert.ok((now.wait_mean_seconds ?? 0) > 1, `${now.wait_mean_seconds}`);
      assert.ok((now.transactions_total ?? 0) > 10, `${now.transactions_total}`);

      for (let i = 0; i < 4; i++) await seen.look(pooler, 15);
      assert.equal(seen.health.findings(seen.pool)[0]?.status, 'True');
      assert.deepEqual(seen.changes, ['shop/shop'], 'the pool is woken once');
    } finally {
      await load.stop();
    }
    assert.deepEqual(load.errors, []);
    for (let i = 0; i < 20; i++) await seen.look(pooler, 15);
    assert.equal(seen.health.findings(seen.pool)[0]?.status, 'True', 'five minutes are not over');
    await seen.look(pooler, 15);
    assert.equal(seen.health.findings(seen.pool)[0]?.status, 'False');
    seen.later(61);
    assert.equal((await seen.samples()).pods_answering, 0);
    seen.remove();
    seen.later(1);
    assert.deepEqual(await seen.samples(), {}, 'a pool that is gone leaves no series');
  });
});

test('who starves is found, and room for as many as want connections is asked for', async () => {
  const caps = [{ name: 'web', connections: 2 }];
  const any = { databases: 'any', axis: 'user', users: [web], caps } as const;
  await withPooler(any, [web], async (pooler) => {
    const seen = observer([{ name: '*' }], { grants, allotment });
    const options = { port: pooler.port, user: web, clients: 4 };
    // Long enough that no stall of this process leaves a connection idle: `b` would be given it.
    const first = await startLoad({ ...options, databases: ['a'], sql: 'select pg_sleep(0.2)' });
    await eventually('all is taken', pooler.observe, (o) => o.sessions.byUser.web === 2);
    const late = await startLoad({ ...options, databases: ['b'] });
    try {
      const hungry = async () => pgbouncer.starving(await pooler.observe(), 'user').length;
      await eventually('b starves', hungry, (n) => n === 1);
      await seen.look(pooler, 0);
      assert.equal(seen.health.sharersOf(seen.pool), undefined);
      await seen.look(pooler, 15);
      assert.equal(seen.health.sharersOf(seen.pool), 2);
      assert.equal(seen.health.findings(seen.pool)[1]?.status, 'True');

      const sharers = seen.health.sharersOf(seen.pool) ?? 0;
      const config = holderConfig(postgres, {
        ...any,
        sharers,
        generation: 2,
        listenPort: pooler.port,
      });
      await pooler.apply(pgbouncer.renderHolderFile(config));
      await pooler.reconnect();
      await eventually(
        'b is served',
        async () => late.done(),
        (done) => done > 5,
      );
    } finally {
      await Promise.all([first.stop(), late.stop()]);
    }
    assert.deepEqual([...first.errors, ...late.errors], []);
  });
});

test('after a restart the conditions go on from what the status says', () => {
  const time = '2026-01-01T00:00:00Z';
  const condition = (type: string) => ({
    type,
    status: 'True' as const,
    reason: 'R',
    message: '',
    lastTransitionTime: time,
  });
  const status = { conditions: [condition('Saturated'), condition('Starving')], sharers: 3 };
  const { health, pool } = observer([{ name: 'a' }], status);
  assert.deepEqual(
    health.findings(pool).map((finding) => finding.status),
    ['True', 'True'],
  );
  assert.equal(health.sharersOf(pool), 3);
});
