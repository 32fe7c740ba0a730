import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { HolderConfig, ObservedClient } from '../../operator/engines/engine.ts';
import { console as admin } from '../../operator/engines/pgbouncer/console.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import { eventually, holderConfig, type Pooler, startPooler } from './pooler.ts';

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

interface Client {
  readonly query: (sql: string) => Promise<unknown>;
  /** Resolves when the connection has gone. */
  readonly gone: Promise<void>;
  readonly isOpen: () => boolean;
  /** What a request to cancel its query is made of. */
  readonly key: () => { readonly process: number; readonly secret: number };
}

/** As drivers do it: one packet on a connection of its own. */
function cancel(port: number, client: Client): void {
  const { process, secret } = client.key();
  const packet = Buffer.alloc(16);
  packet.writeInt32BE(16, 0);
  packet.writeInt32BE(80877102, 4);
  packet.writeInt32BE(process, 8);
  packet.writeInt32BE(secret, 12);
  const socket = connect(port, '127.0.0.1', () => socket.write(packet));
  socket.on('error', () => {});
}

interface Scene {
  readonly pooler: Pooler;
  readonly config: HolderConfig;
  open(database?: string, user?: typeof web): Promise<Client>;
  /** By the order in which they came. */
  clients(): Promise<readonly ObservedClient[]>;
}

async function scene(parts: Partial<HolderConfig>, use: (scene: Scene) => Promise<void>) {
  const config = holderConfig(postgres, {
    databases: [{ name: 'a' }, { name: 'b' }],
    users: [web, batch],
    caps: ['a', 'b'].map((name) => ({ name, connections: 2 })),
    ...parts,
  });
  const pooler = await startPooler(config, [web, batch]);
  const opened: pg.Client[] = [];
  try {
    await use({
      pooler,
      config: { ...config, listenPort: pooler.port },
      open: async (database = 'a', user = web) => {
        const client = new pg.Client({
          host: '127.0.0.1',
          port: pooler.port,
          user: user.name,
          password: user.secret,
          database,
        });
        opened.push(client);
        let open = true;
        const gone = new Promise<void>((resolve) => {
          client.on('end', () => {
            open = false;
            resolve();
          });
        });
        client.on('error', () => {});
        await client.connect();
        const { processID: process, secretKey: secret } = client as unknown as {
          processID: number;
          secretKey: number;
        };
        return {
          query: (sql) => client.query(sql),
          gone,
          isOpen: () => open,
          key: () => ({ process, secret }),
        };
      },
      clients: async () => {
        const seen = await admin.closeClients(pooler.address, () => ({ close: [] }));
        return [...seen].sort((x, y) => Number(x.id) - Number(y.id));
      },
    });
  } finally {
    await pooler.stop();
    await Promise.all(opened.map((client) => client.end().catch(() => {})));
  }
}

test('in transaction mode a client is idle between transactions and busy inside of one', () =>
  scene({}, async ({ open, clients }) => {
    const states = async () => (await clients()).map(({ state }) => state).join(' ');
    await open();
    await (await open()).query('select 1');
    const inside = await open();
    await inside.query('begin');
    const holds = await open();
    await holds.query('begin');
    const waits = await open();
    const waited = waits.query('select 1');
    waited.catch(() => {});
    await eventually('one waits', states, (seen) => seen === 'idle idle busy busy waiting');
    await holds.query('commit');
    await waited;
    await eventually('nobody waits', states, (seen) => seen === 'idle idle busy idle idle');
  }));

test('in session mode a client is busy from its first statement on', () =>
  scene({ mode: 'session' }, async ({ open, clients }) => {
    await open();
    await (await open()).query('select 1');
    assert.deepEqual(
      (await clients()).map(({ state }) => state),
      ['idle', 'busy'],
    );
  }));

