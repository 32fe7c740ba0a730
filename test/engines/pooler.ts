// A real PgBouncer that reads what the engine renders, in front of a real Postgres, with clients.

import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type {
  ConsoleAddress,
  HolderConfig,
  Observation,
  UserSecret,
} from '../../operator/engines/engine.ts';
import { console as admin } from '../../operator/engines/pgbouncer/console.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import { scratch } from '../cluster/paths.ts';
import { type Postgres, reservePort, startPgBouncer } from '../cluster/processes.ts';

export const adminUser: UserSecret = { name: 'spillway-admin', secret: 'admin-secret' };
export const statsUser: UserSecret = { name: 'spillway-stats', secret: 'stats-secret' };
export const seed = 'seed';

export interface Pooler {
  readonly port: number;
  readonly pid: number;
  readonly address: ConsoleAddress;
  /** The file as it stands. */
  text(): string;
  /** Writes another file in place of the one that is there; the process does not know yet. */
  write(text: string): void;
  /** The same for the user list; the admin and the stats user are added. Returns the mark user. */
  writeUsers(users: readonly UserSecret[], revoked?: readonly string[]): string;
  /** The user list as it stands. */
  users(): string;
  observe(): Promise<Observation>;
  reload(): Promise<void>;
  /** One database, or all. */
  reconnect(database?: string): Promise<void>;
  /** The rows of one console command, every value as text. */
  ask(command: string): Promise<Record<string, string | null>[]>;
  /** Writes, reloads, and waits until the mark proves it. */
  apply(text: string): Promise<Observation>;
  log(): string;
  signal(name: NodeJS.Signals): void;
  /** Resolves when the process has ended. */
  readonly exited: Promise<unknown>;
  stop(): Promise<void>;
}

/** A configuration that works against `postgres`, with the given parts replaced. */
export function holderConfig(
  postgres: { host: string; port: number },
  parts: Partial<HolderConfig>,
) {
  return {
    generation: 1,
    listenPort: 6432,
    mode: 'transaction',
    target: { host: postgres.host, port: postgres.port },
    databases: [{ name: 'postgres' }],
    users: [],
    axis: 'database',
    caps: [{ name: 'postgres', connections: 2 }],
    maxClientConnections: 500,
    peerId: 1,
    peers: [],
    admin: { adminUser: adminUser.name, statsUser: statsUser.name },
    authFile: '/etc/spillway/users.txt',
    serverTls: { mode: 'disable' },
    parameters: {},
    ...parts,
  } satisfies HolderConfig as HolderConfig;
}

let count = 0;

