// Logins to the server that are under way while a process is told to make its connections anew, or to pause.
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { console as admin } from '../../operator/engines/pgbouncer/console.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import { eventually, holderConfig, type Pooler, startPooler } from './pooler.ts';

const user = { name: 'web', secret: 'w' };

let postgres: Postgres;
before(async () => {
  postgres = await startPostgres({
    users: [{ name: user.name, password: user.secret }],
    databases: ['a', 'b'],
  });
});
after(() => postgres?.stop());

/** A way to the server on which each answer takes its time; `hold` keeps them all. */
class SlowWay {
  readonly port: number;
  readonly #stop: () => Promise<void>;
  delayMs = 0;

  private constructor(port: number, stop: () => Promise<void>) {
    this.port = port;
    this.#stop = stop;
  }

  static async to(target: { host: string; port: number }): Promise<SlowWay> {
    const sockets = new Set<Socket>();
    let way: SlowWay | undefined;
    const server = createServer((here) => {
      const there = connect(target.port, target.host);
      for (const socket of [here, there]) {
        sockets.add(socket);
        socket.setNoDelay(true);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          sockets.delete(socket);
          here.destroy();
          there.destroy();
        });
      }
      here.on('data', (bytes) => there.write(bytes));
      let last: Promise<unknown> = Promise.resolve();
      there.on('data', (bytes) => {
        const late = sleep(way?.delayMs ?? 0);
        last = last.then(() => late).then(() => here.write(bytes));
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    way = new SlowWay(address.port, async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    });
    return way;
  }

  stop(): Promise<void> {
    return this.#stop();
  }
}

/** A pooler with one connection to a server that answers late, and a client whose question makes it log in. */
async function inLogin(
  delayMs: number,
  work: (pooler: Pooler, first: Promise<unknown>, second: pg.Client) => Promise<void>,
): Promise<void> {
  const way = await SlowWay.to(postgres);
  const config = holderConfig(
    { host: '127.0.0.1', port: way.port },
    {
      users: [user],
      databases: ['a', 'b'].map((name) => ({ name })),
      caps: ['a', 'b'].map((name) => ({ name, connections: 1 })),
    },
  );
  const pooler = await startPooler(config, [user]);
  const clients: pg.Client[] = [];
  const open = async () => {
    const one = new pg.Client({
      host: '127.0.0.1',
      port: pooler.port,
      user: user.name,
      password: user.secret,
      database: 'a',
    });
    one.on('error', () => undefined);
    clients.push(one);
    await one.connect();
    return one;
  };
  try {
    // Its first answer to a client is that of the server, so both are let in before it has none.
    const [one, two] = [await open(), await open()];
    await one.query('SELECT 1');
    await pooler.reconnect();
    await eventually('no connection', servers(pooler), ({ length }) => length === 0);
    way.delayMs = delayMs;
    const first = one.query('SELECT 1');
    first.catch(() => undefined);
    await eventually('a login', servers(pooler), (states) => states.includes('new'));
    await work(pooler, first, two);
  } finally {
    for (const one of clients) await one.end().catch(() => undefined);
    await pooler.stop();
    await way.stop();
  }
}

const servers = (pooler: Pooler) => async () =>
  (await pooler.ask('SHOW SERVERS')).map((row) => row.state ?? '');

const refused = /server login has been failing.*\(server_login_retry\)/;

describe('a login that is under way', () => {
  test('is ended by a bare RECONNECT, and whoever asks next is turned away', () =>
    inLogin(100, async (pooler, _, second) => {
      await pooler.ask('RECONNECT');
      await assert.rejects(second.query('SELECT 1'), refused);
    }));

  test('is waited for before connections are made anew, so nobody is turned away', () =>
    inLogin(100, async (pooler, first, second) => {
      await pooler.reconnect();
      await Promise.all([first, second.query('SELECT 1')]);
    }));

  test('is waited for also for one database', () =>
    inLogin(100, async (pooler, first, second) => {
      await pooler.reconnect('a');
      await Promise.all([first, second.query('SELECT 1')]);
    }));

  test('of another database is none of its business', () =>
    inLogin(300, async (pooler, first) => {
      let isIn = false;
      first.then(() => {
        isIn = true;
      });
      await pooler.reconnect('b');
      assert.equal(isIn, false);
      await first;
    }));

  test('is waited for before a pause, so nobody is turned away after it', () =>
    inLogin(100, async (pooler, first, second) => {
      await admin.pause(pooler.address);
      await first;
      const asked = second.query('SELECT 1');
      await eventually('paused', servers(pooler), ({ length }) => length === 0);
      await admin.resume(pooler.address);
      await asked;
    }));

  test('is waited for before clients of its database are closed', () =>
    inLogin(30, async (pooler, first, second) => {
      const hold = { database: 'a', wants: () => false, most: 1, seconds: 1 };
      await admin.closeBetween(pooler.address, hold);
      await Promise.all([first, second.query('SELECT 1')]);
    }));

  test('of a server that does not answer holds nothing up', () =>
    inLogin(60_000, async (pooler) => {
      const started = performance.now();
      await pooler.reconnect();
      const took = performance.now() - started;
      assert.ok(took > 900 && took < 5000, `${took} ms`);
    }));
});