test('silence is counted from the last message, by the clock of the process', () =>
  scene({}, async ({ open, clients }) => {
    await open();
    const speaks = await open();
    const seen = await eventually(
      'the first one is silent for two seconds',
      async () => {
        await speaks.query('select 1');
        return clients();
      },
      ([first]) => (first?.silentSeconds ?? 0) >= 2,
    );
    assert.ok((seen[1]?.silentSeconds ?? 9) <= 1, JSON.stringify(seen));
  }));

test('the clients that are chosen are closed, and one that has left meanwhile is no error', () =>
  scene({}, async ({ pooler, open, clients }) => {
    const stays = await open();
    const goes = await open();
    await admin.closeClients(pooler.address, (seen) => {
      const last = seen.toSorted((x, y) => Number(x.id) - Number(y.id)).at(-1)?.id ?? '';
      return { close: [last, last, '999999'] };
    });
    await goes.gone;
    assert.ok(stays.isOpen());
    assert.equal((await clients()).length, 1);
  }));

test('the process closes who is silent, and whoever is in a transaction when it has ended', () =>
  scene({}, async ({ pooler, open, clients }) => {
    const idle = await open();
    const inside = await open();
    await inside.query('begin');
    await admin.closeClients(pooler.address, () => ({ close: [], silentSeconds: 0.2 }));
    await idle.gone;
    // Silent for long, but inside of its transaction.
    assert.ok(inside.isOpen());
    await inside.query('select 1');
    await inside.query('commit');
    await inside.gone;
    assert.deepEqual(await clients(), []);
  }));

test('a process that was told to stop goes on closing who is silent, and so ends', () =>
  scene({}, async ({ pooler, open }) => {
    const idle = await open();
    const inside = await open();
    await inside.query('begin');
    await admin.closeClients(pooler.address, () => ({ close: [], silentSeconds: 0.2 }));
    pooler.signal('SIGTERM');
    await idle.gone;
    await inside.query('select 1');
    await inside.query('commit');
    await inside.gone;
    await pooler.exited;
  }));

test('at the end nobody begins a transaction, whoever is inside of one ends it, and the process ends', () =>
  scene(
    { caps: ['a', 'b'].map((name) => ({ name, connections: 9 })) },
    async ({ pooler, open }) => {
      await inA('create table done (id text primary key); grant all on done to web');
      const inside = await open();
      await inside.query('begin');
      await inside.query("insert into done values ('inside')");
      const busy = [];
      for (let index = 0; index < 5; index++) busy.push(neverIdle(await open(), `busy-${index}`));
      await working();
      await admin.closeClients(pooler.address, () => ({
        close: [],
        silentSeconds: 0.05,
        refuses: true,
      }));
      pooler.signal('SIGTERM');
      const ends = await Promise.all(busy);
      for (const { at, error } of ends) {
        assert.equal(at, 'begin');
        assert.match(error, /query_wait_timeout|client_idle_timeout|terminated/);
      }
      assert.ok(inside.isOpen());
      await inside.query("insert into done values ('inside too')");
      await inside.query('commit');
      await inside.gone;
      await pooler.exited;
      const rows = await inA('select id from done');
      const told = ['inside', 'inside too', ...ends.flatMap(({ done }) => done)];
      assert.ok(told.length > 10);
      assert.deepEqual(rows.map((row) => String(row.id)).sort(), told.sort());
    },
  ));

