// Which clients a process lets go while it is emptied: only idle ones, the most silent first, a few at each look; and at
// the end whoever would begin something that nobody could finish.
import type { LeavingEntry } from '../../api/connection-pool.ts';
import type { Closing, Hold, ObservedClient } from '../../engines/engine.ts';

/**
 * Where in its time a drain is. `last` is said to the process for good: it goes on by itself after it was told to
 * stop, when nobody can ask it any more. So is `lone`, for a pod that nobody can take the clients of. At the `end` no
 * client may begin a transaction, because nobody could say any more how it ends: whoever tries is refused before
 * anything has run, and whoever is inside of one has the rest of the grace period for it.
 */
export type Phase = 'first' | 'second' | 'last' | 'lone' | 'end';

/**
 * A client that has said nothing for so long is closed, in seconds. A request that is on its way at that very moment
 * meets a closed connection, which is the rarer the longer the silence: so short silences come last, and only because
 * whoever is left is cut for sure when the grace period ends.
 */
const SILENCE: Readonly<Record<Phase, number>> = {
  first: 1,
  second: 0.2,
  last: 0.05,
  lone: 1,
  end: 0.05,
};
/** What is closed at a look: so many, or a fiftieth of all; the clients come back elsewhere and log in there. */
const FEW = 20;
const PARTS = 50;

/**
 * What to close of a process that is to be empty. By a silence, which the process judges and acts upon in one step, and
 * never by name: a client that is named may have begun a transaction since it was seen.
 */
export function closingOf(clients: readonly ObservedClient[], phase: Phase): Closing {
  const floor = SILENCE[phase];
  if (phase === 'end') return { close: [], silentSeconds: floor, refuses: true };
  if (phase === 'last' || phase === 'lone') return { close: [], silentSeconds: floor };
  const few = Math.max(FEW, Math.ceil(clients.length / PARTS));
  const idle = clients.filter((c) => c.state === 'idle').sort(mostSilentFirst);
  // As many of the most silent: whoever is more silent than the first that may stay. Clients who fell silent in the
  // same second cannot be told apart, and go within a second.
  const next = idle[few]?.silentSeconds ?? 0;
  return { close: [], silentSeconds: Math.max(floor, next) };
}

/** Seconds between two looks: ten for everybody where that is possible at five looks a second. */
export function secondsBetweenLooks(clients: number): number {
  return Math.min(1, Math.max(0.2, (10 * FEW) / Math.max(1, clients)));
}

/** Entries whose clients are not wanted any more. */
export interface Unwanted {
  /** They go: their clients are closed between two transactions. */
  readonly leaving: readonly LeavingEntry[];
  /** How long an entry may take to leave; seconds. */
  readonly limitSeconds: number;
  /** Users who have gone: their clients are closed whatever they do. */
  readonly revoked: ReadonlySet<string>;
}

/** Silence after which a client of a database that goes is closed; seconds. */
const ENTRY_SILENCE = 2;
/** So long before an entry is cut nobody is left who can be closed between two transactions; seconds, or half of the limit. */
const ENTRY_LAST_SECONDS = 5;
/** How long those who begin a transaction wait, then, so that others end theirs; seconds. */
const DATABASE_HOLD_SECONDS = 1;
/** The same in a database that stays, for clients of a user that goes: all others wait with them. */
const USER_HOLD_SECONDS = 0.2;

/**
 * What to close of a process that goes on serving, `now` in milliseconds. By name only those of users who have gone; the
 * others while no transaction of their database can begin. Silent clients of a user that goes are closed by the process
 * itself, as its file says.
 */
export function closingOfEntries(
  clients: readonly ObservedClient[],
  { leaving, limitSeconds, revoked }: Unwanted,
  now: number,
): { readonly close: readonly string[]; readonly holds: readonly Hold[] } {
  const lastAfter = (limitSeconds - Math.min(ENTRY_LAST_SECONDS, limitSeconds / 2)) * 1000;
  // What somebody wrote by hand counts as long ago.
  const isLast = ({ since }: LeavingEntry) => !(now < Date.parse(since) + lastAfter);
  const databases = leaving.filter(({ kind }) => kind === 'Database');
  const last = new Set(databases.filter(isLast).map(({ name }) => name));
  const first = new Set(databases.map(({ name }) => name).filter((name) => !last.has(name)));
  const users = new Set(
    leaving.filter((entry) => entry.kind === 'User' && isLast(entry)).map(({ name }) => name),
  );
  const wants = ({ database, user, state, silentSeconds }: ObservedClient) =>
    last.has(database) ||
    users.has(user) ||
    (first.has(database) && state === 'idle' && silentSeconds >= ENTRY_SILENCE);
  const there = clients.filter((client) => !revoked.has(client.user));
  const names = new Set(there.filter(wants).map(({ database }) => database));
  return {
    close: clients.filter(({ user }) => revoked.has(user)).map(({ id }) => id),
    holds: [...names].sort().map((database) => ({
      database,
      wants,
      most: last.has(database) ? Number.POSITIVE_INFINITY : FEW,
      seconds: last.has(database)
        ? DATABASE_HOLD_SECONDS
        : there.some((client) => client.database === database && users.has(client.user))
          ? USER_HOLD_SECONDS
          : 0,
    })),
  };
}

function mostSilentFirst(a: ObservedClient, b: ObservedClient): number {
  return b.silentSeconds - a.silentSeconds || Number(a.id) - Number(b.id);
}
