// Everything about one pool that its grants and files are decided from, and the questions that both ask.
import type { EntrySizes } from '../sizing/entries.ts';
import type { HolderState, WorkloadState } from './state.ts';

export interface PoolState {
  /** Connections that the pool has taken of its row: the ceiling of everything here. */
  readonly allotment: number;
  /** Pods that the spec asks for. */
  readonly pods: number;
  /** Processes in each of them that the spec asks for; absent: 1. */
  readonly processes?: number;
  /** Entries of the axis, sorted: each holder needs a connection for each. */
  readonly entries: readonly string[];
  /** How the entries share what the pool has; absent: evenly. */
  readonly sizes?: EntrySizes;
  /** Every holder of which anything exists: a grant, a file, a pod. */
  readonly holders: readonly HolderState[];
  /** Absent before the StatefulSet is made. */
  readonly workload?: WorkloadState;
  /** Epoch that the ConfigMap was last written with (the newest of its file keys where it says none); 0 without one. */
  readonly fileEpoch: number;
  /** Names the holder of an ordinal and a process of it. */
  readonly nameOf: (ordinal: number, process: number) => string;
  /** Stores are in sync and every live holder was asked once. */
  readonly mayRaise: boolean;
  /**
   * False: files, workload and pods are from caches, which may be behind, each by itself. True: they were read from
   * the API server, after the pool and in this order. Only then is a proof that a pod is not there, that it is the
   * same as before, or that a file has no grant; without it no capacity is taken back.
   */
  readonly live: boolean;
  /**
   * Raises need not be whole while other holders give back. For those who have waited long: a holder on a lost node, or
   * a client in session mode, gives back when it likes.
   */
  readonly inParts: boolean;
}

/** One pool with everything that its grants and files are decided from. */
export interface Situation {
  readonly state: PoolState;
  readonly live: boolean;
  /** Pods that the allotment can give connections to. */
  readonly pods: number;
  /** Processes of each pod that the allotment can give connections to. */
  readonly processes: number;
  /** The known holders and those that are to come, by ordinal and process. */
  readonly holders: readonly HolderState[];
  /** Connections that a holder is to have. */
  readonly target: (holder: HolderState) => number;
  /** How its entries share them. */
  readonly sizes: (holder: HolderState) => EntrySizes;
  /** The newest epoch that anything carries. */
  readonly epochNow: number;
  /** The newest epoch or generation that anything carries. */
  readonly newest: number;
}

/**
 * The epoch that is written down: a grant of this generation or an older one is called back, because the ConfigMap has
 * been written since. The template follows the ConfigMap, so it is a witness too.
 */
export function recordedEpoch({ fileEpoch, workload }: PoolState): number {
  return Math.max(fileEpoch, workload?.epoch ?? 0);
}

/**
 * No pod with this holder's process is there, and none can come: the workload has no such ordinal, or no such process
 * in its template, and its controller knows. A workload that is not there says nothing, because somebody may be about
 * to make it.
 */
export function isGone(
  { ordinal, process, pod }: HolderState,
  { state, live }: Situation,
): boolean {
  const { workload } = state;
  const over =
    workload?.seen === true && (workload.replicas <= ordinal || workload.processes <= process);
  return live && pod === undefined && over;
}

/**
 * From here on no pod can start with a file that says more than the present one: the template asks for a key that no
 * older volume has, its controller knows that, and the pods of before are all in view.
 */
export function isGuarded({ state, live }: Situation): boolean {
  const { workload, fileEpoch } = state;
  return live && workload?.seen === true && workload.epoch >= fileEpoch;
}

/**
 * A pod without a file whose template is older than the epoch: it may have started with the file that was there
 * before, or may yet do so with an old volume, and its console does not say.
 */
export function isStranded(holder: HolderState, { state }: Situation): boolean {
  const { file, pod, observation } = holder;
  if (pod === undefined || file !== undefined || observation?.podUid === pod.uid) return false;
  return pod.epoch < recordedEpoch(state);
}