/** At the server itself, in the database a. */
async function inA(sql: string): Promise<Record<string, unknown>[]> {
  const { host, port, superuser: user, superuserPassword: password } = postgres;
  const client = new pg.Client({ host, port, user, password, database: 'a' });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Those who are never idle have come to work. */
const working = () =>
  eventually(
    'transactions have ended',
    () => inA('select id from done'),
    ({ length }) => length > 20,
  );

/** One transaction after the other, until one cannot begin or cannot end. */
async function neverIdle(client: Client, name: string) {
  const done: string[] = [];
  for (let count = 0; ; count++) {
    const id = `${name}-${count}`;
    let at = 'begin';
    try {
      await client.query('begin');
      at = 'work';
      await client.query(`insert into done values ('${id}')`);
      at = 'commit';
      await client.query('commit');
      done.push(id);
    } catch (error) {
      return { at, error: String(error), done };
    }
  }
}

/** Whoever is wanted while nobody of `a` can begin. */
const allOfA = (seconds: number) => ({
  database: 'a',
  wants: () => true,
  most: Number.POSITIVE_INFINITY,
  seconds,
});

test('of a database that goes, clients who are never idle are closed between two transactions, and none loses one', () =>
  scene(
    { caps: ['a', 'b'].map((name) => ({ name, connections: 9 })) },
    async ({ pooler, open, clients }) => {
      await inA('create table if not exists done (id text primary key); grant all on done to web');
      await inA('truncate done');
      const long = await open();
      await long.query('begin');
      await long.query("insert into done values ('long')");
      const elsewhere = await open('b');
      const busy = [];
      for (let index = 0; index < 5; index++) busy.push(neverIdle(await open(), `busy-${index}`));
      await working();
      // For much longer than five clients need to come to their next transaction.
      assert.equal(await admin.closeBetween(pooler.address, allOfA(5)), 5);
      const ends = await Promise.all(busy);
      for (const { at } of ends) assert.equal(at, 'begin');
      // Others work on, and so do those of the database whose transaction is longer.
      assert.ok(elsewhere.isOpen() && long.isOpen());
      assert.equal((await pooler.observe()).paused, false);
      await long.query("insert into done values ('long too')");
      await long.query('commit');
      await long.query("insert into done values ('after')");
      const told = ['long', 'long too', 'after', ...ends.flatMap(({ done }) => done)];
      assert.ok(told.length > 10);
      const rows = await inA('select id from done');
      assert.deepEqual(rows.map((row) => String(row.id)).sort(), told.sort());
      assert.equal((await clients()).length, 2);
    },
  ));

test('a client that begins after the look has begun nothing when it is closed', () =>
  scene({}, async ({ pooler, open }) => {
    const inside = await open();
    await inside.query('begin');
    await inside.query('select 1');
    const begins = await open();
    let begun: Promise<unknown> | undefined;
    const seen = new Set<string>();
    const closed = await admin.closeBetween(pooler.address, {
      ...allOfA(10),
      wants: ({ state }) => {
        begun ??= begins.query('select 1');
        begun.catch(() => {});
        seen.add(state);
        if (state === 'waiting') inside.query('commit').catch(() => {});
        return state !== 'idle';
      },
    });
    assert.equal(closed, 1);
    assert.ok(seen.has('waiting'), [...seen].join());
    await begins.gone;
    await assert.rejects(async () => begun);
  }));

test('silent clients of a database are closed a few at a time, the most silent first', () =>
  scene({}, async ({ pooler, open, clients }) => {
    await open();
    await sleep(2100);
    await open();
    const [first, second] = await clients();
    const hold = { ...allOfA(0), most: 1 };
    assert.equal(await admin.closeBetween(pooler.address, hold), 1);
    assert.deepEqual(
      (await clients()).map(({ id }) => id),
      [second?.id],
    );
    assert.notEqual(first?.id, second?.id);
  }));

test('nobody is closed in a database that the process does not know, and a pause of all stays', () =>
  scene({}, async ({ pooler, open }) => {
    const idle = await open();
    assert.equal(await admin.closeBetween(pooler.address, { ...allOfA(0), database: 'gone' }), 0);
    await admin.pause(pooler.address);
    assert.equal(await admin.closeBetween(pooler.address, allOfA(0)), 1);
    await idle.gone;
    assert.equal((await pooler.observe()).paused, true);
  }));

test('a database that was left paused is resumed by the next who closes its clients', () =>
  scene({}, async ({ pooler, open }) => {
    const client = await open();
    await pooler.ask('PAUSE a');
    assert.equal(await admin.closeBetween(pooler.address, { ...allOfA(0), wants: () => false }), 0);
    await client.query('select 1');
  }));

test('the process closes silent clients of a user that leaves, and nobody of the others', () =>
  scene({}, async ({ pooler, config, open }) => {
    const stays = await open('a', web);
    const goes = await open('a', batch);
    const inside = await open('b', batch);
    await inside.query('begin');
    const users = [web, { ...batch, leaving: true }];
    await pooler.apply(pgbouncer.renderHolderFile({ ...config, generation: 2, users }));
    await goes.gone;
    assert.ok(inside.isOpen());
    await inside.query('commit');
    await inside.gone;
    // Longer silent than any of them.
    assert.ok(stays.isOpen());
    await stays.query('select 1');
    const back = pgbouncer.renderHolderFile({ ...config, generation: 3 });
    await pooler.apply(back);
    const again = await open('a', batch);
    await sleep(3000);
    assert.ok(again.isOpen() && stays.isOpen());
    assert.equal(pgbouncer.closesSilent(await pooler.observe(), back), false);
  }));

test('a cancel reaches the query of a client that is to go, but not any more at the very end', () =>
  scene({}, async ({ pooler, open }) => {
    // Whoever has not begun when the closing begins would be closed as silent.
    const runs = (sql: string) =>
      eventually(
        'the query runs',
        () => postgres.query("select query from pg_stat_activity where state = 'active'"),
        (active) => active.some(({ query }) => query === sql),
      );
    const first = await open();
    const cancelled = first.query('select pg_sleep(20)');
    const refused = assert.rejects(cancelled, /canceling statement/);
    await runs('select pg_sleep(20)');
    await admin.closeClients(pooler.address, () => ({ close: [], silentSeconds: 0.05 }));
    cancel(pooler.port, first);
    await refused;

    await pooler.reload();
    const second = await open();
    const ends = second.query('select pg_sleep(2)');
    await runs('select pg_sleep(2)');
    await admin.closeClients(pooler.address, () => ({
      close: [],
      silentSeconds: 0.05,
      refuses: true,
    }));
    cancel(pooler.port, second);
    await ends;
  }));

test('a reload ends the closing', () =>
  scene({}, async ({ pooler, clients }) => {
    await admin.closeClients(pooler.address, () => ({ close: [], silentSeconds: 0.2 }));
    const value = async () => (await pooler.observe()).parameters.client_idle_timeout;
    assert.equal(await value(), '0.2');
    await pooler.reload();
    assert.equal(await value(), '0');
    assert.deepEqual(await clients(), []);
  }));

test('a database that leaves keeps its clients and lets no other in, also after a further reload', () =>
  scene({}, async ({ pooler, config, open }) => {
    const inA = await open('a');
    const databases = [{ name: 'a', leaving: true }, { name: 'b' }];
    const text = pgbouncer.renderHolderFile({ ...config, generation: 2, databases });
    await pooler.apply(text);
    await pooler.reload();
    await inA.query('select 1');
    await assert.rejects(open('a'), /max_db_client_connections/);
    await open('b');
    assert.ok(inA.isOpen());
    // Back again: the door is open.
    await pooler.apply(pgbouncer.renderHolderFile({ ...config, generation: 3 }));
    await open('a');
  }));

test('a user that leaves keeps its clients and lets no other in, until it is back', () =>
  scene({}, async ({ pooler, config, open }) => {
    const there = await open('a', batch);
    const users = [web, { ...batch, leaving: true }];
    await pooler.apply(pgbouncer.renderHolderFile({ ...config, generation: 2, users }));
    await assert.rejects(open('a', batch), /max_user_client_connections/);
    await open('a', web);
    await there.query('select 1');
    await pooler.apply(pgbouncer.renderHolderFile({ ...config, generation: 3 }));
    await open('a', batch);
  }));
