import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import pg from 'pg';
import type { HolderConfig } from '../../operator/engines/engine.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import {
  backends,
  eventually,
  holderConfig,
  type Load,
  type Pooler,
  startLoad,
  startPooler,
  watch,
  whoAmI,
} from './pooler.ts';

const web = { name: 'web', secret: 'w' };
const batch = { name: 'batch', secret: 'b' };
const everyone = [web, batch];

let postgres: Postgres;
before(async () => {
  postgres = await startPostgres({
    users: everyone.map(({ name, secret }) => ({ name, password: secret })),
    databases: ['a', 'b', 'c'],
  });
});
after(() => postgres?.stop());

const byUser: Partial<HolderConfig> = {
  databases: 'any',
  axis: 'user',
  users: everyone,
  caps: [
    { name: 'web', connections: 4 },
    { name: 'batch', connections: 3 },
  ],
};
const byDatabase: Partial<HolderConfig> = {
  databases: [{ name: 'a' }, { name: 'b' }],
  axis: 'database',
  users: everyone,
  caps: [
    { name: 'a', connections: 6 },
    { name: 'b', connections: 5 },
  ],
};

interface Scene {
  readonly pooler: Pooler;
  readonly loads: readonly Load[];
  /** Writes the next generation with these parts replaced, reloads, and sees its mark. */
  next(parts: Partial<HolderConfig>): Promise<void>;
  /** Everybody is being served, and nobody got an error. */
  healthy(): Promise<void>;
}

async function scene(
  parts: Partial<HolderConfig>,
  databases: readonly string[],
  use: (scene: Scene) => Promise<void>,
  /** What the clients ask, again and again. */
  sql?: string,
) {
  let config = holderConfig(postgres, parts);
  const pooler = await startPooler(config, everyone);
  const loads: Load[] = [];
  try {
    for (const user of everyone.filter(({ name }) => parts.users?.some((u) => u.name === name))) {
      const asked = sql === undefined ? {} : { sql };
      loads.push(await startLoad({ port: pooler.port, user, databases, clients: 24, ...asked }));
    }
    await use({
      pooler,
      loads,
      next: async (changed) => {
        const generation = config.generation + 1;
        config = { ...config, ...changed, generation, listenPort: pooler.port };
        await pooler.apply(pgbouncer.renderHolderFile(config));
      },
      healthy: async () => {
        for (const load of loads) {
          const before = load.done();
          await eventually(
            'the load goes on',
            async () => load.done(),
            (now) => now > before + 20,
          );
          assert.deepEqual(load.errors, []);
        }
      },
    });
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
    await pooler.stop();
  }
}

/** Of each name: what the console counts. */
function counts(pooler: Pooler, axis: 'database' | 'user') {
  return async () => {
    const { sessions } = await pooler.observe();
    return axis === 'database' ? sessions.byDatabase : sessions.byUser;
  };
}

/** The caps come to be used in full, and then for a while nothing ever goes above them. */
async function exactly(pooler: Pooler, axis: 'database' | 'user', caps: Record<string, number>) {
  const now = counts(pooler, axis);
  await eventually('the caps are used', now, (seen) =>
    Object.entries(caps).every(([name, cap]) => seen[name] === cap),
  );
  assert.deepEqual((await watch(500, now)).most, caps);
  // Postgres counts the same, but for a moment after one connection has made room for another.
  await eventually(
    'Postgres counts the same',
    () => backends(postgres, axis === 'database' ? 'datname' : 'usename'),
    (there) => isDeepStrictEqual(there, caps),
  );
}

test('caps of users hold exactly over several databases, and all of them are used', async () => {
  await scene(byUser, ['a', 'b', 'c'], async ({ pooler, healthy }) => {
    await healthy();
    await exactly(pooler, 'user', { web: 4, batch: 3 });
  });
});

test('caps of databases hold exactly over several users, and all of them are used', async () => {
  await scene(byDatabase, ['a', 'b'], async ({ pooler, healthy }) => {
    await healthy();
    await exactly(pooler, 'database', { a: 6, b: 5 });
  });
});

test('a user who takes all that he can get leaves something for the others', async () => {
  const caps = [{ name: 'a', connections: 4 }];
  await scene(
    { ...byDatabase, databases: [{ name: 'a' }], caps },
    ['a'],
    async ({ pooler, healthy }) => {
      await healthy();
      await eventually(
        'both have some',
        counts(pooler, 'user'),
        ({ web = 0, batch = 0 }) => web + batch === 4 && web >= 1 && batch >= 1,
      );
      await healthy();
    },
  );
});

test('a database that starves behind "*" is found, and served once its neighbours share', async () => {
  const parts = { ...byUser, users: [web], caps: [{ name: 'web', connections: 3 }] };
  // All at once, so that the last database comes when the first has taken everything; and long enough that no stall of
  // this process leaves a connection idle, which `b` would be given.
  const use = async ({ pooler, loads, next }: Scene) => {
    const now = counts(pooler, 'user');
    await eventually('the cap is used', now, ({ web }) => web === 3);
    const late = await startLoad({ port: pooler.port, user: web, databases: ['b'], clients: 4 });
    try {
      const starving = async () => pgbouncer.starving(await pooler.observe(), 'user');
      const [found] = await eventually('b starves', starving, (pools) => pools.length > 0);
      assert.equal(found?.database, 'b');
      assert.equal(late.done(), 0);
      await next({ sharers: 2 });
      await pooler.reconnect();
      await eventually(
        'b is served',
        async () => late.done(),
        (done) => done > 20,
      );
      assert.deepEqual(await starving(), []);
      await exactly(pooler, 'user', { web: 3 });
      assert.deepEqual([...late.errors, ...loads.flatMap((load) => load.errors)], []);
    } finally {
      await late.stop();
    }
  };
  await scene(parts, ['a'], use, 'select pg_sleep(0.2)');
});

