// Logins to the server that are under way while a process is told to make its connections anew, or to pause.
import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import type { ConsoleAddress } from '../../operator/engines/engine.ts';
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

/** A way to a server that can keep the answers, and lets a test hear what is asked. */
class Way {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #isOpen = true;
  #kept: (() => void)[] = [];

  private constructor(target: { host: string; port: number }, heard: (asked: string) => void) {
    this.#server = createServer((here) => {
      const there = connect(target.port, target.host);
      for (const socket of [here, there]) {
        this.#sockets.add(socket);
        socket.setNoDelay(true);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          here.destroy();
          there.destroy();
        });
      }
      here.on('data', (bytes) => {
        there.write(bytes);
        heard(bytes.toString('latin1'));
      });
      there.on('data', (bytes) => this.#answer(() => here.write(bytes)));
    });
  }

  static async to(
    target: { host: string; port: number },
    heard: (asked: string) => void = () => undefined,
  ): Promise<Way> {
    const way = new Way(target, heard);
    await new Promise<void>((done) => way.#server.listen(0, '127.0.0.1', done));
    return way;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #answer(give: () => void): void {
    if (this.#isOpen) give();
    else this.#kept.push(give);
  }

  /** Keeps every answer from now on. */
  close(): void {
    this.#isOpen = false;
  }

  /** Gives what it has kept, and keeps nothing any more. */
  release(): void {
    this.#isOpen = true;
    for (const give of this.#kept.splice(0)) give();
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.#server.close(done));
  }
}

/** A login that does not end before `release`. */
interface Login {
  readonly pooler: Pooler;
  /** A way to the console of the process. */
  readonly address: ConsoleAddress;
  /** How often it was looked over that way whether somebody logs in. */
  readonly looks: () => number;
  /** The answer that waits for the login. */
  readonly first: Promise<unknown>;
  /** Somebody who is let in and has asked nothing. */
  readonly second: pg.Client;
  readonly release: () => void;
}

/**
 * A pooler with one connection to its server, and a client whose question makes it log in there. With `lookAtLast` the
 * server answers when that many looks have been made for the login, and no sooner, however long they take.
 */
async function inLogin(
  lookAtLast: number | 'never',
  work: (login: Login) => Promise<void>,
): Promise<void> {
  const way = await Way.to(postgres);
  const config = holderConfig(
    { host: '127.0.0.1', port: way.port },
    {
      users: [user],
      databases: ['a', 'b'].map((name) => ({ name })),
      caps: ['a', 'b'].map((name) => ({ name, connections: 1 })),
    },
  );
  const pooler = await startPooler(config, [user]);
  let looks = 0;
  const toConsole = await Way.to({ host: '127.0.0.1', port: pooler.port }, (asked) => {
    if (asked.includes('SHOW POOLS') && ++looks === lookAtLast) way.release();
  });
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
    const [one, second] = [await open(), await open()];
    await one.query('SELECT 1');
    await pooler.reconnect();
    await eventually('no connection', servers(pooler), ({ length }) => length === 0);
    way.close();
    const first = one.query('SELECT 1');
    first.catch(() => undefined);
    await eventually('a login', servers(pooler), (states) => states.includes('new'));
    const address = { ...pooler.address, port: toConsole.port };
    const release = () => way.release();
    await work({ pooler, address, looks: () => looks, first, second, release });
  } finally {
    for (const one of clients) await one.end().catch(() => undefined);
    await pooler.stop();
    await toConsole.stop();
    await way.stop();
  }
}

const servers = (pooler: Pooler) => async () =>
  (await pooler.ask('SHOW SERVERS')).map((row) => row.state ?? '');

const refused = /server login has been failing.*\(server_login_retry\)/;

describe('a login that is under way', () => {
  test('is ended by a bare RECONNECT, and whoever asks next is turned away', () =>
    inLogin('never', async ({ pooler, second }) => {
      await pooler.ask('RECONNECT');
      await assert.rejects(second.query('SELECT 1'), refused);
    }));

  test('is waited for before connections are made anew, so nobody is turned away', () =>
    inLogin(3, async ({ address, first, second }) => {
      await admin.reconnect(address);
      await Promise.all([first, second.query('SELECT 1')]);
    }));

  test('is waited for also for one database', () =>
    inLogin(3, async ({ address, first, second }) => {
      await admin.reconnect(address, ['a']);
      await Promise.all([first, second.query('SELECT 1')]);
    }));

  test('of another database is none of its business', () =>
    inLogin('never', async ({ address, looks, first, release }) => {
      await admin.reconnect(address, ['b']);
      assert.equal(looks(), 1);
      release();
      await first;
    }));

  test('is waited for before a pause, so nobody is turned away after it', () =>
    inLogin(3, async ({ pooler, address, first, second }) => {
      await admin.pause(address);
      await first;
      const asked = second.query('SELECT 1');
      await eventually('paused', servers(pooler), ({ length }) => length === 0);
      await admin.resume(address);
      await asked;
    }));

  test('is waited for before clients of its database are closed', () =>
    inLogin(3, async ({ address, first, second }) => {
      const hold = { database: 'a', wants: () => false, most: 1, seconds: 1 };
      await admin.closeBetween(address, hold);
      await Promise.all([first, second.query('SELECT 1')]);
    }));

  test('of a server that does not answer holds nothing up', () =>
    inLogin('never', async ({ address }) => {
      const started = performance.now();
      await admin.reconnect(address);
      const took = performance.now() - started;
      assert.ok(took > 900 && took < 5000, `${took} ms`);
    }));
});
