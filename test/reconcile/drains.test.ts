// The operator's drains before real PgBouncers: pods that go, and entries that were removed.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { type Console, ConsoleError } from '../../operator/engines/engine.ts';
import { console as admin } from '../../operator/engines/pgbouncer/console.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import type { Client } from '../../operator/kube/client.ts';
import { Consoles } from '../../operator/reconcile/consoles.ts';
import { Drains } from '../../operator/reconcile/drains.ts';
import { podKeysOf } from '../../operator/reconcile/pod-keys.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import { createLog } from '../../operator/runtime/log.ts';
import { Turns } from '../../operator/runtime/turns.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import { eventually, holderConfig, type Pooler, startPooler } from '../engines/pooler.ts';
import { addressIn, hostOf, noRenewals, object, pod, put, worldOf } from './stores.ts';

const web = { name: 'web', secret: 'w' };
let postgres: Postgres;
before(async () => {
  postgres = await startPostgres({
    users: [{ name: web.name, password: web.secret }],
    databases: ['a', 'b'],
  });
});
after(() => postgres?.stop());

const text = (ago: number) => new Date(Date.now() - ago * 1000).toISOString();

interface Scene {
  readonly poolers: readonly { readonly port: number }[];
  /** Which of them is drained. */
  readonly draining?: number;
  readonly drainSeconds: number;
  /** The first closing of clients between two transactions fails, and leaves the database paused. */
  readonly fails?: Pooler;
  /** It has; somebody may have resumed the database since. */
  readonly onFailed?: () => void;
  readonly leaving?: readonly { kind: 'Database' | 'User'; name: string; since: string }[];
}

/** Runs the drains as the operator does, until `use` has ended. */
async function drained(
  scene: Scene,
  use: (drains: Drains, looks: () => number[]) => Promise<void>,
) {
  const { poolers, drainSeconds, leaving = [] } = scene;
  const world = worldOf(
    poolers.map((_, ordinal) => pod(ordinal, ordinal === scene.draining ? text(0) : undefined)),
  );
  const spec = { databases: [{ name: 'a' }], pooler: { drainSeconds } };
  put(world.pools, [object('ConnectionPool', 'shop', { spec, status: { leaving } })]);
  const looks = poolers.map(() => 0);
  const failing = { ...(scene.fails === undefined ? {} : { fails: scene.fails }) };
  const asker: Console = {
    ...admin,
    closeClients: (address, choose) => {
      const ordinal = poolers.findIndex((_, index) => hostOf(index) === address.host);
      looks[ordinal] = (looks[ordinal] ?? 0) + 1;
      return admin.closeClients(addressIn(poolers, address), choose);
    },
    closeBetween: async (address, hold) => {
      const { fails } = failing;
      delete failing.fails;
      if (fails === undefined) return admin.closeBetween(addressIn(poolers, address), hold);
      await fails.ask(`PAUSE ${hold.database}`);
      scene.onFailed?.();
      throw new ConsoleError('TimedOut', 'the console: no answer');
    },
    observe: (address) => admin.observe(addressIn(poolers, address)),
    resume: (address) => admin.resume(addressIn(poolers, address)),
  };
  const log = createLog('silent');
  const turns = new Turns();
  const consoles = new Consoles({
    world,
    client: {} as Client,
    engine: pgbouncer,
    console: asker,
    onChange: () => undefined,
    onLook: () => undefined,
    renewals: noRenewals,
    turns,
  });
  const asking = new Controller({
    name: 'console',
    log,
    workers: 4,
    reconcile: (key, run) => consoles.reconcile(key, run),
  });
  asking.start();
  const drains = new Drains({
    world,
    engine: pgbouncer,
    console: asker,
    consoles,
    turns,
    onChange: () => undefined,
    onPaused: (key) => {
      for (const one of podKeysOf(world, key)) asking.queue.add(one);
    },
  });
  const controller = new Controller({
    name: 'drain',
    log,
    workers: 4,
    reconcile: (key, run) => drains.reconcile(key, run),
  });
  controller.start();
  for (const key of podKeysOf(world, 'shop/shop')) controller.queue.add(key);
  try {
    await use(drains, () => looks);
  } finally {
    await controller.abort('the test is over');
    await asking.abort('the test is over');
  }
}

