// The grants of one pool as they may be written now: every permitted lowering, then every permitted raise.
import type { GrantRecord } from '../../api/connection-pool.ts';
import type { EntrySizes } from '../sizing/entries.ts';
import { isGone, isGuarded, isStranded, recordedEpoch, type Situation } from './situation.ts';
import { charge, fileGeneration, type HolderState, held, isConfirmed, isProven } from './state.ts';
import { currentCaps, isAtTarget, targetCaps } from './targets.ts';

interface Numbers {
  readonly connections: number;
  readonly generation: number;
}

/** Lowest ordinal first, and of a pod's processes the lowest. */
export function planGrants(situation: Situation): GrantRecord[] {
  const { state, holders, target, newest, sizes } = situation;
  const { entries } = state;
  // While others give back, only a whole raise: a part would be written to be written again.
  const onlyWhole =
    !state.inParts && holders.some((h) => isToShrink(h, target(h), entries, sizes(h)));
  const kept = holders.map((h) => ({ holder: h, grant: loweredGrant(h, situation) }));
  let free =
    state.allotment -
    kept.reduce((total, k) => total + Math.max(k.grant?.connections ?? 0, held(k.holder)), 0);
  return kept.flatMap(({ holder, grant }) => {
    const now = Math.max(grant?.connections ?? 0, held(holder));
    const goal = target(holder);
    const rest = grant === undefined ? [] : [{ holder: holder.name, ...grant }];
    if (
      goal === 0 ||
      isAtTarget(holder, goal, entries, sizes(holder)) ||
      !isUsed(holder, grant, situation)
    )
      return rest;
    if (!state.mayRaise || !canGrow(holder, situation)) return rest;
    const wanted = Math.max(0, goal - now);
    const given = onlyWhole ? (wanted <= free ? wanted : 0) : Math.min(wanted, Math.max(0, free));
    const connections = now + given;
    const gains = connections > total(holder) || holder.file === undefined;
    if (!gains || connections < entries.length) return rest;
    free -= given;
    return [{ holder: holder.name, connections, generation: newest + 1 }];
  });
}

function total(holder: HolderState): number {
  return currentCaps(holder).reduce((sum, c) => sum + c.connections, 0);
}

/**
 * The grant has become a file, or was handed back: only a new generation can raise the file. One that the file cannot
 * use, because it says as much already or entries were added since, is as good as used.
 */
function isUsed(holder: HolderState, grant: Numbers | undefined, situation: Situation): boolean {
  if (grant === undefined) return true;
  const { state, epochNow } = situation;
  if (holder.file === undefined)
    return epochNow >= grant.generation || grant.connections < state.entries.length;
  return fileGeneration(holder) >= grant.generation || grant.connections <= total(holder);
}

function isToShrink(
  holder: HolderState,
  target: number,
  entries: readonly string[],
  sizes: EntrySizes,
): boolean {
  if (holder.file === undefined && holder.grant === undefined && holder.pod === undefined)
    return false;
  const caps = targetCaps(target, entries, sizes);
  return (
    charge(holder) > target ||
    currentCaps(holder).some((c) => c.connections > (caps.get(c.name) ?? 0))
  );
}

/**
 * A holder whose file may be raised: what runs has proven its file, or nothing runs and nothing older can start.
 * Capacity is not locked in a pod that nobody can reach.
 */
export function canGrow(holder: HolderState, situation: Situation): boolean {
  const { file, pod } = holder;
  if (file === 'unreadable' || pod?.terminating === true) return false;
  if (file !== undefined) return isGuarded(situation) && (pod === undefined || isProven(holder));
  // Until the first lowering no holder without a file has ever had one.
  if (recordedEpoch(situation.state) === 0) return true;
  return isGuarded(situation) && !isStranded(holder, situation);
}

/** The grant as it may be written now: lowered as far as it is proven that nobody can use it. */
function loweredGrant(holder: HolderState, situation: Situation): Numbers | undefined {
  const { state, target } = situation;
  const { grant, file, pod } = holder;
  const goal = target(holder);
  if (grant === undefined) {
    // Written down before anything else: a grant that was lost, or a pod or a file that came from elsewhere. What a
    // cache shows may be the file of a grant that was released since.
    const connections = held(holder);
    return situation.live && connections > 0 && Number.isFinite(connections)
      ? { connections, generation: fileGeneration(holder) }
      : undefined;
  }
  if (file === undefined) {
    // Released: the ConfigMap's epoch has called it back, no pod is there, none can come. Otherwise the file is
    // missing because it is yet to be written.
    const calledBack = recordedEpoch(state) >= grant.generation;
    const released = goal === 0 && calledBack && isGone(holder, situation) && isGuarded(situation);
    return released ? undefined : grant;
  }
  const returned = fileGeneration(holder) >= grant.generation;
  const proven = pod === undefined || isConfirmed(holder);
  if (grant.connections <= goal || !returned || !proven || !isGuarded(situation)) return grant;
  const connections = Math.max(goal, held(holder));
  return connections < grant.connections ? { ...grant, connections } : grant;
}
