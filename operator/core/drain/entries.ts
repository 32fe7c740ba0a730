// Databases and users that the spec names no more, but the files do: PgBouncer cuts the clients of a database that goes
// from its file, so an entry stays until its clients have left, with its caps and with its door closed; at most as
// long as a pod may be drained.
import type { LeavingEntry } from '../../api/connection-pool.ts';
import type { CapAxis, DatabaseEntry, Engine } from '../../engines/engine.ts';

export interface EntriesInput {
  /** What was written down as leaving before. */
  readonly before: readonly LeavingEntry[];
  /** Names in the spec. */
  readonly wanted: { readonly databases: ReadonlySet<string>; readonly users: ReadonlySet<string> };
  /** Names in any file of the pool. */
  readonly written: {
    readonly databases: ReadonlySet<string>;
    readonly users: ReadonlySet<string>;
  };
  /** Clients in all processes, counted when no new ones could come; undefined: not known. */
  readonly clients: (entry: LeavingEntry) => number | undefined;
  /** The kind that the caps are for, and for how many entries of it each pod has a connection. */
  readonly axis: CapAxis;
  readonly places: number;
  /** Milliseconds, and the same in RFC 3339. */
  readonly now: number;
  readonly nowText: string;
  readonly limitSeconds: number;
}

export interface EntriesPlan {
  /** To be written down before the files are; sorted. An entry is in it until the files are without it. */
  readonly record: readonly LeavingEntry[];
  /** Those of the record that the files are to keep for now. */
  readonly leaving: readonly LeavingEntry[];
  /** Entries of the spec, of the kind that the caps are for, that come into the files when others have left; sorted. */
  readonly waiting: readonly string[];
  /** Entries that leave the files although they may have clients: their time is over, or there is no place for them. */
  readonly cut: readonly LeavingEntry[];
  /** When these come at the latest, in milliseconds; absent when none waits. */
  readonly until?: number;
  /** Seconds until a limit is over; absent when none leaves. */
  readonly nextSeconds?: number;
}

/**
 * Pure. An entry that comes back into the spec is like any other again. Places go first to entries of the spec that the
 * files have, then to those that leave, who lose them when their time is over, then to those that are new.
 */
export function planEntries(input: EntriesInput): EntriesPlan {
  const { before, wanted, written, axis, limitSeconds } = input;
  const known = new Map(before.map((entry) => [keyOf(entry), entry]));
  const found = [
    ...[...written.databases]
      .filter((name) => !wanted.databases.has(name))
      .map((name) => ({ kind: 'Database' as const, name })),
    ...[...written.users]
      .filter((name) => !wanted.users.has(name))
      .map((name) => ({ kind: 'User' as const, name })),
  ].map((entry) => known.get(keyOf(entry)) ?? { ...entry, since: input.nowText });
  const occupied = found.filter((entry) => input.clients(entry) !== 0);
  const still = occupied.filter((entry) => limitSeconds > 0 && input.now < endOf(entry, input));
  // Those that leave already keep their place; which of the others has one follows from their names.
  const sorted = still.sort(
    (a, b) => Number(known.has(keyOf(b))) - Number(known.has(keyOf(a))) || order(a, b),
  );
  const [asked, there] =
    axis === 'database' ? [wanted.databases, written.databases] : [wanted.users, written.users];
  const comes = [...asked].filter((name) => !there.has(name)).sort();
  let places = input.places - (asked.size - comes.length);
  const leaving = sorted
    .filter(({ kind }) => kind.toLowerCase() !== axis || places-- > 0)
    .sort(order);
  const stays = new Set(leaving.map(keyOf));
  const ends = leaving.map((entry) => endOf(entry, input));
  const inTheWay = leaving.filter(({ kind }) => kind.toLowerCase() === axis);
  // Without anybody to wait for, what does not fit is the budget's affair.
  const waiting = inTheWay.length === 0 ? [] : comes.slice(Math.max(0, places));
  return {
    record: found.filter((entry) => known.has(keyOf(entry)) || stays.has(keyOf(entry))).sort(order),
    leaving,
    waiting,
    cut: occupied.filter((entry) => !stays.has(keyOf(entry))).sort(order),
    ...(waiting.length === 0
      ? {}
      : { until: Math.max(...inTheWay.map((entry) => endOf(entry, input))) }),
    ...(ends.length === 0
      ? {}
      : { nextSeconds: Math.max(0.1, (Math.min(...ends) - input.now) / 1000) }),
  };
}

/** For how many entries each of `processes` has a connection, of `connections` for all. */
export function placesFor(connections: number, processes: number): number {
  return processes === 0 ? 0 : Math.floor(connections / processes);
}

export interface WrittenEntries {
  /** With the names that they have on the server. */
  readonly databases: ReadonlyMap<string, DatabaseEntry>;
  readonly users: ReadonlySet<string>;
  readonly axes: ReadonlySet<CapAxis>;
}

/** What a pool's files say; those that cannot be read say nothing. */
export function writtenEntries(
  texts: readonly string[],
  read: Engine['entriesOf'],
): WrittenEntries {
  const files = texts.map(read).filter((file) => file !== undefined);
  return {
    databases: new Map(files.flatMap((file) => file.databases.map((d) => [d.name, d] as const))),
    users: new Set(files.flatMap((file) => file.users)),
    axes: new Set(files.map((file) => file.axis)),
  };
}

export function keyOf({ kind, name }: Pick<LeavingEntry, 'kind' | 'name'>): string {
  return `${kind} ${name}`;
}

function endOf({ since }: LeavingEntry, { limitSeconds }: EntriesInput): number {
  const from = Date.parse(since);
  // What somebody wrote by hand counts as long ago.
  return (Number.isFinite(from) ? from : 0) + limitSeconds * 1000;
}

function order(a: LeavingEntry, b: LeavingEntry): number {
  return keyOf(a) < keyOf(b) ? -1 : 1;
}
