// The lower half of the ledger: a pool divides its allotment into grants for its holders, and each grant becomes
// a file. Every output is a step that is permitted in the state that was observed; the next state permits the next.
//
// Between grant and file the same rule holds as between row and allotment (see allotments.ts), with the file's
// generation as the serial: a file may grow only with a grant whose generation it has not reached, and a grant is
// lowered only when the file has reached its generation, says less, and the process has proven it. Where there is
// no file, the ConfigMap's epoch stands for its generation: it grows whenever a file is lowered or removed, beyond
// every generation that was ever given, so that a grant of before is of no use to anybody whose view is behind.
import type { GrantRecord } from '../../api/connection-pool.ts';
import { type EntrySizes, mostOf, sizesOfProcess } from '../sizing/entries.ts';
import { podsFor } from '../sizing/pool-shares.ts';
import { splitEvenly } from '../sizing/water-fill.ts';
import { planFiles } from './files.ts';
import type { Grant } from './grant.ts';
import { planGrants } from './grants.ts';
import {
  isGuarded,
  isStranded,
  type PoolState,
  recordedEpoch,
  type Situation,
} from './situation.ts';
import {
  charge,
  fileGeneration,
  type HolderState,
  isProven,
  newestGeneration,
  type WorkloadState,
} from './state.ts';
import { currentCaps, isAtTarget } from './targets.ts';

export type { PoolState } from './situation.ts';

/** What is to be written next; each part against the resourceVersion that was read. */
export interface HolderPlan {
  /** For the pool's status. */
  readonly grants: readonly GrantRecord[];
  /** For the ConfigMap: what each holder's file must say now. Holders without a line have no file. */
  readonly files: readonly {
    readonly holder: string;
    readonly ordinal: number;
    readonly grant: Grant;
  }[];
  /**
   * Epoch that the ConfigMap, its file keys and the pod template carry: a volume older than the last lowering has no
   * such key.
   */
  readonly epoch: number;
  /** For the StatefulSet's spec.replicas. */
  readonly replicas: number;
  /** Pods that the allotment can give connections to. */
  readonly pods: number;
  /** Connections that each of those pods is to have, by ordinal. */
  readonly perPod: readonly number[];
  /** Holders whose process is asked to follow its file and has not proven it. */
  readonly unproven: readonly string[];
  /**
   * Holders whose pod is to be deleted: it has no file and cannot be given one, because nobody knows what it may still
   * run with. The one that comes for it can.
   */
  readonly stranded: readonly string[];
  /** The sum of the charges; infinite when a file cannot be read. */
  readonly charged: number;
  /** Everything is as it is to be. */
  readonly settled: boolean;
  /** With files, workload and pods as the API server has them (`PoolState.live`) this plan would go further. */
  readonly needsLive: boolean;
  /** Something free is kept until a raise can be made whole: with `PoolState.inParts` it would be given. */
  readonly withheld: boolean;
}

/**
 * The next permitted writes of one pool. Pure; the same state gives the same plan.
 *
 * Guarantees, given that grants, files and replicas are each written against what was read:
 * - the sum of the grants is raised only within the allotment, counting every holder's charge;
 * - a file never says more than its grant; a grant never falls below what its holder could have open;
 * - no cap of 0 is written: an entry has a connection or is not in the file.
 */
export function planHolders(state: PoolState): HolderPlan {
  const { live, inParts } = state;
  const plan = planWith(state, live);
  if (plan.settled) return plan;
  const proven = live ? plan : planWith(state, true);
  const further = inParts ? proven : planWith({ ...state, inParts: true }, true);
  return {
    ...plan,
    needsLive: !isSamePlan(plan, proven),
    withheld: !isSamePlan(proven, further),
  };
}

