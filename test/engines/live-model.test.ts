// The model of a process, held against the process: the same random steps, the same counts.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import type { PoolMode } from '../../operator/engines/engine.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import * as model from '../../operator/engines/pgbouncer/semantics.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import { eventually, holderConfig, type Pooler, startPooler } from './pooler.ts';

const web = { name: 'web', secret: 'w' };
let postgres: Postgres;
before(async () => {
  postgres = await startPostgres({
    users: [{ name: web.name, password: web.secret }],
    databases: ['a'],
  });
});
after(() => postgres?.stop());

type Step =
  | { kind: 'reload'; cap: number }
  | { kind: 'demand' | 'release'; count: number }
  | { kind: 'reconnect' };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('reload' as const), cap: fc.integer({ min: 1, max: 5 }) }),
    fc.record({
      kind: fc.constantFrom('demand' as const, 'release' as const, 'demand' as const),
      count: fc.integer({ min: 1, max: 4 }),
    }),
    fc.record({ kind: fc.constant('reconnect' as const) }),
  ),
  { minLength: 4, maxLength: 14 },
);
/** Where a client that waits gets a fresh connection while others hold stale ones. */
const overtaken: Step[] = [
  { kind: 'demand', count: 4 },
  { kind: 'reconnect' },
  { kind: 'release', count: 2 },
  { kind: 'reload', cap: 2 },
  { kind: 'release', count: 1 },
];

/** A client that wants a connection has sent BEGIN, or waits for its answer. */
interface Client {
  readonly pg: pg.Client;
  /** When it was answered, counted over all; undefined while it waits. Clients that come at once log in in any order. */
  served: number | undefined;
}

function isServed(client: Client): client is Client & { readonly served: number } {
  return client.served !== undefined;
}

async function replay(mode: PoolMode, pooler: Pooler, list: readonly Step[], first: string) {
  const config = holderConfig(postgres, { mode, databases: [{ name: 'a' }], users: [web] });
  const file = (generation: number, connections: number) =>
    pgbouncer.renderHolderFile({
      ...config,
      generation,
      listenPort: pooler.port,
      caps: [{ name: 'a', connections }],
    });
  let p = model.start(first);
  assert.ok(p);
  let generation = p.generation ?? 0;
  p = model.reload(p, file(++generation, 3));
  await pooler.apply(file(generation, 3));
  let wanting: Client[] = [];
  let answers = 0;
  const leaving: Promise<unknown>[] = [];
  const demand = async () => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: pooler.port,
      user: web.name,
      password: web.secret,
      database: 'a',
    });
    client.on('error', () => {});
    const entry: Client = { pg: client, served: undefined };
    wanting.push(entry);
    client
      .connect()
      .then(() => client.query('begin'))
      .then(() => {
        entry.served = ++answers;
      })
      .catch(() => {});
  };
  try {
    for (const step of list) {
      if (step.kind === 'reload') {
        const text = file(++generation, step.cap);
        await pooler.apply(text);
        p = model.reload(p, text);
      } else if (step.kind === 'reconnect') {
        await pooler.reconnect('a');
        p = model.reconnect(p, 'a');
      } else if (step.kind === 'demand') {
        for (let i = 0; i < step.count; i++) await demand();
        p = model.demand(p, 'a', step.count);
      } else {
        // One after the other, the longest served first. Whoever was served when RECONNECT was said is known by then,
        // so that what is stale leaves first, as `leave` is told.
        for (let i = 0; i < step.count; i++) {
          const [next] = wanting.filter(isServed).sort((one, other) => one.served - other.served);
          if (next === undefined) break;
          wanting = wanting.filter((client) => client !== next);
          leaving.push(next.pg.query('commit').then(() => next.pg.end()));
          await Promise.all(leaving);
          p = model.leave(p, 'a', 1);
          await agree(pooler, p, wanting);
        }
      }
      p = await agree(pooler, p, wanting);
    }
  } finally {
    for (const { pg: client } of wanting) client.end().catch(() => {});
    const empty = async () => (await pooler.observe()).clients;
    await eventually('all left', empty, (clients) => clients.active + clients.waiting === 0);
    await pooler.reconnect('a');
    await eventually(
      'all closed',
      async () => (await pooler.observe()).sessions.total,
      (n) => n === 0,
    );
  }
}

/** Waits until the process has what the model says. The janitor closes idle connections above the cap. */
async function agree(pooler: Pooler, p: model.Process, wanting: readonly Client[]) {
  const entry = p.entries.get('a');
  assert.ok(entry);
  const settled = model.closeIdle(p, 'a', Math.max(0, entry.busy + entry.idle - entry.cap));
  const { busy = 0, idle = 0, waiting = 0, cap = 0 } = settled.entries.get('a') ?? {};
  const look = async () => {
    const { sessions, databases, mark } = await pooler.observe();
    return {
      sessions: sessions.total,
      cap: databases.find(({ name }) => name === 'a')?.maxConnections,
      generation: mark?.generation,
      served: wanting.filter(isServed).length,
      wanting: wanting.length,
    };
  };
  const meant = {
    sessions: busy + idle,
    cap,
    generation: settled.generation,
    served: busy,
    wanting: busy + waiting,
  };
  await eventually(`to be ${JSON.stringify(meant)}`, look, (seen) =>
    Object.entries(meant).every(([name, value]) => seen[name as keyof typeof seen] === value),
  );
  return settled;
}

for (const mode of ['transaction', 'session'] as const) {
  test(`in ${mode} mode the process does what the model says, step by step`, async () => {
    const config = holderConfig(postgres, {
      mode,
      databases: [{ name: 'a' }],
      users: [web],
      caps: [{ name: 'a', connections: 3 }],
    });
    const pooler = await startPooler(config, [web]);
    try {
      let last = pooler.text();
      await fc.assert(
        fc.asyncProperty(steps, async (list) => {
          await replay(mode, pooler, list, last);
          last = pooler.text();
        }),
        { numRuns: 12, endOnFailure: true, examples: [[overtaken]] },
      );
    } finally {
      await pooler.stop();
    }
  });
}