test('larger caps come true with a reload, without a new connection for an old one', async () => {
  // With one user, because two would take idle connections from each other.
  await scene({ ...byDatabase, users: [web] }, ['a', 'b'], async ({ pooler, next, healthy }) => {
    await healthy();
    const pids = async () =>
      (await postgres.query("select pid from pg_stat_activity where usename in ('web', 'batch')"))
        .map(({ pid }) => Number(pid))
        .sort();
    await exactly(pooler, 'database', { a: 6, b: 5 });
    const before = await pids();
    await next({
      caps: [
        { name: 'a', connections: 9 },
        { name: 'b', connections: 7 },
      ],
    });
    await exactly(pooler, 'database', { a: 9, b: 7 });
    const after = new Set(await pids());
    assert.deepEqual(
      before.filter((pid) => !after.has(pid)),
      [],
    );
    await healthy();
  });
});

for (const [axis, parts, databases, smaller] of [
  ['database', byDatabase, ['a', 'b'], { a: 4, b: 4 }],
  ['user', byUser, ['a', 'b', 'c'], { web: 2, batch: 1 }],
] as const) {
  test(`smaller caps by ${axis} come true under load with a reconnect, and no statement is lost`, async () => {
    await scene(parts, databases, async ({ pooler, next, healthy }) => {
      await healthy();
      await next({
        caps: Object.entries(smaller).map(([name, connections]) => ({ name, connections })),
      });
      await pooler.reconnect();
      await exactly(pooler, axis, smaller);
      await healthy();
    });
  });
}

test('without a reconnect a busy pool keeps what it has, whatever the cap', async () => {
  const caps = [{ name: 'a', connections: 6 }];
  const parts = { ...byDatabase, databases: [{ name: 'a' }], users: [web], caps };
  const use = async ({ pooler, next }: Scene) => {
    const now = counts(pooler, 'database');
    await eventually('the cap is used', now, ({ a }) => a === 6);
    await next({ caps: [{ name: 'a', connections: 2 }] });
    assert.equal((await watch(1000, now)).last.a, 6);
  };
  // Busy whenever PgBouncer looks for idle ones, also when this process stalls.
  await scene(parts, ['a'], use, 'select pg_sleep(0.5)');
});

test('in session mode a smaller cap comes true only as clients leave', async () => {
  const parts: Partial<HolderConfig> = {
    ...byDatabase,
    mode: 'session',
    databases: [{ name: 'a' }],
    users: [web],
    caps: [{ name: 'a', connections: 4 }],
  };
  const config = holderConfig(postgres, parts);
  const pooler = await startPooler(config, everyone);
  const clients = Array.from({ length: 4 }, () => {
    const { name: user, secret: password } = web;
    return new pg.Client({ host: '127.0.0.1', port: pooler.port, user, password, database: 'a' });
  });
  try {
    for (const client of clients) {
      await client.connect();
      await client.query('select 1');
    }
    const text = pgbouncer.renderHolderFile({
      ...config,
      generation: 2,
      listenPort: pooler.port,
      caps: [{ name: 'a', connections: 1 }],
    });
    await pooler.apply(text);
    await pooler.reconnect('a');
    assert.equal((await watch(500, counts(pooler, 'database'))).last.a, 4);
    for (const client of clients) await client.query('select 1');
    for (const [left, client] of clients.slice(0, 3).entries()) {
      await client.end();
      const rest = 3 - left;
      await eventually('it is released', counts(pooler, 'database'), ({ a }) => a === rest);
    }
  } finally {
    for (const client of clients) await client.end();
    await pooler.stop();
  }
});

test('a database that leaves the file loses its clients and sessions at once, others nothing', async () => {
  await scene(byDatabase, ['a', 'b'], async ({ pooler, loads, next }) => {
    await eventually('both are used', counts(pooler, 'database'), ({ a, b }) => a === 6 && b === 5);
    await next({ caps: [{ name: 'a', connections: 6 }] });
    await eventually('b is gone', counts(pooler, 'database'), ({ b }) => b === undefined);
    const errors = await eventually(
      'its clients notice',
      async () => loads.flatMap((load) => load.errors),
      (all) => all.length === 24,
    );
    assert.deepEqual([...new Set(errors)], ['error: database removed']);
    assert.equal((await counts(pooler, 'database')()).a, 6);
  });
});

test('users whom no line names get one connection each at most', async () => {
  const caps = [{ name: 'web', connections: 2 }];
  await scene({ ...byUser, caps }, ['a', 'b', 'c'], async ({ pooler, healthy }) => {
    await healthy();
    await exactly(pooler, 'user', { web: 2, batch: 1 });
  });
});

test('without any cap no database answers', async () => {
  const pooler = await startPooler(holderConfig(postgres, { ...byUser, caps: [] }), everyone);
  try {
    await assert.rejects(whoAmI(pooler.port, web, 'a'), /no such database/);
  } finally {
    await pooler.stop();
  }
});
