// PAUSE and RESUME on a real PgBouncer: what clients see, and what happens when they come at an awkward moment.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { nextPauseStep, pauseStateOf } from '../../operator/core/pool/pause.ts';
import { console as admin } from '../../operator/engines/pgbouncer/console.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import { sleep } from '../cluster/run.ts';
import { eventually, holderConfig, type Pooler, startLoad, startPooler } from './pooler.ts';

const web = { name: 'web', secret: 'hunter2' };
let postgres: Postgres;
let pooler: Pooler;
const config = (generation: number, parameters: Record<string, string> = {}) =>
  holderConfig(postgres, {
    generation,
    databases: [{ name: 'a' }, { name: 'b' }],
    users: [web],
    caps: [
      { name: 'a', connections: 3 },
      { name: 'b', connections: 1 },
    ],
    parameters,
  });
before(async () => {
  postgres = await startPostgres({
    users: [{ name: web.name, password: web.secret }],
    databases: ['a', 'b'],
  });
  pooler = await startPooler(config(1), [web]);
});
after(async () => {
  await pooler?.stop();
  await postgres?.stop();
});

const state = async () => pauseStateOf(await pooler.observe());
const becomes = (wanted: string) => eventually(`it is ${wanted}`, state, (now) => now === wanted);
/** What the operator does: a look, and the step that follows from it. */
async function tell(wanted: boolean): Promise<void> {
  const step = nextPauseStep(wanted, await state());
  if (step !== undefined) await admin[step.kind](pooler.address);
}

async function connect(): Promise<pg.Client> {
  const { name: user, secret: password } = web;
  const login = { host: '127.0.0.1', port: pooler.port, user, password, database: 'a' };
  const client = new pg.Client(login);
  client.on('error', () => {});
  await client.connect();
  return client;
}

test('under load, clients wait and none fails; those that come in the pause wait too', async () => {
  const load = await startLoad({
    port: pooler.port,
    user: web,
    databases: ['a', 'b'],
    clients: 20,
  });
  await eventually(
    'it runs',
    async () => load.done(),
    (done) => done > 20,
  );
  await tell(true);
  await becomes('paused');
  const held = load.done();
  const late = await startLoad({ port: pooler.port, user: web, databases: ['a'], clients: 5 });
  await sleep(300);
  assert.equal(load.done(), held);
  assert.equal(late.done(), 0);
  const rows = await postgres.query(
    "select count(*)::int as n from pg_stat_activity where usename = 'web'",
  );
  assert.deepEqual(rows, [{ n: 0 }]);
  await tell(false);
  await becomes('serving');
  await eventually(
    'all go on',
    async () => [load.done(), late.done()],
    ([a = 0, b = 0]) => a > held && b > 5,
  );
  await Promise.all([load.stop(), late.stop()]);
  assert.deepEqual([...load.errors, ...late.errors], []);
});

test('a transaction in hand ends, and the pause is complete then', async () => {
  const client = await connect();
  try {
    await client.query('begin');
    await client.query('select 1');
    await tell(true);
    assert.equal(await state(), 'pausing');
    await tell(true);
    await client.query('select 2');
    assert.equal(await state(), 'pausing');
    await client.query('commit');
    await becomes('paused');
    const waits = client.query('select 3');
    await tell(false);
    await waits;
  } finally {
    await client.end();
  }
  assert.equal(await state(), 'serving');
});

test('a resume in the middle of a pause ends it, and the next pause works', async () => {
  const client = await connect();
  try {
    await client.query('begin');
    await client.query('select 1');
    const paused = admin.pause(pooler.address);
    await becomes('pausing');
    await Promise.all([paused, admin.resume(pooler.address)]);
    assert.equal(await state(), 'serving');
    await client.query('commit');
    await client.query('select 2');
    await tell(true);
    await becomes('paused');
  } finally {
    await client.end();
    await tell(false);
  }
});

test('many of them at once end in what came last, and none hangs', async () => {
  const load = await startLoad({ port: pooler.port, user: web, databases: ['a', 'b'], clients: 8 });
  await eventually(
    'it runs',
    async () => load.done(),
    (now) => now > 20,
  );
  for (let round = 0; round < 10; round++) {
    await Promise.all([
      admin.pause(pooler.address),
      admin.resume(pooler.address),
      admin.pause(pooler.address),
    ]).catch((error: Error) => assert.match(error.message, /already|not paused/));
  }
  await tell(false);
  await becomes('serving');
  const done = load.done();
  await eventually(
    'it runs',
    async () => load.done(),
    (now) => now > done + 20,
  );
  await load.stop();
  assert.deepEqual(load.errors, []);
});

test('a pause of one database, by hand, is ended too', async () => {
  await pooler.ask('PAUSE b');
  assert.equal((await pooler.observe()).paused, true);
  await tell(false);
  assert.equal(await state(), 'serving');
});

test('a file is followed in a pause, and does not end it', async () => {
  await tell(true);
  await becomes('paused');
  const seen = await pooler.apply(
    pgbouncer.renderHolderFile({
      ...config(2, { query_wait_timeout: '1' }),
      listenPort: pooler.port,
    }),
  );
  assert.equal(seen.parameters.query_wait_timeout, '1');
  await admin.reconnect(pooler.address);
  assert.equal(await state(), 'paused');
  const load = await startLoad({ port: pooler.port, user: web, databases: ['a'], clients: 1 });
  await eventually(
    'query_wait_timeout holds in a pause',
    async () => load.errors,
    (e) => e.length === 1,
  );
  assert.match(load.errors[0] ?? '', /query_wait_timeout/);
  await load.stop();
  await tell(false);
});
