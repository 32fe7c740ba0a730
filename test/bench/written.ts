// Which pool a write was for, and whether it was called for.
import type { Written } from '../control-plane/audit.ts';
import type { PlainObject } from './plain-client.ts';

/** How many writes there were, by `verb resource`, most frequent first: `patch configmaps 5, …`. */
export function byKind(writes: readonly Written[]): string {
  const kinds = Map.groupBy(
    writes,
    ({ verb, resource, subresource }) =>
      `${verb} ${resource}${subresource === '' ? '' : `/${subresource}`}`,
  );
  return [...kinds]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([kind, { length }]) => `${kind} ${length}`)
    .join(', ');
}

/** Writes to pools, or to objects of pools, other than `changed`. The names of a pool's objects begin with its own. */
export function uncalledFor(
  writes: readonly Written[],
  pools: readonly string[],
  changed: ReadonlySet<string>,
): Written[] {
  return writes.filter(({ name }) => {
    const pool = pools.find((one) => name === one || name.startsWith(`${one}-`));
    return pool !== undefined && !changed.has(pool);
  });
}

/** All numbers in a pool's status that say what it has; equal texts, equal numbers. */
export function numbersOf(pool: PlainObject): string {
  const { sizing, allotment, grants } = (pool.status ?? {}) as {
    sizing?: { budget?: number; share?: number; perPod?: number[]; maxClientConn?: number };
    allotment?: { connections: number };
    grants?: { holder: string; connections: number }[];
  };
  const { budget, share, perPod, maxClientConn } = sizing ?? {};
  return JSON.stringify([
    [budget, share, perPod, maxClientConn],
    allotment?.connections,
    (grants ?? []).map(({ holder, connections }) => [holder, connections]),
  ]);
}

/** Names of the pools whose numbers differ between two lists, those of only one list included. */
export function changedPools(
  before: readonly PlainObject[],
  after: readonly PlainObject[],
): Set<string> {
  const of = (pools: readonly PlainObject[]) =>
    new Map(pools.map((pool) => [pool.metadata.name, numbersOf(pool)]));
  const [old, now] = [of(before), of(after)];
  return new Set([...old.keys(), ...now.keys()].filter((name) => old.get(name) !== now.get(name)));
}
