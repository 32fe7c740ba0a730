import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import type { HolderConfig, UserSecret } from '../../operator/engines/engine.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import { findParameter, parameters } from '../../operator/engines/pgbouncer/parameters.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import { configs } from './generate.ts';
import {
  adminUser,
  eventually,
  holderConfig,
  type Pooler,
  startLoad,
  startPooler,
  statsUser,
  watch,
  whoAmI,
} from './pooler.ts';

// Names and passwords that mean something in one of the files, and one plain pair of each.
const people: readonly UserSecret[] = [
  { name: 'plain', secret: 'plain' },
  { name: 'Ünïcode 漢', secret: 'Grüße, 漢字' },
  { name: '"; [pgbouncer]', secret: '" "\\" ""' },
  { name: 'a=b #c', secret: "it's = 'quoted' ; -- #" },
  { name: '%include /etc/passwd', secret: '%include /etc/passwd' },
  { name: ' blanks ', secret: ' "x" ' },
  { name: '__proto__', secret: 'SCRAM-SHA-256$not-a-secret' },
  { name: 'x'.repeat(63), secret: '"'.repeat(100) + 'y'.repeat(400) },
];
const databases = ['shop', 'it\'s "mine"; [x]', ' 漢 =%include', '*'] as const;

let postgres: Postgres;
before(async () => {
  postgres = await startPostgres({
    users: people.map(({ name, secret }) => ({ name, password: secret })),
    databases: [...databases],
  });
});
after(() => postgres?.stop());

async function withPooler(
  config: HolderConfig,
  users: readonly UserSecret[],
  use: (pooler: Pooler) => Promise<void>,
) {
  const pooler = await startPooler(config, users);
  try {
    await use(pooler);
  } finally {
    await pooler.stop();
  }
}

test('the table holds every parameter of the running version, and says right what reloads', async () => {
  await withPooler(holderConfig(postgres, {}), [], async (pooler) => {
    const rows = await pooler.ask('SHOW CONFIG');
    for (const { key, changeable } of rows) {
      const parameter = findParameter(key ?? '');
      assert.ok(parameter, `SHOW CONFIG has ${key}`);
      assert.equal(parameter.applies, changeable === 'yes' ? 'reload' : 'restart', parameter.name);
    }
    const shown = new Set(rows.map(({ key }) => key));
    const number = (version: string) => {
      const [major = 0, minor = 0] = version.split('.').map(Number);
      return major * 1000 + minor;
    };
    const version = number((await pooler.observe()).version);
    for (const { name, since, until } of parameters) {
      // An alias of job_name, which SHOW CONFIG leaves out.
      if (name === 'service_name') continue;
      const known = version >= number(since ?? '1.25') && version < number(until ?? '2.0');
      assert.equal(shown.has(name), known, name);
    }
  });
});

for (const axis of ['database', 'user'] as const) {
  test(`generated files by ${axis} are read by the real process as they were meant`, async () => {
    const first = configs(axis);
    const [start] = fc.sample(
      first.filter(({ caps }) => caps.length > 0),
      1,
    );
    assert.ok(start);
    await withPooler({ ...start, generation: 0 }, [], async (pooler) => {
      let generation = 0;
      await fc.assert(
        fc.asyncProperty(first, async (generated) => {
          const config = { ...generated, generation: ++generation, listenPort: pooler.port };
          const text = pgbouncer.renderHolderFile(config);
          const { mark, parameters: running } = await pooler.apply(text);
          assert.equal(mark?.generation, generation);
          const expected: Record<string, string> = {
            pool_mode: config.mode,
            max_client_conn: String(config.maxClientConnections),
            peer_id: String(config.peerId),
            auth_type: 'scram-sha-256',
            reserve_pool_size: '0',
            job_name: `spillway-${axis}`,
            server_login_retry: '1',
            ...config.parameters,
          };
          for (const [name, value] of Object.entries(expected)) {
            assert.equal(running[name], value, name);
          }
          await sizesAreRight(pooler, config);
          assert.deepEqual(pgbouncer.pendingRestart(await pooler.observe(), text), []);
        }),
        { numRuns: 40 },
      );
    });
  });
}

async function sizesAreRight(pooler: Pooler, config: HolderConfig): Promise<void> {
  const caps = new Map(config.caps.map(({ name, connections }) => [name, String(connections)]));
  const shownDatabases = (await pooler.ask('SHOW DATABASES'))
    .filter(({ name }) => name !== 'pgbouncer')
    .map((row) => [
      row.name,
      row.database,
      row.host,
      row.port,
      row.pool_size,
      row.max_connections,
      row.pool_mode,
      row.force_user,
    ]);
  const listed = config.databases === 'any' ? [] : config.databases;
  const meant = listed
    .filter(({ name }) => caps.has(name))
    .map(({ name, dbname, mode, user }) => {
      const cap = caps.get(name);
      // One for each further user, but never more than a quarter; nothing where all of them are one.
      const others = user === undefined ? config.users.length - 1 : 0;
      const size = Number(cap) - Math.min(others, Math.floor(Number(cap) / 4));
      const target = [dbname ?? name, 'db.example.com', '5432'];
      return [name, ...target, `${size}`, cap, mode ?? null, user ?? null];
    });
  assert.deepEqual(shownDatabases.sort(), meant.sort());
  const users = new Map((await pooler.ask('SHOW USERS')).map((row) => [row.name, row]));
  for (const { name, mode } of config.users) {
    if (config.axis === 'user' && !caps.has(name)) continue;
    const cap = config.axis === 'user' ? caps.get(name) : '0';
    assert.equal(users.get(name)?.max_user_connections, cap, name);
    assert.equal(users.get(name)?.pool_mode ?? undefined, mode, name);
  }
}

