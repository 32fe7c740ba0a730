// What a holder is to have in the end, and what its file says now, by entry of the axis.
import type { CapEntry } from '../../engines/engine.ts';
import { splitEvenly } from '../sizing/water-fill.ts';
import type { HolderState } from './state.ts';

/** `total` connections over the entries; nothing where there is not one for each. */
export function targetCaps(total: number, entries: readonly string[]): Map<string, number> {
  if (entries.length === 0 || total < entries.length) return new Map();
  const parts = splitEvenly(total, entries.length);
  return new Map(entries.map((name, i) => [name, parts[i] ?? 0]));
}

export function currentCaps(holder: HolderState): readonly CapEntry[] {
  return holder.file === undefined || holder.file === 'unreadable' ? [] : holder.file.caps;
}

/** Whether the file says exactly what it is to say in the end. */
export function isAtTarget(
  holder: HolderState,
  total: number,
  entries: readonly string[],
): boolean {
  if (holder.file === 'unreadable') return false;
  const goal = targetCaps(total, entries);
  const now = currentCaps(holder);
  return now.length === goal.size && now.every((c) => goal.get(c.name) === c.connections);
}