function planWith(state: PoolState, live: boolean): HolderPlan {
  const { entries, workload } = state;
  const poolSizes: EntrySizes = state.sizes ?? new Map();
  const usable = Math.min(state.allotment, mostOf(entries, poolSizes));
  const pods = podsFor(usable, state.pods, entries.length);
  const perPod = pods === 0 ? [] : splitEvenly(usable, pods);
  const holders = withMissing(state, pods);
  const target = (h: HolderState) => (h.ordinal < pods ? (perPod[h.ordinal] ?? 0) : 0);
  const epochNow = Math.max(
    state.fileEpoch,
    workload?.epoch ?? 0,
    ...holders.map((h) => h.pod?.epoch ?? 0),
  );
  const newest = Math.max(epochNow, ...holders.map(newestGeneration));
  const perIndex = perPod.map((_, index) => sizesOfProcess(poolSizes, index, pods));
  const sizes = (h: HolderState) => perIndex[h.ordinal] ?? poolSizes;
  const situation = { state, live, pods, holders, target, sizes, epochNow, newest };

  const grants = planGrants(situation);
  const files = planFiles(situation);
  const epoch = isLowering(situation, files) ? newest + 1 : epochNow;
  const replicas = nextReplicas(holders, pods, workload);
  const unproven = holders
    .filter((h) => h.pod !== undefined && h.file !== undefined && !isProven(h))
    .map((h) => h.name);
  return {
    grants,
    files,
    epoch,
    replicas,
    pods,
    perPod,
    unproven,
    stranded: holders
      .filter((h) => isGuarded(situation) && state.mayRaise && target(h) > 0)
      .filter((h) => h.pod?.terminating === false && isStranded(h, situation))
      .map((h) => h.name),
    charged: holders.reduce((total, h) => total + charge(h), 0),
    settled:
      unproven.length === 0 &&
      holders.every(
        (h) =>
          (h.grant?.connections ?? 0) === target(h) &&
          (h.grant?.generation ?? 0) <= fileGeneration(h) &&
          isAtTarget(h, target(h), entries, sizes(h)),
      ) &&
      (workload?.replicas ?? 0) === pods,
    needsLive: false,
    withheld: false,
  };
}

/** The known holders and those that are to come, by ordinal. */
function withMissing(state: PoolState, pods: number): HolderState[] {
  const known = new Set(state.holders.map((h) => h.ordinal));
  const missing = Array.from({ length: pods }, (_, ordinal) => ordinal)
    .filter((ordinal) => !known.has(ordinal))
    .map((ordinal) => ({ name: state.nameOf(ordinal), ordinal, asked: true }));
  return [...state.holders, ...missing].sort(
    (a, b) => a.ordinal - b.ordinal || (a.name < b.name ? -1 : 1),
  );
}

/** A file becomes smaller or goes, or a grant that was never used is called back. */
function isLowering(
  { state, holders, target }: Situation,
  files: readonly { readonly holder: string; readonly grant: Grant }[],
): boolean {
  const next = new Map(files.map((f) => [f.holder, f.grant]));
  return holders.some((h) => {
    const grant = next.get(h.name);
    if (h.file === undefined) {
      const unused = h.grant !== undefined && h.grant.generation > recordedEpoch(state);
      return grant === undefined && unused && target(h) === 0;
    }
    if (grant === undefined || h.file === 'unreadable') return true;
    const caps = new Map(grant.caps.map((c) => [c.name, c.connections]));
    return currentCaps(h).some((c) => (caps.get(c.name) ?? 0) < c.connections);
  });
}

/**
 * Pods for every leading ordinal that has a file, since a pod without one would not start; never fewer than there
 * are, because a file that was lost is written again under the running pods.
 */
function nextReplicas(
  holders: readonly HolderState[],
  pods: number,
  workload: WorkloadState | undefined,
): number {
  let replicas = Math.min(pods, workload?.replicas ?? 0);
  while (replicas < pods && holders.some((h) => h.ordinal === replicas && h.file !== undefined))
    replicas += 1;
  return replicas;
}

function isSamePlan(a: HolderPlan, b: HolderPlan): boolean {
  const written = ({ grants, files, epoch, replicas, stranded }: HolderPlan) =>
    JSON.stringify([grants, files, epoch, replicas, stranded]);
  return written(a) === written(b);
}
