/**
 * The admin console of one running process, over TCP. It speaks the simple query protocol only, gives
 * counters as text, and counts as a client of its process: a connection that stays open would hold up
 * a pod that must stop, so every call opens one, asks, and closes it whatever happens. Where processes
 * share a port, as many as it takes to come to the one that is meant.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Closing,
  type Console,
  type ConsoleAddress,
  ConsoleError,
  type Hold,
  type Observation,
  type ObservedClient,
  type ObservedPool,
  type ObservedSessions,
} from '../engine.ts';
import { readClients } from './clients.ts';
import { type Ask, type Row, withConnection } from './connection.ts';
import { untilNoLogin } from './logins.ts';
import { isUserMark, parseMark } from './mark.ts';

export const console: Console = {
  observe,
  reload,
  reconnect,
  pause,
  resume,
  closeClients,
  closeBetween,
};

/** One connection, eight questions, one after the other: together a few milliseconds. */
function observe(address: ConsoleAddress): Promise<Observation> {
  return withConsole(address, async (ask) => {
    const version = await ask('SHOW VERSION');
    const config = await ask('SHOW CONFIG');
    const databases = await ask('SHOW DATABASES');
    const users = await ask('SHOW USERS');
    const pools = await ask('SHOW POOLS');
    const servers = await ask('SHOW SERVERS');
    const stats = await ask('SHOW STATS_TOTALS');
    const state = await ask('SHOW STATE');
    return readObservation({ version, config, databases, users, pools, servers, stats, state });
  });
}

async function reload(address: ConsoleAddress): Promise<void> {
  await withConsole(address, (ask) => ask('RELOAD'));
}

async function reconnect(address: ConsoleAddress, databases?: readonly string[]): Promise<void> {
  await withConsole(address, async (ask) => {
    const end = performance.now() + patienceOf(address);
    const untilNone = (only?: readonly string[]) =>
      untilNoLogin(ask, end - performance.now(), only);
    if (databases === undefined) {
      await untilNone();
      await ask('RECONNECT');
    }
    for (const name of databases ?? []) {
      await untilNone([name]);
      await ask(`RECONNECT ${quoted(name)}`);
    }
  });
}

/** PAUSE answers when the last transaction has ended; it has begun long before. */
async function pause(address: ConsoleAddress): Promise<void> {
  await withConsole(address, async (ask) => {
    if (await isPaused(ask)) return;
    await untilNoLogin(ask, patienceOf(address));
    await beginPause(ask);
  });
}

async function beginPause(ask: Ask): Promise<void> {
  if (await isPaused(ask)) return;
  await Promise.race([ask('PAUSE'), sleep(pauseMs)]);
}

/** Each name apart: one that was paused alone is not resumed with all. */
async function resume(address: ConsoleAddress): Promise<void> {
  await withConsole(address, async (ask) => {
    for (const row of await ask('SHOW DATABASES')) {
      if (text(row, 'paused') !== '0') await ask(`RESUME ${quoted(text(row, 'name'))}`);
    }
    if (await isPaused(ask)) await ask('RESUME');
  });
}

