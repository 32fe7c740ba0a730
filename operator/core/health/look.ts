// One look at a pooler process, as far as its health goes: numbers only, so that many can be kept.
import type { CapAxis, Engine, Observation, ObservedPool } from '../../engines/engine.ts';

/** Counts since the process started. */
export interface Totals {
  readonly transactions: number;
  readonly queries: number;
  /** Times that a client got a server connection. */
  readonly assignments: number;
  readonly transactionSeconds: number;
  readonly waitSeconds: number;
}

/** Server connections by what they do. */
export interface Servers {
  readonly active: number;
  readonly idle: number;
  /** Idle for a while: tested before their next use. */
  readonly used: number;
  readonly tested: number;
  readonly login: number;
  readonly cancelled: number;
}

export interface Look {
  /** Seconds of any clock that only goes on. */
  readonly at: number;
  readonly clientsActive: number;
  readonly clientsWaiting: number;
  readonly maxWaitSeconds: number;
  readonly servers: Servers;
  readonly totals: Totals;
  /** Clients wait because somebody told the process to let them. */
  readonly paused: boolean;
  /** See `isPressed`. */
  readonly pressed: boolean;
  /** Some wait without one connection, while others have all of their entry. */
  readonly starving: boolean;
  /** The most users of one database (databases of one user) that want connections now. */
  readonly wanting: number;
}

/** A client that waits so long for a connection is a sign that there are too few; seconds. */
export const LONG_WAIT_SECONDS = 1;

export function lookOf(observation: Observation, axis: CapAxis, engine: Engine, at: number): Look {
  const { pools, totals, clients } = observation;
  return {
    at,
    clientsActive: clients.active,
    clientsWaiting: clients.waiting,
    maxWaitSeconds: observation.maxWaitSeconds,
    servers: {
      active: sum(pools, (p) => p.serversActive),
      idle: sum(pools, (p) => p.serversIdle),
      used: sum(pools, (p) => p.serversUsed),
      tested: sum(pools, (p) => p.serversTested),
      login: sum(pools, (p) => p.serversLogin),
      cancelled: sum(pools, (p) => p.serversBeingCancelled),
    },
    totals: {
      transactions: sum(totals, (t) => t.transactions),
      queries: sum(totals, (t) => t.queries),
      assignments: sum(totals, (t) => t.assignments),
      transactionSeconds: sum(totals, (t) => t.transactionSeconds),
      waitSeconds: sum(totals, (t) => t.waitSeconds),
    },
    paused: observation.paused,
    pressed: pools.some(isPressed),
    starving: engine.starving(observation, axis).length > 0,
    wanting: wanting(pools, axis),
  };
}

/**
 * A client of this user and database waits long, and every connection that they have is busy. Without one that is
 * busy it is not too few connections but a server that cannot be reached; and one that logs in will help in a moment.
 */
function isPressed(pool: ObservedPool): boolean {
  const { serversActive, serversIdle, serversUsed, serversTested, serversLogin } = pool;
  return (
    pool.clientsWaiting > 0 &&
    pool.maxWaitSeconds >= LONG_WAIT_SECONDS &&
    serversActive > 0 &&
    serversIdle + serversUsed + serversTested + serversLogin === 0
  );
}

/** Pools that have a client with a connection, or one that waits for it, by the entry whose cap they share. */
function wanting(pools: readonly ObservedPool[], axis: CapAxis): number {
  const byEntry = new Map<string, number>();
  for (const pool of pools) {
    if (pool.serversActive + pool.clientsWaiting === 0) continue;
    const entry = axis === 'database' ? pool.database : pool.user;
    byEntry.set(entry, (byEntry.get(entry) ?? 0) + 1);
  }
  return Math.max(0, ...byEntry.values());
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
