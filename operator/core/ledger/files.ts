// What the file of each holder of one pool must say now.
import { type Grant, makeGrant } from './grant.ts';
import { canGrow } from './grants.ts';
import { isGone, type Situation } from './situation.ts';
import { type HolderState, newestGeneration } from './state.ts';
import { capsOf, currentCaps, mapOf, targetCaps } from './targets.ts';

export interface PlannedFile {
  readonly holder: string;
  readonly ordinal: number;
  readonly process: number;
  readonly grant: Grant;
}

/** Holders without a line are to have no file. */
export function planFiles(situation: Situation): PlannedFile[] {
  return situation.holders.flatMap((h) => {
    const grant = nextFile(h, situation);
    const { name, ordinal, process } = h;
    return grant === undefined ? [] : [{ holder: name, ordinal, process, grant }];
  });
}

function nextFile(holder: HolderState, situation: Situation): Grant | undefined {
  const { state, target, epochNow } = situation;
  const sizes = situation.sizes(holder);
  const { entries } = state;
  const { grant } = holder;
  const total = target(holder);
  // Replicas (or the template's processes) lowered and seen, pod gone: the file can go, and after it the grant.
  if (total === 0 && isGone(holder, situation)) return undefined;
  const goal = targetCaps(total, entries, sizes);
  if (holder.file === undefined) {
    // The first file: only once its grant is written down, and was not called back. A pod that runs without a file
    // of ours stays without.
    if (grant === undefined || grant.generation <= epochNow) return undefined;
    if (!canGrow(holder, situation)) return undefined;
    if (grant.connections < entries.length || total === 0) return undefined;
    const first = targetCaps(Math.min(total, grant.connections), entries, sizes);
    const seen = holder.pod === undefined ? undefined : holder.observation;
    if (seen === undefined) return makeGrant(capsOf(first), grant.generation);
    // The file was lost under a running process, which still has its caps.
    const safe = grown(new Map(), first, holder, grant.connections);
    return safe.size === 0
      ? undefined
      : makeGrant(capsOf(safe), Math.max(grant.generation, seen.generation + 1));
  }
  // A file that cannot be read is written anew with what the grant allows, smallest first.
  const now = mapOf(currentCaps(holder));
  if (holder.file === 'unreadable') {
    const allowed = Math.max(0, Math.min(total, grant?.connections ?? 0));
    return allowed < entries.length
      ? undefined
      : makeGrant(capsOf(targetCaps(allowed, entries, sizes)), newestGeneration(holder) + 1);
  }
  // A holder that is going keeps serving with its smallest caps: its clients finish.
  const floor = total === 0 ? targetCaps(entries.length, entries, sizes) : goal;
  const lower = new Map(
    [...now].flatMap(([name, n]) =>
      floor.has(name) ? [[name, Math.min(n, floor.get(name) ?? n)] as const] : [],
    ),
  );
  const isNew = grant !== undefined && grant.generation > holder.file.generation;
  const mayGrow = isNew && canGrow(holder, situation);
  const next = mayGrow ? grown(lower, goal, holder, grant.connections) : lower;
  const changed = next.size !== now.size || [...next].some(([name, n]) => now.get(name) !== n);
  // A grant that was given and is not to be used is handed back by a file of its generation.
  const handBack = isNew && grant.connections > total;
  if (!changed && !handBack) return makeGrant(holder.file.caps, holder.file.generation);
  const generation = mayGrow || handBack ? (grant?.generation ?? 0) : holder.file.generation + 1;
  return makeGrant(capsOf(next), generation);
}

/**
 * Caps raised towards the goal while the worst that can be open stays within the grant: an entry counts with the
 * most of its cap, what the process runs with and what it holds.
 */
function grown(
  lower: ReadonlyMap<string, number>,
  goal: ReadonlyMap<string, number>,
  holder: HolderState,
  grant: number,
): Map<string, number> {
  const open = new Map<string, number>(lower);
  const live =
    holder.pod === undefined
      ? []
      : [...(holder.observation?.caps ?? []), ...(holder.observation?.sessions ?? [])];
  for (const { name, connections } of live) {
    open.set(name, Math.max(open.get(name) ?? 0, connections));
  }
  let free = grant - [...open.values()].reduce((a, b) => a + b, 0);
  const next = new Map(lower);
  for (const [name, wanted] of goal) {
    const base = open.get(name) ?? 0;
    const raise = Math.max(0, Math.min(wanted - base, free));
    const value = Math.min(wanted, base + raise);
    if (value > (next.get(name) ?? 0)) {
      next.set(name, value);
      free -= raise;
    }
  }
  return next;
}