export async function startPooler(
  config: HolderConfig,
  users: readonly UserSecret[],
  /** Further files beside the configuration, by name. */
  files: Readonly<Record<string, string>> = {},
  /** Of a process that shares it. */
  sharedPort?: number,
): Promise<Pooler> {
  const port = sharedPort ?? (await reservePort());
  const folder = join(scratch, `${process.pid}-pooler-${++count}`);
  mkdirSync(folder, { recursive: true });
  let current = '';
  const put = (name: string, text: string) => {
    writeFileSync(join(folder, `.${name}`), text, { mode: 0o644 });
    renameSync(join(folder, `.${name}`), join(folder, name));
  };
  const write = (text: string) => {
    current = text;
    put('pooler.ini', text);
  };
  let written: string | undefined;
  const writeUsers = (list: readonly UserSecret[], revoked: readonly string[] = []) => {
    const all = [adminUser, statsUser, ...list];
    const { text, markUser } = pgbouncer.renderUserList(all, seed, { revoked, before: written });
    written = text;
    put('users.txt', text);
    return markUser;
  };
  write(pgbouncer.renderHolderFile({ ...config, listenPort: port }));
  writeUsers(users);
  for (const [name, text] of Object.entries(files)) put(name, text);
  const started = await startPgBouncer({ folder, iniFile: 'pooler.ini', port });
  const address: ConsoleAddress = {
    host: '127.0.0.1',
    port,
    user: adminUser.name,
    password: adminUser.secret,
    timeoutMs: 10_000,
    ...(config.socket === undefined || config.peerId === undefined
      ? {}
      : { process: { peerId: config.peerId, of: 2 } }),
  };
  const observe = () => admin.observe(address);
  const reload = () => admin.reload(address);
  return {
    port,
    pid: started.pid,
    address,
    text: () => current,
    write,
    writeUsers,
    users: () => written ?? '',
    observe,
    reload,
    reconnect: (database) =>
      admin.reconnect(address, database === undefined ? undefined : [database]),
    ask: (command) => ask(address, command),
    apply: async (text) => {
      write(text);
      await reload();
      const seen = await observe();
      if (seen.mark?.text !== pgbouncer.markOf(text)?.text) {
        throw new Error(`the mark is ${seen.mark?.text}\n${started.log()}`);
      }
      return seen;
    },
    log: started.log,
    signal: started.signal,
    exited: started.exited,
    stop: async () => {
      await started.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ask(address: ConsoleAddress, text: string) {
  const { host, port, user, password } = address;
  const client = new pg.Client({ host, port, user, password, database: 'pgbouncer' });
  await client.connect();
  try {
    const types = { getTypeParser: () => (value: string) => value };
    return (await client.query<Record<string, string | null>>({ text, types })).rows;
  } finally {
    await client.end();
  }
}

/** Logs in, asks who and where it is, and leaves. Rejects as the login does. */
export async function whoAmI(port: number, user: UserSecret, database: string): Promise<string> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: user.name,
    password: user.secret,
    database,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query('select current_user as u, current_database() as d');
    return `${rows[0].u} in ${rows[0].d}`;
  } finally {
    await client.end().catch(() => {});
  }
}

/** The most that `count` gave while `milliseconds` passed, and the last. */
export async function watch<T extends string>(
  milliseconds: number,
  count: () => Promise<Readonly<Record<T, number>>>,
): Promise<{ most: Record<T, number>; last: Readonly<Record<T, number>> }> {
  const most = {} as Record<T, number>;
  let last = await count();
  for (const end = Date.now() + milliseconds; Date.now() < end; last = await count()) {
    for (const name in last) most[name] = Math.max(most[name] ?? 0, last[name]);
    await sleep(10);
  }
  return { most, last };
}

/** Polls until `done`; rejects with what it saw last after `seconds`. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T>,
  done: (value: T) => boolean,
  seconds = 10,
): Promise<T> {
  for (const end = Date.now() + seconds * 1000; ; await sleep(20)) {
    const value = await look();
    if (done(value)) return value;
    if (Date.now() > end) throw new Error(`${what}: still ${JSON.stringify(value)}`);
  }
}

export interface Load {
  /** Statements that were answered, and the errors of those that were not. */
  readonly done: () => number;
  readonly errors: string[];
  stop(): Promise<void>;
}

/** `clients` connections, each with one statement after the other, in a transaction each. */
export async function startLoad(options: {
  port: number;
  user: UserSecret;
  databases: readonly string[];
  clients: number;
  sql?: string;
}): Promise<Load> {
  let done = 0;
  let stopped = false;
  const errors: string[] = [];
  const run = async (database: string) => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: options.port,
      user: options.user.name,
      password: options.user.secret,
      database,
    });
    // Between two queries a lost connection is told here, and the next query only says that it is lost.
    let lost: unknown;
    client.on('error', (error) => {
      lost ??= error;
    });
    try {
      await client.connect();
      while (!stopped) {
        await client.query(options.sql ?? 'select pg_sleep(0.01)');
        done++;
      }
    } catch (error) {
      errors.push(String(lost ?? error));
    } finally {
      await client.end().catch(() => {});
    }
  };
  const running = Array.from({ length: options.clients }, (_, i) =>
    run(options.databases[i % options.databases.length] ?? ''),
  );
  return {
    done: () => done,
    errors,
    stop: async () => {
      stopped = true;
      await Promise.all(running);
    },
  };
}

/** What Postgres itself counts: backends of clients, by a column of pg_stat_activity. */
export async function backends(
  postgres: Postgres,
  column: 'datname' | 'usename',
): Promise<Record<string, number>> {
  const rows = await postgres.query(
    `select ${column} as name, count(*)::int as count from pg_stat_activity
      where backend_type = 'client backend' and usename <> 'postgres' group by 1`,
  );
  return Object.fromEntries(rows.map((row) => [String(row.name), Number(row.count)]));
}
