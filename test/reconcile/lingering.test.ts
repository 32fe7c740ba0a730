// A user who was locked out of a pool of all databases, and of whom somebody is still at the door of a real PgBouncer.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { USER_LIST_KEY } from '../../operator/core/pool/paths.ts';
import { ConsoleError } from '../../operator/engines/engine.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import type { Client } from '../../operator/kube/client.ts';
import { Consoles } from '../../operator/reconcile/consoles.ts';
import { createLog } from '../../operator/runtime/log.ts';
import { Turns } from '../../operator/runtime/turns.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import {
  adminUser,
  eventually,
  holderConfig,
  type Pooler,
  seed,
  startPooler,
} from '../engines/pooler.ts';
import {
  consoleOf,
  keyOfFile,
  names,
  noRenewals,
  object,
  pod,
  podKey,
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

/** The first packet of a client, which then says nothing more: it is asked for its password. */
async function atTheDoor(port: number, user: string): Promise<Socket> {
  const body = Buffer.from(`user\0${user}\0database\0a\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + body.length, 0);
  head.writeInt32BE(196608, 4);
  const socket = connect(port, '127.0.0.1');
  socket.write(Buffer.concat([head, body]));
  await new Promise((resolve) => socket.once('data', resolve));
  return socket;
}

async function withPooler(use: (pooler: Pooler) => Promise<void>) {
  const config = holderConfig(postgres, {
    databases: 'any',
    axis: 'user',
    users: [web, batch],
    caps: [
      { name: 'web', connections: 2 },
      { name: 'batch', connections: 2 },
    ],
  });
  const pooler = await startPooler(config, [web, batch]);
  try {
    await use(pooler);
  } finally {
    await pooler.stop();
  }
}

function consolesOf(pooler: Pooler) {
  const world = worldOf([pod(0)]);
  const asker = consoleOf([pooler]);
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  let changes = 0;
  let isSilent = false;
  const consoles = new Consoles({
    world,
    client: { patch: async () => world.pods.get('shop', 'shop-pooler-0') } as unknown as Client,
    engine: pgbouncer,
    console: {
      ...asker,
      observe: async (address) => {
        if (isSilent) throw new ConsoleError('TimedOut', 'it says nothing');
        return await asker.observe(address);
      },
    },
    onChange: () => {
      changes += 1;
    },
    onLook: () => undefined,
    renewals: noRenewals,
    turns: new Turns(),
  });
  const run = {
    id: '1',
    log: createLog('silent'),
    signal: new AbortController().signal,
    failures: 0,
  };
  return {
    /** The objects say what the pooler's files say. */
    say: () => {
      const data = { [keyOfFile(0)]: pooler.text() };
      put(world.configMaps, [object('ConfigMap', names.configMap, { data })]);
      const login = { username: adminUser.name, password: adminUser.secret, mark: seed };
      const encoded = Object.entries(login).map(([name, value]) => [name, base64(value)]);
      put(world.secrets, [
        object('Secret', names.consoleSecret, { data: Object.fromEntries(encoded) }),
        object('Secret', names.userListSecret, {
          data: { [USER_LIST_KEY]: base64(pooler.users()) },
        }),
      ]);
    },
    silence: (silent: boolean) => {
      isSilent = silent;
      consoles.hurry(podUid(0));
    },
    look: async () => {
      const before = changes;
      const outcome = await consoles.reconcile(podKey(0), run);
      return {
        woke: changes > before,
        seconds: outcome.kind === 'after' ? outcome.seconds : undefined,
        lingering: consoles.records.get(podUid(0))?.lingering,
      };
    },
  };
}

test('whoever is at the door counts until he goes, and that wakes the pool', () =>
  withPooler(async (pooler) => {
    const { say, look } = consolesOf(pooler);
    say();
    await look();
    const door = await atTheDoor(pooler.port, batch.name);
    pooler.writeUsers([web], [batch.name]);
    say();
    const seen = await look();
    assert.deepEqual(seen, { woke: true, seconds: 1, lingering: [batch.name] });
    assert.deepEqual(await look(), { ...seen, woke: false });
    door.destroy();
    await eventually('he has gone', () => pooler.ask('SHOW USERS'), hasNobody);
    assert.deepEqual(await look(), { woke: true, seconds: 15, lingering: [] });
  }));

test('whoever goes on trying counts until there was a moment without him', () =>
  withPooler(async (pooler) => {
    const { say, look, silence } = consolesOf(pooler);
    say();
    await look();
    const first = await atTheDoor(pooler.port, batch.name);
    pooler.writeUsers([web], [batch.name]);
    say();
    assert.deepEqual((await look()).lingering, [batch.name]);
    // What is not asked is not known, however long.
    silence(true);
    assert.deepEqual((await look()).lingering, [batch.name]);
    silence(false);
    const second = await atTheDoor(pooler.port, batch.name);
    first.destroy();
    assert.deepEqual((await look()).lingering, [batch.name]);
    second.destroy();
    await eventually('he has gone', () => pooler.ask('SHOW USERS'), hasNobody);
    assert.deepEqual((await look()).lingering, []);
    const third = await atTheDoor(pooler.port, batch.name);
    assert.equal(hasNobody(await pooler.ask('SHOW USERS')), false);
    assert.deepEqual(await look(), { woke: false, seconds: 15, lingering: [] });
    third.destroy();
  }));

test('whoever was let in before counts until he goes', () =>
  withPooler(async (pooler) => {
    const { say, look } = consolesOf(pooler);
    const { port } = pooler;
    const inside = new pg.Client({
      host: '127.0.0.1',
      port,
      user: batch.name,
      password: batch.secret,
      database: 'a',
    });
    await inside.connect();
    await inside.query('SELECT 1');
    await pooler.reconnect();
    pooler.writeUsers([web], [batch.name]);
    say();
    await look();
    assert.deepEqual((await look()).lingering, [batch.name]);
    await inside.end();
    await eventually('he has gone', () => pooler.ask('SHOW USERS'), hasNobody);
    assert.deepEqual((await look()).lingering, []);
  }));

function hasNobody(users: readonly Record<string, string | null>[]): boolean {
  return users.some(
    (row) =>
      row.name === batch.name &&
      Number(row.current_client_connections) + Number(row.current_connections) === 0,
  );
}
