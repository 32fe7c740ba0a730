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
import { fleetFor } from '../sizing/pool-shares.ts';
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
import { currentCaps, isAtTarget, mapOf } from './targets.ts';

export type { PoolState } from './situation.ts';

/** What is to be written next; each part against the resourceVersion that was read. */
export interface HolderPlan {
  /** For the pool's status. */
  readonly grants: readonly GrantRecord[];
  /** For the ConfigMap: what each holder's file must say now. Holders without a line have no file. */
  readonly files: readonly {
    readonly holder: string;
    readonly ordinal: number;
    readonly process: number;
    readonly grant: Grant;
  }[];
  /**
   * Epoch that the ConfigMap, its file keys and the pod template carry: a volume older than the last lowering has no
   * such key.
   */
  readonly epoch: number;
  /** For the StatefulSet's spec.replicas. */
  readonly replicas: number;
  /** For its template: pooler processes, one a container. */
  readonly processes: number;
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
  const { pods, processes } = fleetFor(usable, {
    pods: state.pods,
    processes: state.processes ?? 1,
    entries: entries.length,
  });
  const perPod = pods === 0 ? [] : splitEvenly(usable, pods);
  const holders = withMissing(state, pods, processes);
  const running = perPod.map((_, ordinal) => madeWith(holders, ordinal) ?? processes);
  const parts = perPod.map((connections, ordinal) =>
    partsOf(connections, processes, running[ordinal] ?? processes, entries.length),
  );
  const target = (h: HolderState) => parts[h.ordinal]?.[h.process] ?? 0;
  const epochNow = Math.max(
    state.fileEpoch,
    workload?.epoch ?? 0,
    ...holders.map((h) => h.pod?.epoch ?? 0),
  );
  const newest = Math.max(epochNow, ...holders.map(newestGeneration));
  const sizesOf = new Map(
    holders.flatMap((h) => {
      const count = pods * Math.max(processes, running[h.ordinal] ?? 0);
      const index = h.process * pods + h.ordinal;
      return h.ordinal < pods && index < count
        ? [[h, sizesOfProcess(poolSizes, index, count)] as const]
        : [];
    }),
  );
  const sizes = (h: HolderState) => sizesOf.get(h) ?? poolSizes;
  const situation = { state, live, pods, processes, holders, target, sizes, epochNow, newest };

  const grants = planGrants(situation);
  const files = planFiles(situation);
  const epoch = isLowering(situation, files) ? newest + 1 : epochNow;
  const inTemplate = nextProcesses(holders, pods, processes, workload);
  const replicas = nextReplicas(holders, pods, inTemplate, workload);
  const unproven = holders
    .filter((h) => h.pod !== undefined && h.file !== undefined && !isProven(h))
    .map((h) => h.name);
  return {
    grants,
    files,
    epoch,
    replicas,
    processes: inTemplate,
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
      (workload?.replicas ?? 0) === pods &&
      (workload?.processes ?? processes) === processes,
    needsLive: false,
    withheld: false,
  };
}

/** The known holders and those that are to come, by ordinal and process. */
function withMissing(state: PoolState, pods: number, processes: number): HolderState[] {
  const known = new Set(state.holders.map((h) => `${h.ordinal} ${h.process}`));
  const missing = Array.from({ length: pods * processes }, (_, index) => ({
    ordinal: Math.floor(index / processes),
    process: index % processes,
  }))
    .filter(({ ordinal, process }) => !known.has(`${ordinal} ${process}`))
    .map((one) => ({ name: state.nameOf(one.ordinal, one.process), ...one, asked: true }));
  return [...state.holders, ...missing].sort(
    (a, b) => a.ordinal - b.ordinal || a.process - b.process || (a.name < b.name ? -1 : 1),
  );
}

/** Processes of the pod that is there; every pod has a process 0. */
function madeWith(holders: readonly HolderState[], ordinal: number): number | undefined {
  return holders.find((h) => h.ordinal === ordinal && h.process === 0)?.pod?.processes;
}

/**
 * What each process of a pod is to have. Until a pod is replaced it has the processes that it was made with, and these
 * share what is for it: those that are yet to come have what they need to start, and those that are to go keep theirs.
 * So a change of their number costs a pool no connections while its pods are replaced.
 */
function partsOf(
  connections: number,
  processes: number,
  running: number,
  entries: number,
): readonly number[] {
  const most = Math.max(processes, running);
  if (connections < most * entries) return splitEvenly(connections, processes);
  const coming = Math.max(0, processes - running);
  const waits = Array.from({ length: coming }, () => entries);
  return [...splitEvenly(connections - coming * entries, most - coming), ...waits];
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
    const caps = mapOf(grant.caps);
    return currentCaps(h).some((c) => (caps.get(c.name) ?? 0) < c.connections);
  });
}

/**
 * Pods for every leading ordinal whose processes all have files, since a process without one would not start; never
 * fewer than there are, because a file that was lost is written again under the running pods.
 */
function nextReplicas(
  holders: readonly HolderState[],
  pods: number,
  processes: number,
  workload: WorkloadState | undefined,
): number {
  let replicas = Math.min(pods, workload?.replicas ?? 0);
  while (replicas < pods && hasFiles(holders, replicas, processes)) replicas += 1;
  return replicas;
}

/**
 * Processes of the template: more only when every pod that may come from it finds a file for each, fewer at once,
 * because nothing of theirs is given back before the pods that have them are gone.
 */
function nextProcesses(
  holders: readonly HolderState[],
  pods: number,
  processes: number,
  workload: WorkloadState | undefined,
): number {
  if (workload === undefined || processes <= workload.processes) return processes;
  const ordinals = Array.from({ length: Math.min(pods, workload.replicas) }, (_, i) => i);
  return ordinals.every((ordinal) => hasFiles(holders, ordinal, processes))
    ? processes
    : workload.processes;
}

function hasFiles(holders: readonly HolderState[], ordinal: number, processes: number): boolean {
  const files = holders.filter((h) => h.ordinal === ordinal && h.file !== undefined);
  return files.filter((h) => h.process < processes).length === processes;
}

function isSamePlan(a: HolderPlan, b: HolderPlan): boolean {
  const written = ({ grants, files, epoch, replicas, processes, stranded }: HolderPlan) =>
    JSON.stringify([grants, files, epoch, replicas, processes, stranded]);
  return written(a) === written(b);
}
