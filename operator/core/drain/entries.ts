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
  /** The kind that the caps are for, and for how many entries that leave the pods have a connection each. */
  readonly axis: CapAxis;
  readonly room: number;
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
  /** Seconds until a limit is over; absent when none leaves. */
  readonly nextSeconds?: number;
}

/** Pure. An entry that comes back into the spec is like any other again. */
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
  const still = found.filter(
    (entry) => limitSeconds > 0 && input.now < endOf(entry, input) && input.clients(entry) !== 0,
  );
  // Those that leave already keep their place; which of the others has one follows from their names.
  const sorted = still.sort(
    (a, b) => Number(known.has(keyOf(b))) - Number(known.has(keyOf(a))) || order(a, b),
  );
  let room = input.room;
  const leaving = sorted
    .filter(({ kind }) => kind.toLowerCase() !== axis || room-- > 0)
    .sort(order);
  const stays = new Set(leaving.map(keyOf));
  const ends = leaving.map((entry) => endOf(entry, input) - input.now);
  return {
    record: found.filter((entry) => known.has(keyOf(entry)) || stays.has(keyOf(entry))).sort(order),
    leaving,
    ...(ends.length === 0 ? {} : { nextSeconds: Math.max(0.1, Math.min(...ends) / 1000) }),
  };
}

/** How many entries besides `entries` each of `pods` can give a connection to, of `connections` for all. */
export function roomFor(connections: number, pods: number, entries: number): number {
  return pods === 0 ? 0 : Math.max(0, Math.floor(connections / pods) - entries);
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