async function withPooler(use: (pooler: Pooler) => Promise<void>): Promise<void> {
  const pooler = await startPooler(
    holderConfig(postgres, {
      databases: [{ name: 'a' }, { name: 'b' }],
      users: [web],
      caps: ['a', 'b'].map((name) => ({ name, connections: 5 })),
    }),
    [web],
  );
  try {
    await use(pooler);
  } finally {
    await pooler.stop();
  }
}

async function open(pooler: Pooler, database: string) {
  const { name: user, secret: password } = web;
  const client = new pg.Client({ host: '127.0.0.1', port: pooler.port, user, password, database });
  const gone = new Promise<void>((resolve) => client.once('end', resolve));
  client.on('error', () => {});
  await client.connect();
  return { client, gone };
}

test('a pod that does not answer holds up no look at another', () =>
  withPooler(async (pooler) => {
    // Accepts, and says nothing for ever.
    const server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const leaving = [{ kind: 'Database' as const, name: 'gone', since: text(0) }];
    try {
      const scene = { poolers: [{ port }, pooler], draining: 1, drainSeconds: 60, leaving };
      await drained(scene, async (_, looks) => {
        await eventually(
          'both are looked at',
          async () => looks(),
          ([a, b]) => !!a && !!b,
        );
        const [silentFirst = 0, first = 0] = looks();
        await eventually(
          'six looks more',
          async () => looks()[1] ?? 0,
          (count) => count >= first + 6,
          60,
        );
        // One a second, where the other takes two for each besides; if they waited for it there would be as many at both.
        const [silentLast = 0, last = 0] = looks();
        const [silent, live] = [silentLast - silentFirst, last - first];
        assert.ok(live >= 2 * silent, `${live} looks, and ${silent} at the silent one`);
      });
    } finally {
      server.close();
    }
  }));

test('of a database that was removed, silent clients go, and whoever is in a transaction ends it; the count says so', () =>
  withPooler(async (pooler) => {
    const idle = await open(pooler, 'b');
    const inside = await open(pooler, 'b');
    const other = await open(pooler, 'a');
    await inside.client.query('begin');
    const entry = { kind: 'Database' as const, name: 'b', since: text(0) };
    await drained({ poolers: [pooler], drainSeconds: 60, leaving: [entry] }, async (drains) => {
      const left = async () => drains.clientsOfEntry('shop/shop', entry);
      await idle.gone;
      await eventually('one is left', left, (count) => count === 1, 30);
      await inside.client.query('select 1');
      await inside.client.query('commit');
      await inside.gone;
      await eventually('none is left', left, (count) => count === 0, 30);
      await other.client.query('select 1');
      assert.equal((await pooler.observe()).paused, false);
    });
    await other.client.end();
  }));

test('in its last seconds a database that was removed loses clients who are never idle, and they no transaction', () =>
  withPooler(async (pooler) => {
    const done: number[] = [];
    const { client, gone } = await open(pooler, 'b');
    let at = 'begin';
    const work = (async () => {
      for (let count = 0; ; count++) {
        at = 'begin';
        await client.query('begin');
        at = 'inside';
        await client.query('select 1');
        await client.query('commit');
        done.push(count);
      }
    })();
    work.catch(() => {});
    // Its last seconds are five, and begin in as many.
    const since = text(50);
    const entry = { kind: 'Database' as const, name: 'b', since };
    const scene = { poolers: [pooler], drainSeconds: 60, leaving: [entry] };
    await drained(scene, async (_, looks) => {
      await eventually(
        'the first look has done what it does',
        async () => looks()[0] ?? 0,
        (count) => count >= 2,
      );
      const before = done.length;
      await gone;
      assert.ok(done.length > before, 'it was left alone until the end');
    });
    await assert.rejects(work);
    assert.equal(at, 'begin');
  }));

test('a database that was left paused is resumed at once, also where no client is to be closed any more', () =>
  withPooler(async (pooler) => {
    const idle = await open(pooler, 'b');
    const entry = { kind: 'Database' as const, name: 'b', since: text(0) };
    let left = false;
    const onFailed = () => {
      left = true;
    };
    const scene = {
      poolers: [pooler],
      drainSeconds: 60,
      leaving: [entry],
      fails: pooler,
      onFailed,
    };
    await drained(scene, async () => {
      await eventually(
        'it was left paused',
        async () => left,
        (is) => is,
        30,
      );
      await idle.client.query('select 1');
      assert.equal((await pooler.observe()).paused, false);
    });
    await idle.client.end();
  }));
