// Real PgBouncer and Postgres processes on loopback, for tests of what an engine does. They run from
// a Debian root file system in a mount namespace of their own, which vanishes with them.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { accepting, type Daemon, dieWithParent, startDaemon } from './daemon.ts';
import { processesRoot, template, userOf } from './debian.ts';
import { reservePort } from './ports.ts';
import { run, until } from './run.ts';
import { scratchFolder } from './scratch.ts';

export { reservePort } from './ports.ts';

export type PostgresOptions = {
  maxConnections?: number;
  /** More settings of the server, by name. */
  settings?: Record<string, string | number>;
  /** Login roles to make, with their passwords. */
  users?: { name: string; password: string; connectionLimit?: number }[];
  /** Databases to make, each owned by the first of `users`. */
  databases?: string[];
};

export type Postgres = {
  host: string;
  port: number;
  pid: number;
  superuser: string;
  superuserPassword: string;
  /** A connection URL for the superuser, or for one of `users`. */
  url(database?: string, user?: { name: string; password: string }): string;
  /** Runs one statement as superuser and returns its rows. */
  query(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  log(): string;
  stop(): Promise<void>;
};

export type PgBouncerOptions = {
  /** A folder with its files; PgBouncer sees it, read-only, at `mountAt`. */
  folder: string;
  mountAt?: string;
  /** The name of the configuration inside the folder. */
  iniFile: string;
  /** What the configuration says; the caller takes it from `reservePort`. */
  port: number;
  host?: string;
};

export type PgBouncer = {
  host: string;
  port: number;
  pid: number;
  log(): string;
  signal(name: NodeJS.Signals): void;
  exited: Daemon['exited'];
  stop(): Promise<void>;
};

const host = '127.0.0.1';

/** A Postgres with data of its own. Throws with the server's log when it does not start. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  mustWork();
  const folder = scratchFolder();
  const port = await reservePort();
  const data = join(folder, 'data');
  await run(['cp', '-a', '--reflink=auto', join(processesRoot, template.data), data]);
  const settings: Record<string, string | number> = {
    listen_addresses: host,
    port,
    max_connections: options.maxConnections ?? 100,
    unix_socket_directories: '',
    // The data dies with the test.
    fsync: 'off',
    ...options.settings,
  };
  const [binary = ''] = readdirSync(join(processesRoot, 'usr/lib/postgresql'))
    .sort()
    .map((version) => `/usr/lib/postgresql/${version}/bin/postgres`)
    .slice(-1);
  const daemon = startDaemon(
    inRoot({
      mounts: [{ from: data, at: '/var/lib/postgresql/data', writable: true }],
      user: userOf('postgres'),
      // Immediate shutdown: it frees its shared memory, which a SIGKILL would leave to the machine.
      deathSignal: 'QUIT',
      command: [
        binary,
        '-D',
        '/var/lib/postgresql/data',
        ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
    }),
  );
  const superuserPassword = readFileSync(join(processesRoot, template.password), 'utf8').trim();
  const url: Postgres['url'] = (database = 'postgres', user) =>
    `postgresql://${encodeURIComponent(user?.name ?? 'postgres')}:${encodeURIComponent(
      user?.password ?? superuserPassword,
    )}@${host}:${port}/${encodeURIComponent(database)}`;
  const query: Postgres['query'] = async (sql, values) => {
    const client = new pg.Client({ connectionString: url() });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql, values)).rows;
    } finally {
      await client.end();
    }
  };
  const stop = async () => {
    await daemon.stop('SIGQUIT');
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await accepting('Postgres', daemon, port);
    // It listens a moment before it lets anyone in.
    await until('Postgres lets its superuser in', 20, () => query('SELECT 1'), 20);
    for (const user of options.users ?? []) {
      const limit = user.connectionLimit ?? -1;
      await query(
        `CREATE ROLE ${pg.escapeIdentifier(user.name)} LOGIN CONNECTION LIMIT ${limit} PASSWORD ${pg.escapeLiteral(user.password)}`,
      );
    }
    const owner = options.users?.[0]?.name ?? 'postgres';
    for (const database of options.databases ?? []) {
      await query(
        `CREATE DATABASE ${pg.escapeIdentifier(database)} OWNER ${pg.escapeIdentifier(owner)}`,
      );
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const { pid, log } = daemon;
  return { host, port, pid, superuser: 'postgres', superuserPassword, url, query, log, stop };
}

/**
 * A PgBouncer with the given files. Throws with its log when it ends at its start, as it does with a
 * configuration that it refuses. The files become readable for everyone.
 */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer> {
  mustWork();
  const at = options.mountAt ?? '/etc/spillway';
  mkdirSync(join(processesRoot, at), { recursive: true });
  await run(['chmod', '-R', 'a+rX', options.folder]);
  const daemon = startDaemon(
    inRoot({
      mounts: [{ from: options.folder, at, writable: false }],
      user: { uid: 65532, gid: 65532 },
      deathSignal: 'KILL',
      command: ['/usr/sbin/pgbouncer', join(at, options.iniFile)],
    }),
  );
  await accepting('PgBouncer', daemon, options.port, options.host);
  return {
    host: options.host ?? host,
    port: options.port,
    pid: daemon.pid,
    log: daemon.log,
    signal: daemon.signal,
    exited: daemon.exited,
    // The immediate shutdown: it waits for no client.
    stop: () => daemon.stop('SIGQUIT'),
  };
}

type Confined = {
  mounts: { from: string; at: string; writable: boolean }[];
  user: { uid: number; gid: number };
  deathSignal: string;
  command: string[];
};

/**
 * A command that runs `command` in `processesRoot`. Each program in the chain replaces the one
 * before, so that the process keeps its id and its parent. The kernel forgets the death signal when
 * the user changes, so the innermost program asks for it again.
 */
function inRoot({ mounts, user, deathSignal, command }: Confined): string[] {
  const root = processesRoot;
  const steps = mounts.map(
    (_, index) => `mount -o bind,$${index * 3 + 3} "$${index * 3 + 1}" "$${index * 3 + 2}"`,
  );
  const script = [
    'set -e',
    ...steps,
    `shift ${mounts.length * 3}`,
    `mount -t tmpfs tmpfs "${root}/dev/shm"`,
    'exec "$@"',
  ].join('\n');
  const drop = [
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    '--clear-groups',
    `--pdeathsig=${deathSignal}`,
  ];
  return dieWithParent([
    'unshare',
    '--mount',
    '--',
    'sh',
    '-c',
    script,
    'sh',
    ...mounts.flatMap(({ from, at, writable }) => [from, join(root, at), writable ? 'rw' : 'ro']),
    // Not in the PATH of everyone who became root.
    '/usr/sbin/chroot',
    root,
    'setpriv',
    ...drop,
    '--',
    ...command,
  ]);
}

function mustWork(): void {
  if (process.getuid?.() !== 0) {
    throw new Error('Local PgBouncer and Postgres processes need root (chroot, mount)');
  }
  if (!existsSync(join(processesRoot, template.data))) {
    throw new Error('Their root file system is missing: run `node test/cluster/main.ts install`');
  }
}