test('hostile names and passwords log in, end to end, and wrong passwords do not', async () => {
  const config = holderConfig(postgres, {
    databases: databases.map((dbname, i) => ({ name: i === 1 ? 'mine' : `d ${i}";`, dbname })),
    users: people.map(({ name }) => ({ name })),
    caps: databases.map((_, i) => ({ name: i === 1 ? 'mine' : `d ${i}";`, connections: 2 })),
  });
  await withPooler(config, people, async (pooler) => {
    for (const [i, person] of people.entries()) {
      const { name = '', dbname = '' } = (config.databases as { name: string; dbname: string }[])[
        i % databases.length
      ] ?? { name: '', dbname: '' };
      assert.equal(await whoAmI(pooler.port, person, name), `${person.name} in ${dbname}`);
      await assert.rejects(
        whoAmI(pooler.port, { ...person, secret: `${person.secret}x` }, name),
        /SASL authentication failed/,
      );
    }
    const seen = await pooler.observe();
    assert.equal(seen.userMarks.length, 1);
    assert.equal(seen.sessions.total <= 8, true);
  });
});

test('a database has its own size, mode and role, and all clients share its cap', async () => {
  const [plain, odd] = people;
  assert.ok(plain && odd);
  const config = holderConfig(postgres, {
    databases: [
      { name: 'orders', dbname: 'shop' },
      { name: 'reports', dbname: 'shop', mode: 'session', user: odd.name },
    ],
    users: [plain, odd],
    caps: [
      { name: 'orders', connections: 4 },
      { name: 'reports', connections: 2 },
    ],
  });
  await withPooler(config, [plain, odd], async (pooler) => {
    const shown = (await pooler.ask('SHOW DATABASES'))
      .filter(({ name }) => name !== 'pgbouncer')
      .map((row) => [row.name, row.max_connections, row.pool_size, row.pool_mode, row.force_user]);
    assert.deepEqual(shown, [
      ['orders', '4', '3', null, null],
      ['reports', '2', '2', 'session', odd.name],
    ]);
    for (const person of [plain, odd]) {
      assert.equal(await whoAmI(pooler.port, person, 'orders'), `${person.name} in shop`);
      assert.equal(await whoAmI(pooler.port, person, 'reports'), `${odd.name} in shop`);
      const wrong = { ...person, secret: 'wrong' };
      await assert.rejects(whoAmI(pooler.port, wrong, 'reports'), /SASL authentication failed/);
    }
    const load = await startLoad({
      port: pooler.port,
      user: plain,
      databases: ['reports'],
      clients: 2,
    });
    const reports = async () => ({
      reports: (await pooler.observe()).sessions.byDatabase.reports ?? 0,
    });
    await eventually('its size is used', reports, (seen) => seen.reports === 2);
    const { most } = await watch(1000, reports);
    await load.stop();
    assert.equal(most.reports, 2);
    assert.deepEqual(load.errors, []);
  });
});

test('every database and a hostile user cap hold for "*" too', async () => {
  const config = holderConfig(postgres, {
    databases: 'any',
    axis: 'user',
    users: people.map(({ name }) => ({ name })),
    caps: people.map(({ name }, i) => ({ name, connections: i + 1 })),
  });
  await withPooler(config, people, async (pooler) => {
    for (const person of people) {
      for (const database of databases.slice(0, 3)) {
        assert.equal(await whoAmI(pooler.port, person, database), `${person.name} in ${database}`);
      }
    }
    const { connections, caps } = pgbouncer.runningCapacity(await pooler.observe(), 'user');
    assert.equal(connections, 36);
    assert.deepEqual(
      new Map(caps.map((cap) => [cap.name, cap.connections])),
      new Map(people.map(({ name }, i) => [name, i + 1])),
    );
  });
});

test('a SCRAM secret as Postgres stores it logs in here and there', async () => {
  const [row] = await postgres.query("select rolpassword from pg_authid where rolname = 'plain'");
  const stored = { name: 'plain', secret: String(row?.rolpassword) };
  const config = holderConfig(postgres, { users: [{ name: 'plain' }] });
  await withPooler(config, [stored], async (pooler) => {
    const person = { name: 'plain', secret: 'plain' };
    assert.equal(await whoAmI(pooler.port, person, 'postgres'), 'plain in postgres');
  });
});

test('only the admin user may command, the stats user only looks, others do neither', async () => {
  const config = holderConfig(postgres, { users: [{ name: 'plain' }] });
  const [plain] = people;
  assert.ok(plain);
  await withPooler(config, [plain], async (pooler) => {
    const as = async ({ name, secret }: UserSecret, command: string) => {
      const client = new pg.Client({
        host: '127.0.0.1',
        port: pooler.port,
        user: name,
        password: secret,
        database: 'pgbouncer',
      });
      try {
        await client.connect();
        await client.query(command);
        return 'ok';
      } catch (error) {
        return error instanceof Error ? error.message : '';
      } finally {
        await client.end().catch(() => {});
      }
    };
    assert.equal(await as(adminUser, 'RELOAD'), 'ok');
    assert.equal(await as(statsUser, 'SHOW POOLS'), 'ok');
    assert.match(await as(statsUser, 'RELOAD'), /admin access needed/);
    assert.match(await as(plain, 'SHOW POOLS'), /not allowed/);
  });
});
