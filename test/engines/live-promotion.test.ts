// Two real servers behind one address that moves from the one to the other, as a Service does after a promotion: a real
// PgBouncer's sessions stay where they are until they are made anew, and its own count proves when none is left.
import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { nextRenewal, type Renewal, SETTLE_MS } from '../../operator/core/pool/renewal.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import { backends, eventually, holderConfig, startLoad, startPooler } from './pooler.ts';

const web = { name: 'web', secret: 'w' };
const servers: Postgres[] = [];
let service: Server;
/** Where new connections are led to; those that there are stay. */
let port = 0;

before(async () => {
  for (let i = 0; i < 2; i++) {
    const users = [{ name: web.name, password: web.secret }];
    servers.push(await startPostgres({ users, databases: ['shop'] }));
  }
  service = createServer((socket) => {
    const other = connect(port, '127.0.0.1');
    for (const [one, two] of [
      [socket, other],
      [other, socket],
    ] as const) {
      one.pipe(two);
      one.on('error', () => two.destroy());
    }
  });
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
});
after(async () => {
  service?.close();
  await Promise.all(servers.map((one) => one.stop()));
});

test('after a promotion the old sessions leave the new primary, and the proof comes no sooner', async () => {
  const [promoted, other] = servers;
  assert.ok(promoted && other);
  const on = async (server: Postgres) => (await backends(server, 'usename')).web ?? 0;
  const atWork = (server: Postgres) =>
    server.query("select query from pg_stat_activity where usename = 'web' and state <> 'idle'");
  port = promoted.port;
  const target = { host: '127.0.0.1', port: (service.address() as AddressInfo).port };
  const config = holderConfig(target, {
    databases: [{ name: 'shop' }],
    users: [web],
    caps: [{ name: 'shop', connections: 4 }],
  });
  const pooler = await startPooler(config, [web]);
  const load = await startLoad({
    port: pooler.port,
    user: web,
    databases: ['shop'],
    clients: 12,
  });
  const busy = new pg.Client({
    host: '127.0.0.1',
    port: pooler.port,
    user: web.name,
    password: web.secret,
    database: 'shop',
  });
  try {
    await busy.connect();
    await busy.query('begin');
    await busy.query('select 1');
    await eventually(
      'all are on the one that is promoted',
      () => on(promoted),
      (n) => n === 4,
    );
    // The promotion: the Service leads to the other one, and everybody stays.
    port = other.port;
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(await on(promoted), 4);
    assert.equal(await on(other), 0);

    // The clock of the rule runs ahead, so that nobody has to wait.
    let now = Date.now();
    let renewal: Renewal = { wanted: { primary: 'b', replicas: 1 }, since: now, proven: false };
    const look = async () => {
      const step = nextRenewal(renewal, (await pooler.observe()).sessions.closing?.total ?? 0, now);
      if (step === 'reconnect') {
        await pooler.reconnect();
        renewal = { ...renewal, toldAt: now };
      }
      return step;
    };
    assert.equal(await look(), 'reconnect');
    now += SETTLE_MS;
    assert.equal(await look(), 'reconnect');
    // One transaction goes on where it began; the others have left.
    await eventually(
      'only the busy one stays',
      () => on(promoted),
      (n) => n === 1,
    );
    assert.equal(await look(), 'wait');
    const { sessions } = await pooler.observe();
    assert.ok(sessions.total <= 4, 'the cap counts the old one too');
    let most = 0;
    const lookOnce = async () => {
      most = Math.max(most, await on(promoted));
      return look();
    };
    await busy.query('commit');
    await eventually('proven', lookOnce, (step) => step === 'proven');
    assert.ok(most <= 1, `${most} where one was left`);
    // A backend whose connection was closed is there until the kernel lets it run; it does nothing for anybody.
    assert.deepEqual(await atWork(promoted), []);
    await eventually(
      'none is left',
      () => on(promoted),
      (n) => n === 0,
    );
    await eventually(
      'they are on the other one',
      () => on(other),
      (n) => n === 4,
    );
    assert.deepEqual(load.errors, []);
  } finally {
    await busy.end().catch(() => {});
    await load.stop();
    await pooler.stop();
  }
});
