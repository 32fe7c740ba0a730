// What a pool's databases say about sizes and modes of their own.
import type { ConnectionPoolSpec } from '../../api/connection-pool.ts';

/** How one entry of the axis shares what a pool or one of its processes has. */
export interface EntrySize {
  /** Relative to the other entries; 1 where nothing is said. */
  readonly weight: number;
  /** Connections at most; at least 1. */
  readonly max?: number;
}

/** By entry; one that is not in it has weight 1 and no max. */
export type EntrySizes = ReadonlyMap<string, EntrySize>;

type Asked = Pick<ConnectionPoolSpec, 'databases' | 'mode' | 'sizing'>;

/** Sizes for the whole pool. Empty where connections are counted by user, who have no sizes. */
export function entrySizes({ databases }: Pick<Asked, 'databases'>): EntrySizes {
  return new Map(
    databases
      .filter(({ name, weight, max }) => name !== '*' && (weight ?? max) !== undefined)
      .map(({ name, weight = 1, max }) => [
        name,
        { weight, ...(max === undefined ? {} : { max }) },
      ]),
  );
}

/** What entries can use together; infinite when one of them has no max. */
export function mostOf(entries: readonly string[], sizes: EntrySizes): number {
  return entries.reduce((sum, name) => sum + (sizes.get(name)?.max ?? Number.POSITIVE_INFINITY), 0);
}

/** The most that the pool can use: its own max, and that of its databases where each of them has one. */
export function poolMax({ databases, sizing }: Omit<Asked, 'mode'>): number | undefined {
  const names = databases.map(({ name }) => name);
  const most = Math.min(
    sizing.max ?? Number.POSITIVE_INFINITY,
    mostOf(names, entrySizes({ databases })),
  );
  return Number.isFinite(most) ? most : undefined;
}

/**
 * Whether clients hold connections while they are idle. A pool of which only some databases are in session mode counts
 * with the others: its connections stay within the optimum.
 */
export function isSessionPool({ databases, mode }: Omit<Asked, 'sizing'>): boolean {
  return databases.every((database) => (database.mode ?? mode) === 'session');
}

/**
 * The part of one process out of `count`, of which it is number `index`: every max is divided over them, and what is
 * left over goes round, so that all of them together have exactly what the pool has. At least 1 each, because each
 * process needs a connection for each entry.
 */
export function sizesOfProcess(sizes: EntrySizes, index: number, count: number): EntrySizes {
  let before = 0;
  const upTo = (n: number) => Math.max(0, Math.ceil((n - index) / count));
  const sorted = [...sizes].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    sorted.map(([name, { weight, max }]) => {
      if (max === undefined) return [name, { weight }];
      const part = upTo(before + max) - upTo(before);
      before += max;
      return [name, { weight, max: Math.max(1, part) }];
    }),
  );
}
