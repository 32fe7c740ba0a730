// What the ledger's decisions are made from: what is written down, and what was observed.
import type { CapEntry } from '../../engines/engine.ts';

/** A holder's file as it is in the ConfigMap; 'unreadable' may say anything, so its charge is unknown. */
export type FileState =
  | {
      readonly generation: number;
      /**
       * What a process shows that runs with it: names its generation and its content. Undefined where the holder has
       * several texts that differ, so that no process can be said to run with them.
       */
      readonly revision: string | undefined;
      readonly caps: readonly CapEntry[];
      readonly connections: number;
    }
  | 'unreadable';

/** What a live process said of itself on its console. */
export interface Observation {
  /** Of the pod that was asked: a pod that was replaced since has not been observed. */
  readonly podUid: string;
  /** Of the configuration that the process runs with, read from its mark. */
  readonly generation: number;
  /** The whole mark; undefined where it shows none of ours. */
  readonly revision: string | undefined;
  /** Caps it runs with. */
  readonly caps: readonly CapEntry[];
  /** Server connections it holds, by entry of the axis. */
  readonly sessions: readonly CapEntry[];
  /** The process is of a version whose word on its file is not believed: it counts, and proves nothing. */
  readonly tooOld?: true;
}

export interface PodState {
  readonly uid: string;
  readonly terminating: boolean;
  /** Of the file path in the template that the pod was made from. */
  readonly epoch: number;
  /** Pooler processes that the pod was made with, one a container. */
  readonly processes: number;
}

/** One holder: one PgBouncer process of a pod with a stable name. Absent fields do not exist. */
export interface HolderState {
  /** `<pod>-<process>`. */
  readonly name: string;
  readonly ordinal: number;
  /** Of the pod's processes, from 0. */
  readonly process: number;
  readonly grant?: { readonly connections: number; readonly generation: number };
  readonly file?: FileState;
  /** Only a pod that was made with this process: one without it is none, as far as this holder goes. */
  readonly pod?: PodState;
  readonly observation?: Observation;
  /** The process of the present pod was asked at least once, whether it answered or not. */
  readonly asked: boolean;
}

/** The StatefulSet's answer to "which pods can still come?". */
export interface WorkloadState {
  /** spec.replicas. */
  readonly replicas: number;
  /** Epoch of the file path in its template. */
  readonly epoch: number;
  /** Pooler processes in its template. */
  readonly processes: number;
  /** Its controller has seen the present spec. */
  readonly seen: boolean;
}

/** Server connections that a holder may have open now or at any moment without another write of ours. */
export function charge(holder: HolderState): number {
  if (holder.file === 'unreadable') return Number.POSITIVE_INFINITY;
  return Math.max(holder.grant?.connections ?? 0, held(holder));
}

/** The charge without the grant: what the file lets open, what the process runs with, what it holds. */
export function held(holder: HolderState): number {
  if (holder.file === 'unreadable') return Number.POSITIVE_INFINITY;
  const byEntry = new Map<string, number>();
  const lists = [
    holder.file?.caps,
    holder.pod && holder.observation?.caps,
    holder.pod && holder.observation?.sessions,
  ];
  for (const list of lists) {
    for (const { name, connections } of list ?? []) {
      byEntry.set(name, Math.max(byEntry.get(name) ?? 0, connections));
    }
  }
  return Math.max(sum([...byEntry.values()]), holder.file?.connections ?? 0);
}

/** The process of the present pod runs with its file, and holds no more than the file says. */
export function isProven(holder: HolderState): boolean {
  return isConfirmed(holder) && held(holder) <= fileTotal(holder);
}

/**
 * The process of the present pod runs with its file, and can be believed. Not with another one of a higher generation
 * either: whose that is and what it says nobody knows.
 */
export function isConfirmed(holder: HolderState): boolean {
  const { pod, file, observation } = holder;
  if (pod === undefined || file === undefined || file === 'unreadable' || observation === undefined)
    return false;
  const { podUid, revision, tooOld } = observation;
  if (tooOld === true) return false;
  return podUid === pod.uid && revision !== undefined && revision === file.revision;
}

/** What the holder's file lets its process open; 0 without a file. */
export function fileTotal(holder: HolderState): number {
  return holder.file === undefined
    ? 0
    : holder.file === 'unreadable'
      ? Number.POSITIVE_INFINITY
      : holder.file.connections;
}

export function fileGeneration(holder: HolderState): number {
  return holder.file === undefined || holder.file === 'unreadable' ? 0 : holder.file.generation;
}

/** The highest generation that anything of the holder carries. */
export function newestGeneration(holder: HolderState): number {
  return Math.max(
    holder.grant?.generation ?? 0,
    fileGeneration(holder),
    holder.observation?.generation ?? 0,
  );
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
