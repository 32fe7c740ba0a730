// The operator's consoles before real PgBouncers: each pod by itself, at a pace that its failures have earned.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { TOUCHED_ANNOTATION } from '../../operator/core/pool/labels.ts';
import type { Console } from '../../operator/engines/engine.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import type { Client } from '../../operator/kube/client.ts';
import { Consoles } from '../../operator/reconcile/consoles.ts';
import { podKeysOf } from '../../operator/reconcile/pod-keys.ts';
import { silentPods } from '../../operator/reconcile/pool-progress.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import { createLog } from '../../operator/runtime/log.ts';
import { Turns } from '../../operator/runtime/turns.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import { eventually, holderConfig, type Pooler, startPooler } from '../engines/pooler.ts';
import {
  consoleOf,
  hostOf,
  keyOfFile,
  names,
  noRenewals,
  object,
  pod,
  podKey,
  podName,
  podUid,
  put,
  worldOf,
} from './stores.ts';

const web = { name: 'web', secret: 'w' };
const batch = { name: 'batch', secret: 'b' };
let postgres: Postgres;
before(async () => {
  postgres = await startPostgres({
    users: [web, batch].map(({ name, secret }) => ({ name, password: secret })),
    databases: ['a'],
  });
});
after(() => postgres?.stop());

/** A pool whose pods are these poolers; undefined is a pod where nobody listens. */
function poolOf(poolers: readonly (Pooler | undefined)[]) {
  const world = worldOf(poolers.map((_, ordinal) => pod(ordinal)));
  const asks = new Map<string, number>();
  const stalled = new Map<string, Promise<void>>();
  const own = consoleOf(poolers);
  const asker: Console = {
    ...own,
    observe: async (address) => {
      asks.set(address.host, (asks.get(address.host) ?? 0) + 1);
      await stalled.get(address.host);
      return own.observe(address);
    },
  };
  const touches: number[] = [];
  const client = {
    patch: async (_: unknown, { name }: { name: string }, body: object) => {
      assert.match(JSON.stringify(body), new RegExp(TOUCHED_ANNOTATION));
      touches.push(Date.now());
      return world.pods.get('shop', name);
    },
  } as unknown as Client;
  const spec = { databases: [{ name: 'a' }] };
  put(world.pools, [object('ConnectionPool', 'shop', { spec, status: {} })]);
  const consoles = new Consoles({
    world,
    client,
    engine: pgbouncer,
    console: asker,
    onChange: () => undefined,
    onLook: () => undefined,
    renewals: noRenewals,
    turns: new Turns(),
  });
  const log = createLog('silent');
  const signal = new AbortController().signal;
  return {
    world,
    consoles,
    touches,
    asks: (ordinal: number) => asks.get(hostOf(ordinal)) ?? 0,
    /** From now on each question at this pod waits for what is returned to be called. */
    stall: (ordinal: number) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      stalled.set(hostOf(ordinal), promise);
      return () => {
        stalled.delete(hostOf(ordinal));
        resolve();
      };
    },
    look: async (ordinal: number) => {
      const run = { id: '1', log, signal, failures: 0 };
      const outcome = await consoles.reconcile(podKey(ordinal), run);
      return outcome.kind === 'after' ? outcome.seconds : outcome.kind;
    },
    record: (ordinal: number) => consoles.records.get(podUid(ordinal)),
    silent: () => silentPods({ consoles }, world.podsOf('shop', 'shop')),
    /** What stands in the files, by ordinal. */
    say: (texts: readonly string[]) => {
      const files = texts.map((text, ordinal) => [keyOfFile(ordinal), text]);
      put(world.configMaps, [
        object('ConfigMap', names.configMap, { data: Object.fromEntries(files) }),
      ]);
    },
    controller: () =>
      new Controller({
        name: 'console',
        log,
        workers: 4,
        reconcile: (key, run) => consoles.reconcile(key, run),
      }),
  };
}

test('pods that do not answer are asked less and less often and named, and at once for another file', async (context) => {
  const { timers } = context.mock;
  timers.enable({ apis: ['Date'], now: Date.now() });
  const pool = poolOf([undefined, undefined]);
  pool.say([file(1, 1), file(1, 1)]);
  assert.equal(await pool.look(0), 1);
  assert.equal(pool.asks(0), 1);
  assert.deepEqual(pool.silent(), []);
  // Woken by something else.
  timers.tick(400);
  assert.equal(await pool.look(0), 0.6);
  assert.equal(pool.asks(0), 1);
  timers.tick(600);
  assert.equal(await pool.look(0), 2);
  assert.equal(pool.asks(0), 2);
  await pool.look(1);
  timers.tick(1000);
  await pool.look(1);
  const why = 'its console does not answer';
  assert.deepEqual(pool.silent(), [`${podName(0)}: ${why}`, `${podName(1)}: ${why}`]);
  pool.say([file(2, 1), file(1, 1)]);
  const asked = [pool.asks(0), pool.asks(1)];
  assert.equal(await pool.look(0), 1);
  await pool.look(1);
  assert.deepEqual([pool.asks(0), pool.asks(1)], [(asked[0] ?? 0) + 1, asked[1]]);
});

