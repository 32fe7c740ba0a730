/**
 * A model of one PgBouncer process, for simulators and model checkers: what its file, its console
 * commands and its clients do to the number of its server connections. Pure, deterministic, and held
 * against the real process by test/engines. Each transition names the fact that it models.
 *
 * An entry is a database (axis 'database') or a user (axis 'user'): that on which PgBouncer counts.
 * Inside an entry the model has one pool, where the process may have several; that only moves idle
 * connections between pools (PgBouncer evicts the most idle one), never their number above the cap.
 * Left out: cancel requests (sockets beside the caps, see facts), `min_pool_size` (fills below the
 * caps), timeouts (they only close), the sessions that Postgres keeps after their client has gone.
 */
import type { CapAxis, PoolMode } from '../engine.ts';
import { parseConnectString, parseIni } from './ini.ts';
import { parseMark } from './mark.ts';
import { axisOf, readContent } from './read-file.ts';

export interface Entry {
  /** Its own limit: 0 is none, then the general one of the process holds. */
  readonly cap: number;
  /** Connections in the hands of a client: its transaction, or in session mode its whole session. */
  readonly busy: number;
  /** Of these, how many close instead of being released, because of a RECONNECT. */
  readonly stale: number;
  readonly idle: number;
  /** Clients that want a connection and have none. */
  readonly waiting: number;
}

export interface Process {
  readonly axis: CapAxis;
  /** Undefined: the last reload did not get to the mark, or the file has none. */
  readonly mark: string | undefined;
  readonly generation: number | undefined;
  readonly mode: PoolMode;
  /** For entries without a limit of their own; 0 is unlimited. */
  readonly general: number;
  /** A "*" that was once read stays until the process ends, whatever later files say. */
  readonly any: boolean;
  readonly entries: ReadonlyMap<string, Entry>;
}

const fresh: Entry = { cap: 0, busy: 0, stale: 0, idle: 0, waiting: 0 };

/** A new process. Undefined: it ends at its start, as it does with a file that it cannot read. */
export function start(text: string): Process | undefined {
  const content = readContent(text);
  if ('error' in content) return undefined;
  return reload(
    {
      axis: axisOf(content),
      mark: undefined,
      generation: undefined,
      mode: 'session',
      general: 0,
      any: false,
      entries: new Map(),
    },
    text,
  );
}

/**
 * RELOAD. Lines apply one by one; a fault stops it and undoes nothing. The header of [pgbouncer] puts
 * everything in that section back to PgBouncer's defaults. A limit may become smaller than what is
 * open: nothing is closed for that. A database that a whole file does not name any more is dropped
 * with its clients and sessions; a user is not, and keeps its limit. `readable` cuts the file, in
 * lines, where the fault is.
 */
export function reload(process: Process, text: string, readable?: number): Process {
  const { lines, fault } = parseIni(text);
  const read = readable === undefined ? lines : lines.slice(0, readable);
  const whole = fault === undefined && read.length === lines.length;
  const section = process.axis === 'database' ? 'databases' : 'users';
  const limit = process.axis === 'database' ? 'max_db_connections' : 'max_user_connections';
  let { mark, generation, mode, general, any } = process;
  const entries = new Map(process.entries);
  const named = new Set<string>();
  for (const { section: at, key, value } of read) {
    if (at === 'pgbouncer') {
      if (key === undefined) {
        mark = generation = undefined;
        mode = 'session';
        general = 0;
      } else if (key === 'syslog_ident') {
        mark = value;
        generation = parseMark(value)?.generation;
      } else if (key === 'pool_mode') {
        mode = value as PoolMode;
      } else if (key === limit) {
        general = Number(value);
      }
    } else if (key === '*' && at === 'databases') {
      any = true;
    } else if (key !== undefined && at === section) {
      named.add(key);
      const cap = Number(parseConnectString(value)?.get(limit) ?? 0);
      entries.set(key, { ...(entries.get(key) ?? fresh), cap });
    }
  }
  if (whole && process.axis === 'database') {
    for (const name of process.entries.keys()) if (!named.has(name)) entries.delete(name);
  }
  return serveAll({ ...process, mark, generation, mode, general, any, entries });
}

