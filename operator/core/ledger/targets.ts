// What a holder is to have in the end, and what its file says now, by entry of the axis.
import type { CapEntry } from '../../engines/engine.ts';
import type { EntrySizes } from '../sizing/entries.ts';
import { waterFill } from '../sizing/water-fill.ts';
import type { HolderState } from './state.ts';

/**
 * `total` connections of one process over the entries, by their sizes in it: each has one at least, and together they
 * have no more than `total`. Nothing where there is not one for each.
 */
export function targetCaps(
  total: number,
  entries: readonly string[],
  sizes: EntrySizes = new Map(),
): Map<string, number> {
  if (entries.length === 0 || total < entries.length) return new Map();
  const shares = waterFill(
    total,
    entries.map((id) => {
      const { weight = 1, max = total } = sizes.get(id) ?? {};
      return { id, weight, min: 1, max };
    }),
  );
  return new Map(entries.map((name) => [name, shares.get(name) ?? 0]));
}

/** Connections by entry. */
export function mapOf(caps: readonly CapEntry[]): Map<string, number> {
  return new Map(caps.map(({ name, connections }) => [name, connections]));
}

/** In the order of their names. */
export function capsOf(map: ReadonlyMap<string, number>): CapEntry[] {
  return [...map]
    .map(([name, connections]) => ({ name, connections }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function currentCaps(holder: HolderState): readonly CapEntry[] {
  return holder.file === undefined || holder.file === 'unreadable' ? [] : holder.file.caps;
}

/** Whether the file says exactly what it is to say in the end. */
export function isAtTarget(
  holder: HolderState,
  total: number,
  entries: readonly string[],
  sizes: EntrySizes,
): boolean {
  if (holder.file === 'unreadable') return false;
  const goal = targetCaps(total, entries, sizes);
  const now = currentCaps(holder);
  return now.length === goal.size && now.every((c) => goal.get(c.name) === c.connections);
}