const config = () => holderConfig(postgres, { databases: [{ name: 'a' }], users: [web, batch] });
function file(generation: number, connections: number, port = 6432) {
  return pgbouncer.renderHolderFile({
    ...config(),
    mode: 'session',
    generation,
    listenPort: port,
    caps: [{ name: 'a', connections }],
  });
}

async function withPoolers(count: number, use: (poolers: Pooler[]) => Promise<void>) {
  const poolers: Pooler[] = [];
  const caps = [{ name: 'a', connections: 3 }];
  try {
    for (let ordinal = 0; ordinal < count; ordinal++) {
      poolers.push(await startPooler({ ...config(), mode: 'session', caps }, [web, batch]));
    }
    await use(poolers);
  } finally {
    for (const pooler of poolers) await pooler.stop();
  }
}

/** Sessions of `batch` that hold a connection each until they end. */
async function hold(pooler: Pooler, count: number) {
  const clients = Array.from(
    { length: count },
    () =>
      new pg.Client({
        host: '127.0.0.1',
        port: pooler.port,
        user: batch.name,
        password: batch.secret,
        database: 'a',
      }),
  );
  for (const client of clients) {
    client.on('error', () => {});
    await client.connect();
    await client.query('select 1');
  }
  return async () => {
    for (const client of clients) await client.end();
  };
}

test('a process that does not get its new file is told so less and less often, also over runs', () =>
  withPoolers(1, async ([pooler]) => {
    const pool = poolOf([pooler]);
    // Its volume stays as it is.
    pool.say([file(2, 3)]);
    assert.equal(Math.round(Number(await pool.look(0))), 1);
    const first = pool.touches.length;
    assert.ok(first >= 2 && first <= 3, `${first} touches`);
    assert.deepEqual(pool.silent(), []);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.equal(Math.round(Number(await pool.look(0))), 2);
    assert.deepEqual(pool.silent(), [`${podName(0)}: it has not read its newest files yet`]);
    const gaps = pool.touches.slice(1).map((at, index) => at - (pool.touches[index] ?? 0));
    gaps.forEach((gap, index) => {
      assert.ok(gap >= 1990 * 2 ** index, gaps.join());
    });
    // And when it has read it, it is like any other.
    pooler?.write(file(3, 3, pooler.port));
    pool.say([file(3, 3, pooler?.port)]);
    assert.equal(await pool.look(0), 15);
    assert.deepEqual(pool.silent(), []);
  }));

test('one pod that waits for its clients does not keep another from its new file; who holds it is said', () =>
  withPoolers(2, async (poolers) => {
    const [slow, fast] = poolers as [Pooler, Pooler];
    const letGo = await hold(slow, 3);
    const pool = poolOf([slow, fast]);
    const say = (slowFile: string, fastFile: string) => {
      slow.write(slowFile);
      fast.write(fastFile);
      pool.say([slowFile, fastFile]);
      for (const key of podKeysOf(pool.world, 'shop/shop')) controller.queue.add(key);
    };
    const controller = pool.controller();
    controller.start();
    try {
      say(file(2, 1, slow.port), file(2, 3, fast.port));
      const generation = (ordinal: number) => async () =>
        pool.record(ordinal)?.observation?.mark?.generation;
      await eventually('both have read', generation(0), (n) => n === 2);
      await eventually('both have read', generation(1), (n) => n === 2);
      // In the middle of a look, so that its turn is not over before the other has followed.
      const asked = pool.asks(0);
      const goOn = pool.stall(0);
      await eventually(
        'it is looked at again',
        async () => pool.asks(0),
        (count) => count > asked,
      );
      say(file(2, 1, slow.port), file(3, 3, fast.port));
      await eventually('the other follows', generation(1), (n) => n === 3).finally(goOn);
      assert.equal(pool.record(0)?.follows, false);
      await eventually(
        'it is said who holds it',
        async () => pool.record(0)?.held,
        (held) => held === 'holds 2 more than its file allows: database a (user batch 3)',
        30,
      );
      await letGo();
      await eventually(
        'it follows',
        async () => pool.record(0)?.follows,
        (f) => f === true,
        30,
      );
      assert.equal(pool.record(0)?.held, undefined);
    } finally {
      await controller.abort('the test is over');
    }
  }));