/** `clients` more want a connection. An unknown database is refused, so nobody waits for it. */
export function demand(process: Process, name: string, clients: number): Process {
  const entry = process.entries.get(name) ?? (admits(process) ? fresh : undefined);
  if (entry === undefined) return process;
  return serve(process, name, { ...entry, waiting: entry.waiting + clients });
}

/** Users that no line names are let in by the user list; databases only by a "*". */
function admits({ axis, any }: Process): boolean {
  return axis === 'user' || any;
}

/**
 * `count` transactions end, stale connections first or last as the caller chooses. In session mode
 * that releases nothing. A released connection goes to the next waiter, whatever the limits say, and
 * is closed if it is stale.
 */
export function endTransactions(
  process: Process,
  name: string,
  count: number,
  staleFirst = true,
): Process {
  return process.mode === 'session' ? process : release(process, name, count, staleFirst);
}

/** `count` clients with a connection leave: the one way in which session mode gives any back. */
export function leave(process: Process, name: string, count: number, staleFirst = true): Process {
  return release(process, name, count, staleFirst);
}

function release(process: Process, name: string, count: number, staleFirst: boolean): Process {
  const entry = process.entries.get(name);
  if (entry === undefined) return process;
  const released = Math.min(count, entry.busy);
  const current = entry.busy - entry.stale;
  const closed = staleFirst ? Math.min(released, entry.stale) : Math.max(0, released - current);
  return serve(process, name, {
    ...entry,
    busy: entry.busy - released,
    stale: entry.stale - closed,
    idle: entry.idle + released - closed,
  });
}

/** Clients that were waiting give up. */
export function abandon(process: Process, name: string, count: number): Process {
  const entry = process.entries.get(name);
  if (entry === undefined) return process;
  const waiting = Math.max(0, entry.waiting - count);
  return put(process, name, { ...entry, waiting });
}

/**
 * RECONNECT of one entry, or of all: idle connections close, busy ones when they are released, and new
 * ones open within the limits. On the axis 'user' PgBouncer can only name databases, so all it is.
 */
export function reconnect(process: Process, name?: string): Process {
  const entries = new Map(process.entries);
  for (const [key, entry] of process.entries) {
    if (name === undefined || key === name)
      entries.set(key, { ...entry, idle: 0, stale: entry.busy });
  }
  return serveAll({ ...process, entries });
}

/** Idle connections close: `server_idle_timeout`, `server_lifetime`, or the janitor above pool_size. */
export function closeIdle(process: Process, name: string, count: number): Process {
  const entry = process.entries.get(name);
  if (entry === undefined) return process;
  const idle = Math.max(0, entry.idle - count);
  return serve(process, name, { ...entry, idle });
}

/** Equal for equal states, to be remembered by whoever searches through them. */
export function keyOf(process: Process): string {
  return JSON.stringify({ ...process, entries: [...process.entries].sort(byName) });
}

const byName = ([a]: [string, Entry], [b]: [string, Entry]) => (a < b ? -1 : 1);

function put(process: Process, name: string, entry: Entry): Process {
  return { ...process, entries: new Map(process.entries).set(name, entry) };
}

/** What counts against the budget. */
export function sessions({ entries }: Process): number {
  return [...entries.values()].reduce((sum, { busy, idle }) => sum + busy + idle, 0);
}

/** The most that the process can come to hold without another file: Infinity when unbounded. */
export function potential(process: Process): number {
  return [...process.entries.values()].reduce(
    (sum, entry) => sum + Math.max(limitOf(process, entry), entry.busy + entry.idle),
    0,
  );
}

function limitOf({ general }: Process, { cap }: Entry): number {
  return cap || general || Number.POSITIVE_INFINITY;
}

function serveAll(process: Process): Process {
  return [...process.entries].reduce((p, [name, entry]) => serve(p, name, entry), process);
}

/** Waiting clients take idle connections, then new ones up to the limit. */
function serve(process: Process, name: string, entry: Entry): Process {
  const reused = Math.min(entry.waiting, entry.idle);
  const room = limitOf(process, entry) - entry.busy - entry.idle;
  const opened = Math.max(0, Math.min(entry.waiting - reused, room));
  const served: Entry = {
    ...entry,
    busy: entry.busy + reused + opened,
    idle: entry.idle - reused,
    waiting: entry.waiting - reused - opened,
  };
  return put(process, name, served);
}
