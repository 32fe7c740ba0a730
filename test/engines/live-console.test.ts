import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { ConsoleError, type ConsoleErrorCode } from '../../operator/engines/engine.ts';
import { console as admin } from '../../operator/engines/pgbouncer/console.ts';
import { type Postgres, reservePort, startPostgres } from '../cluster/processes.ts';
import { eventually, holderConfig, type Pooler, startLoad, startPooler } from './pooler.ts';

const web = { name: 'web', secret: 'hunter2' };
let postgres: Postgres;
let pooler: Pooler;
before(async () => {
  postgres = await startPostgres({
    users: [{ name: web.name, password: web.secret }],
    databases: ['a'],
  });
  const config = holderConfig(postgres, {
    databases: [{ name: 'a' }],
    users: [web],
    caps: [{ name: 'a', connections: 3 }],
  });
  pooler = await startPooler(config, [web]);
});
after(async () => {
  await pooler?.stop();
  await postgres?.stop();
});

async function fails(call: Promise<unknown>, code: ConsoleErrorCode, secret = 'hunter2') {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConsoleError, String(error));
  assert.equal(error.code, code, error.message);
  assert.ok(!error.message.includes(secret), error.message);
}

test('each failure has its own code, and no message has the password', async () => {
  const { address } = pooler;
  await fails(admin.observe({ ...address, password: 'hunter2' }), 'Denied');
  await fails(admin.observe({ ...address, user: 'nobody' }), 'Denied', address.password);
  await fails(admin.observe({ ...address, user: 'web', password: 'hunter2' }), 'Denied');
  await fails(admin.observe({ ...address, port: await reservePort() }), 'Unreachable');
  await fails(admin.observe({ ...address, host: 'no-such-host.invalid' }), 'Unreachable');
  await fails(admin.observe({ ...address, tls: {} }), 'Protocol');
  await fails(admin.reconnect(address, ['no "such" database']), 'Refused');
  await fails(admin.observe({ ...address, signal: AbortSignal.abort() }), 'TimedOut');
  const { port, superuser: user, superuserPassword: password } = postgres;
  await fails(admin.observe({ ...address, port, user, password }), 'Refused', password);
});

/** What a server that is not PgBouncer may do to its caller. */
async function faulty(behave: (socket: Socket) => void, use: (port: number) => Promise<void>) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    behave(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  try {
    await use(typeof address === 'object' && address !== null ? address.port : 0);
    await eventually(
      'our side hung up',
      async () => sockets.size,
      (open) => open === 0,
    );
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

const behaviours: Record<string, readonly [(socket: Socket) => void, ConsoleErrorCode]> = {
  'says nothing': [(socket) => socket.resume(), 'TimedOut'],
  'talks about something else': [
    (socket) => socket.resume().write('HTTP/1.1 400 Bad Request\r\n\r\n'),
    'TimedOut',
  ],
  'hangs up at once': [(socket) => socket.destroy(), 'Unreachable'],
  'hangs up after the start-up packet': [
    (socket) => socket.once('data', () => socket.end()),
    'Unreachable',
  ],
};
for (const [what, [behave, code]] of Object.entries(behaviours)) {
  test(`a console that ${what} ends as ${code}, and nothing stays open`, async () => {
    await faulty(behave, async (port) => {
      // Where it ends by itself it may take its time.
      const timeoutMs = code === 'TimedOut' ? 200 : 10_000;
      await fails(admin.observe({ ...pooler.address, host: '127.0.0.1', port, timeoutMs }), code);
    });
  });
}

test('an abort ends the call and the connection', async () => {
  await faulty(
    (socket) => socket.resume(),
    async (port) => {
      const abort = new AbortController();
      const call = admin.observe({ ...pooler.address, port, signal: abort.signal });
      setTimeout(() => abort.abort(), 50);
      await fails(call, 'TimedOut');
    },
  );
});

test('many looks at once disturb neither each other nor the clients, and none stays connected', async () => {
  const load = await startLoad({ port: pooler.port, user: web, databases: ['a'], clients: 20 });
  try {
    await eventually(
      'it runs',
      async () => load.done(),
      (done) => done > 20,
    );
    await eventually(
      'all are let in',
      async () => (await pooler.observe()).clients,
      ({ active, waiting }) => active + waiting === 20,
    );
    const all = await Promise.all(Array.from({ length: 20 }, () => pooler.observe()));
    for (const seen of all) {
      assert.ok(seen.sessions.total <= 3);
      assert.equal(seen.sessions.byDatabase.a, seen.sessions.total);
      assert.equal(seen.clients.active + seen.clients.waiting, 20);
      assert.equal(seen.mark?.generation, 1);
      assert.equal(seen.paused, false);
    }
    const totals = all.map((seen) => seen.totals[0]);
    assert.ok((totals[0]?.transactions ?? 0) > 0);
    assert.ok((totals[0]?.transactionSeconds ?? 0) > 0);
    await eventually(
      'only this one look is connected',
      async () => {
        const clients = await pooler.ask('SHOW CLIENTS');
        return clients.filter(({ database }) => database === 'pgbouncer').length;
      },
      (consoles) => consoles === 1,
    );
  } finally {
    await load.stop();
  }
  assert.deepEqual(load.errors, []);
});

test('the console answers when every client slot is taken', async () => {
  const config = holderConfig(postgres, {
    databases: [{ name: 'a' }],
    users: [web],
    caps: [{ name: 'a', connections: 1 }],
    maxClientConnections: 2,
  });
  const small = await startPooler(config, [web]);
  const load = await startLoad({ port: small.port, user: web, databases: ['a'], clients: 5 });
  try {
    // Those that are refused at the same time count each other.
    await eventually(
      'the others are refused',
      async () => load.errors.length,
      (refused) => refused >= 3,
    );
    await eventually(
      'whoever was not refused is let in',
      async () => (await small.observe()).clients,
      ({ active, waiting }) => active + waiting === 5 - load.errors.length,
    );
  } finally {
    await load.stop();
    await small.stop();
  }
});