async function isPaused(ask: Ask): Promise<boolean> {
  const state = await ask('SHOW STATE');
  return state.some((row) => row.key === 'paused' && row.value === 'yes');
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** What the wait for logins may take of a call; milliseconds. The rest is for the command. */
const patienceOf = ({ timeoutMs }: ConsoleAddress): number => Math.min(1000, timeoutMs / 3);
/** The same where each database of an entry is held in turn, within seconds; milliseconds. */
const holdPatienceMs = 200;
/** How long the caller waits for a pause to be complete. */
const pauseMs = 300;
/** How long a client that may not begin a transaction waits at least; 0 would be for ever. PgBouncer looks each third of a second. */
const refusedAfterSeconds = 0.05;

/** PgBouncer kills whomever it is told to, so nothing comes between the look and the kill. */
function closeClients(
  address: ConsoleAddress,
  choose: (clients: readonly ObservedClient[]) => Closing,
): Promise<readonly ObservedClient[]> {
  return withConsole(address, async (ask) => {
    const clients = readClients(await ask('SHOW CLIENTS'));
    const { close, silentSeconds, refuses } = choose(clients);
    for (const id of close) await kill(ask, id);
    if (silentSeconds !== undefined) {
      // Only quoted may it have a fraction.
      await ask(`SET client_idle_timeout = '${silentSeconds}'`);
    }
    if (refuses === true) {
      // Whoever begins a transaction waits in the pause, and whoever waits is dropped at the next look of the process.
      await ask(`SET query_wait_timeout = '${refusedAfterSeconds}'`);
      await beginPause(ask);
    }
    return clients;
  });
}

async function kill(ask: Ask, id: string): Promise<void> {
  if (!/^[0-9]+$/.test(id)) throw protocol(`the id of a client is ${id}`);
  await ask(`KILL_CLIENT ${id}`).catch((error: unknown) => {
    // It left by itself.
    if (!/client not found/.test(String(error))) throw error;
  });
}

/** Between two looks at clients that have to end a transaction; milliseconds. */
const lookAgainMs = 20;

/**
 * PAUSE of a database takes effect at once, and answers when its last transaction has ended: it has a connection of its
 * own. From then on PgBouncer links no client of the database to a server, so one without a link stays without.
 */
function closeBetween(address: ConsoleAddress, hold: Hold): Promise<number> {
  const { database } = hold;
  return withConsole(address, async (ask) => {
    // All wait already: that is somebody else's wish, and not for us to end.
    if (await isPaused(ask)) return await closeHeld(ask, hold);
    const over = new AbortController();
    const signals = address.signal === undefined ? [] : [address.signal];
    try {
      // One that was left paused needs no second word, which might come after the RESUME.
      if (!(await isHeld(ask, database))) {
        const other = { ...address, signal: AbortSignal.any([over.signal, ...signals]) };
        if (!(await pauseDatabase(ask, database, other))) return 0;
      }
      return await closeHeld(ask, hold);
    } finally {
      await ask(`RESUME ${quoted(database)}`)
        .catch(notPaused)
        .finally(() => over.abort());
    }
  });
}

/** False: there is no such database. */
async function pauseDatabase(
  ask: Ask,
  database: string,
  address: ConsoleAddress,
): Promise<boolean> {
  let refused: unknown;
  withConsole(address, async (other) => {
    await untilNoLogin(other, holdPatienceMs, [database]);
    await other(`PAUSE ${quoted(database)}`);
  }).catch((error: unknown) => {
    refused ??= error;
  });
  while (!(await isHeld(ask, database))) {
    if (/no such database/.test(String(refused))) return false;
    if (refused !== undefined) throw refused;
    await sleep(lookAgainMs);
  }
  return true;
}

async function isHeld(ask: Ask, database: string): Promise<boolean> {
  const rows = await ask('SHOW DATABASES');
  return rows.some((row) => row.name === database && text(row, 'paused') !== '0');
}

async function closeHeld(ask: Ask, { database, wants, most, seconds }: Hold): Promise<number> {
  let closed = 0;
  for (const end = Date.now() + seconds * 1000; ; await sleep(lookAgainMs)) {
    const wanted = readClients(await ask('SHOW CLIENTS'))
      .filter((client) => client.database === database && wants(client))
      .sort((one, other) => other.silentSeconds - one.silentSeconds);
    const free = wanted.filter(({ state }) => state !== 'busy').slice(0, most - closed);
    for (const { id } of free) await kill(ask, id);
    closed += free.length;
    if (free.length === wanted.length || closed >= most || Date.now() >= end) return closed;
  }
}

function notPaused(error: unknown): void {
  if (!/is not paused|no such database/.test(String(error))) throw error;
}

/** Tries for each process that shares a port: with eight, one call in 8 million misses the one that is meant. */
const triesForEach = 16;
/** Of a call's time for one try, or one sibling that hangs would take all of it. */
const triesInTime = 4;

async function withConsole<T>(address: ConsoleAddress, use: (ask: Ask) => Promise<T>): Promise<T> {
  const where = `the console at ${address.host}:${address.port}`;
  const to = { ...address, database: own, where };
  const { process, timeoutMs } = address;
  if (process === undefined || process.of === 1) return await withConnection(to, use);
  const end = Date.now() + timeoutMs;
  let silent: unknown;
  // A new connection has a new port of its own, by which the kernel chooses anew.
  for (let tries = process.of * triesForEach; tries > 0 && Date.now() < end; tries--) {
    const left = end - Date.now();
    const found = new AbortController();
    const late = setTimeout(() => found.abort(), Math.min(left, timeoutMs / triesInTime));
    const signals = address.signal === undefined ? [] : [address.signal];
    let isFound = false;
    try {
      const signal = AbortSignal.any([found.signal, ...signals]);
      const answer = await withConnection({ ...to, timeoutMs: left, signal }, async (ask) => {
        isFound = peerIdIn(await ask('SHOW CONFIG')) === process.peerId;
        clearTimeout(late);
        return isFound ? { value: await use(ask) } : undefined;
      });
      if (answer !== undefined) return answer.value;
    } catch (error) {
      if (isFound || !found.signal.aborted || address.signal?.aborted === true) throw error;
      silent = error;
    } finally {
      clearTimeout(late);
    }
  }
  if (silent !== undefined) throw silent;
  throw new ConsoleError(
    'Unreachable',
    `${where}: the process with peer_id ${process.peerId} does not answer, only others of its pod`,
  );
}

function peerIdIn(config: readonly Row[]): number | undefined {
  const value = config.find((row) => row.key === 'peer_id')?.value;
  return value === undefined || value === null ? undefined : Number(value);
}

interface Answers {
  readonly version: readonly Row[];
  readonly config: readonly Row[];
  readonly databases: readonly Row[];
  readonly users: readonly Row[];
  readonly pools: readonly Row[];
  readonly servers: readonly Row[];
  readonly stats: readonly Row[];
  readonly state: readonly Row[];
}

/** The database and the user under which the console itself shows up. */
const own = 'pgbouncer';

/** Pure. Throws `ConsoleError` where an answer lacks a column that every supported version has. */
export function readObservation(answers: Answers): Observation {
  const [version] = answers.version.map(
    (row) => /^PgBouncer (\d+(?:\.\d+)*)/.exec(text(row, 'version'))?.[1],
  );
  if (version === undefined) throw protocol('SHOW VERSION does not name PgBouncer');
  const parameters = Object.fromEntries(
    answers.config.map((row) => [text(row, 'key'), row.value ?? '']),
  );
  const pools = answers.pools.filter((row) => text(row, 'database') !== own).map(readPool);
  const paused = answers.state.some((row) => row.key === 'paused' && row.value === 'yes');
  const databases = answers.databases
    .filter((row) => text(row, 'name') !== own)
    .map((row) => ({
      name: text(row, 'name'),
      host: row.host ?? '',
      poolSize: count(row, 'pool_size'),
      maxConnections: count(row, 'max_connections'),
      currentConnections: count(row, 'current_connections'),
      paused: text(row, 'paused') !== '0',
      disabled: text(row, 'disabled') !== '0',
    }));
  return {
    version,
    mark: parseMark(parameters.syslog_ident ?? ''),
    userMarks: answers.users.map((row) => text(row, 'name')).filter(isUserMark),
    parameters,
    databases,
    users: answers.users
      .filter((row) => text(row, 'name') !== own)
      .map((row) => ({
        name: text(row, 'name'),
        maxConnections: count(row, 'max_user_connections'),
        currentConnections: count(row, 'current_connections'),
        currentClients: count(row, 'current_client_connections'),
      })),
    pools,
    sessions: countSessions(answers.servers),
    clients: {
      active: pools.reduce((sum, pool) => sum + pool.clientsActive, 0),
      waiting: pools.reduce((sum, pool) => sum + pool.clientsWaiting, 0),
    },
    maxWaitSeconds: Math.max(0, ...pools.map((pool) => pool.maxWaitSeconds)),
    paused: paused || databases.some((database) => database.paused),
    totals: answers.stats
      .filter((row) => text(row, 'database') !== own)
      .map((row) => ({
        database: text(row, 'database'),
        transactions: count(row, 'xact_count'),
        queries: count(row, 'query_count'),
        assignments: count(row, 'server_assignment_count'),
        transactionSeconds: count(row, 'xact_time') / 1e6,
        querySeconds: count(row, 'query_time') / 1e6,
        waitSeconds: count(row, 'wait_time') / 1e6,
        receivedBytes: count(row, 'bytes_received'),
        sentBytes: count(row, 'bytes_sent'),
      })),
  };
}

function readPool(row: Row): ObservedPool {
  return {
    database: text(row, 'database'),
    user: text(row, 'user'),
    clientsActive: count(row, 'cl_active'),
    clientsWaiting: count(row, 'cl_waiting'),
    serversActive: count(row, 'sv_active'),
    serversIdle: count(row, 'sv_idle'),
    serversUsed: count(row, 'sv_used'),
    serversTested: count(row, 'sv_tested'),
    serversLogin: count(row, 'sv_login'),
    serversCancelling: count(row, 'sv_active_cancel'),
    serversBeingCancelled: count(row, 'sv_being_canceled'),
    maxWaitSeconds: count(row, 'maxwait') + count(row, 'maxwait_us') / 1e6,
    mode: text(row, 'pool_mode'),
  };
}

/** Each row is one socket to Postgres, from the first packet of its login to its close. */
function countSessions(servers: readonly Row[]): ObservedSessions {
  const sessions = servers.filter((row) => text(row, 'state') !== 'active_cancel');
  const closing = sessions.filter((row) => text(row, 'close_needed') !== '0');
  return {
    total: sessions.length,
    cancelling: servers.length - sessions.length,
    byDatabase: countBy(sessions, 'database'),
    byUser: countBy(sessions, 'user'),
    closing: {
      total: closing.length,
      byDatabase: countBy(closing, 'database'),
      byUser: countBy(closing, 'user'),
    },
  };
}

function countBy(rows: readonly Row[], column: string): Record<string, number> {
  const counts: Record<string, number> = Object.create(null);
  for (const row of rows) {
    const name = text(row, column);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (value === undefined) throw protocol(`the column ${column} is missing`);
  return value ?? '';
}

function count(row: Row, column: string): number {
  const value = text(row, column);
  const n = Number(value);
  if (value === '' || !Number.isFinite(n)) throw protocol(`${column} is ${JSON.stringify(value)}`);
  return n;
}

function protocol(what: string): ConsoleError {
  return new ConsoleError('Protocol', `an answer that is not PgBouncer's: ${what}`);
}
