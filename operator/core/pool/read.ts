// From raw objects of one pool to the ledger's picture of its holders. Total: whatever an object says,
// the answer is a state, because it may have been edited by hand.

import type { GrantRecord } from '../../api/connection-pool.ts';
import type { PoolerWorkload } from '../../api/workload.ts';
import type { CapAxis, Engine, Observation as EngineObservation } from '../../engines/engine.ts';
import type { RawObject } from '../../postgres/adapter.ts';
import type {
  FileState,
  HolderState,
  Observation,
  PodState,
  WorkloadState,
} from '../ledger/state.ts';
import { EPOCH_ANNOTATION, POOL_LABEL } from './labels.ts';
import { lockedOut } from './lingering.ts';
import {
  holderName,
  ordinalOf,
  parseFileKey,
  parseNumber,
  parseSharedKey,
  placeOfHolder,
  sharedHolder,
} from './names.ts';
import { CONFIG_DIRECTORY, containerName } from './paths.ts';

/** What the console observer knows of one process of a pod. */
export interface ConsoleRecord {
  readonly podUid: string;
  /** Absent: asked, and no answer yet. */
  readonly observation?: EngineObservation;
  /** See `goneSince`. */
  readonly gone?: readonly string[];
}

export interface PoolObjects {
  /** Name and uid of the pool. */
  readonly name: string;
  readonly uid: string;
  readonly grants: readonly GrantRecord[];
  readonly configMap?: RawObject | undefined;
  readonly statefulSet?: RawObject | undefined;
  /** That of the spec; absent: StatefulSet. */
  readonly workload?: PoolerWorkload;
  /** Instead of the StatefulSet, with `pooler.workload: Deployment`. */
  readonly deployment?: RawObject | undefined;
  /** Pods of this very pool (by uid), in any phase. */
  readonly pods: readonly RawObject[];
  /** By `processKey` of the process that was asked. */
  readonly consoles: ReadonlyMap<string, ConsoleRecord>;
  /** The list of users as it is written, for processes that have read it. */
  readonly userList?: ReadUserList | undefined;
}

export interface ReadUserList {
  readonly text: string;
  /** A process that shows this user has read the list. */
  readonly mark: string;
  /** Who can log in with it. */
  readonly users: readonly string[];
  /** Who is in it so that he cannot: whom it merely leaves out a process may remember, and let in. */
  readonly revoked: readonly string[];
}

/** Everything of which a holder of the pool can be known. */
export function readHolders(objects: PoolObjects, axis: CapAxis, engine: Engine): HolderState[] {
  const files = readFiles(objects, engine);
  const pods = readPods(objects);
  const grants = new Map(objects.grants.map((g) => [g.holder, g]));
  const names = new Set([...files.keys(), ...pods.keys(), ...grants.keys()]);
  return [...names].flatMap((name) => {
    const place = placeOfHolder(objects.name, name);
    if (place === undefined) return [];
    const { ordinal, process } = place;
    const file = files.get(name);
    const pod = pods.get(name);
    const grant = grants.get(name);
    const record =
      pod === undefined ? undefined : objects.consoles.get(processKey(pod.state.uid, process));
    const observation = observationOf(record, axis, engine, objects.userList);
    const holder: HolderState = {
      name,
      ordinal,
      process,
      ...(grant === undefined
        ? {}
        : { grant: { connections: grant.connections, generation: grant.generation } }),
      ...(file === undefined ? {} : { file }),
      ...(pod === undefined ? {} : { pod: pod.state }),
      ...(observation === undefined ? {} : { observation }),
      // A process that has no address yet cannot be asked, and holds no connection.
      asked: pod === undefined || record !== undefined || !pod.askable,
    };
    return [holder];
  });
}

/** Texts of a holder's files, by epoch. */
export function fileTexts(objects: PoolObjects): Map<string, Map<number, string>> {
  const texts = new Map<string, Map<number, string>>();
  for (const [key, text] of Object.entries(dataOf(objects.configMap))) {
    const parsed = parseFileKey(objects, key) ?? parseSharedKey(objects, key);
    if (parsed === undefined) continue;
    const byEpoch = texts.get(parsed.holder) ?? new Map<number, string>();
    byEpoch.set(parsed.epoch, text);
    texts.set(parsed.holder, byEpoch);
  }
  return texts;
}

/** The epoch that the files were last written with; 0 without any. */
export function readFileEpoch(objects: PoolObjects): number {
  const recorded = parseNumber(objects.configMap?.metadata?.annotations?.[EPOCH_ANNOTATION] ?? '');
  const keyed = [...fileTexts(objects).values()].flatMap((byEpoch) => [...byEpoch.keys()]);
  return newestEpoch(recorded, keyed);
}

/**
 * The largest of what is recorded and what the file keys carry: keys go with their files, and the record may have been
 * taken away by hand.
 */
export function newestEpoch(recorded: number | undefined, keyed: readonly number[]): number {
  return Math.max(recorded ?? 0, 0, ...keyed);
}

/** Files by ConfigMap: a version of it never changes, and a budget reads those of all its pools. */
const readBefore = new WeakMap<RawObject, Map<string, FileState>>();

/**
 * A holder's file under all of its epochs: the caps are the largest of each, because a pod may start with any; the
 * generation is the smallest, and there is a revision only where all say the same, because only that can be confirmed.
 */
export function readFiles(objects: PoolObjects, engine: Engine): Map<string, FileState> {
  const known = objects.configMap && readBefore.get(objects.configMap);
  if (known !== undefined) return known;
  const files = new Map<string, FileState>();
  if (objects.configMap !== undefined) readBefore.set(objects.configMap, files);
  for (const [holder, byEpoch] of fileTexts(objects)) {
    let merged: FileState | undefined;
    for (const text of byEpoch.values()) {
      const file = engine.readHolderFile(text);
      merged = merge(
        merged,
        'error' in file
          ? 'unreadable'
          : {
              generation: file.mark.generation,
              revision: file.mark.text,
              caps: file.caps,
              connections: file.connections,
            },
      );
    }
    if (merged !== undefined) files.set(holder, merged);
  }
  return files;
}

function merge(a: FileState | undefined, b: FileState): FileState {
  if (a === undefined) return b;
  if (a === 'unreadable' || b === 'unreadable') return 'unreadable';
  const caps = new Map(a.caps.map((c) => [c.name, c.connections]));
  for (const { name, connections } of b.caps)
    caps.set(name, Math.max(caps.get(name) ?? 0, connections));
  return {
    generation: Math.min(a.generation, b.generation),
    revision: a.revision === b.revision ? a.revision : undefined,
    caps: [...caps].map(([name, connections]) => ({ name, connections })),
    connections: Math.max(a.connections, b.connections),
  };
}

interface PodRead {
  readonly state: PodState;
  readonly askable: boolean;
}

function readPods(objects: PoolObjects): Map<string, PodRead> {
  const pods = new Map<string, PodRead>();
  for (const pod of objects.pods) {
    const { name, uid, deletionTimestamp } = pod.metadata ?? {};
    if (name === undefined || uid === undefined) continue;
    const ordinal = ordinalOf(objects.name, name);
    if (ordinal === undefined || isOver(pod)) continue;
    const processes = processesOfPod(pod);
    const terminating = deletionTimestamp !== undefined;
    const state = { uid, terminating, epoch: epochOfPod(pod), processes };
    for (const process of numbersOf(pod)) {
      const askable = processAddress(pod, process) !== undefined;
      pods.set(holderName(name, process), { state, askable });
    }
  }
  return pods;
}

/** By what records of consoles are kept: the pod's uid, and which of its processes. */
export function processKey(podUid: string, process: number): string {
  return process === 0 ? podUid : `${podUid}/${process}`;
}

/** `processKey` of a process of the pod. */
export function keyOfProcess(pod: RawObject, process: number): string {
  return processKey(pod.metadata?.uid ?? '', process);
}

/** The processes of a pod, as numbers. */
export function numbersOf(pod: RawObject): number[] {
  return Array.from({ length: processesOfPod(pod) }, (_, process) => process);
}

/** Of the processes of a pod that run, `keyOfProcess`. */
export function runningKeys(pod: RawObject): string[] {
  return numbersOf(pod)
    .filter((process) => processAddress(pod, process) !== undefined)
    .map((process) => keyOfProcess(pod, process));
}

/** Of all processes of a pod; undefined stands for one that was not asked. */
export function recordsOf<R>(records: ReadonlyMap<string, R>, pod: RawObject): (R | undefined)[] {
  return numbersOf(pod).map((process) => records.get(keyOfProcess(pod, process)));
}

/** Where the console of one of its processes is; the others of the pod answer there too. */
export function processAddress(pod: RawObject, process: number): string | undefined {
  if (processesOfPod(pod) === 1) return podAddress(pod);
  const status = pod.status as
    | { containerStatuses?: { name?: string; state?: { running?: object } }[] }
    | undefined;
  const own = status?.containerStatuses?.find(({ name }) => name === containerName(process));
  return own?.state?.running === undefined ? undefined : podAddress(pod);
}

/** Where a pod's console is; undefined while no container of it runs. */
export function podAddress(pod: RawObject): string | undefined {
  const status = pod.status as
    | { podIP?: string; containerStatuses?: { state?: { running?: object } }[] }
    | undefined;
  const running = status?.containerStatuses?.some((c) => c.state?.running !== undefined) === true;
  return running ? status?.podIP : undefined;
}

/** Its processes have ended for good; its workload will replace it. */
export function isOver(pod: RawObject): boolean {
  const phase = (pod.status as { phase?: string } | undefined)?.phase;
  return phase === 'Succeeded' || phase === 'Failed';
}

/** The epoch in the file path that the pod was made with. */
export function epochOfPod(pod: RawObject): number {
  return epochOfSpec(pod.spec);
}

/** The holder whose file a process was made to read: its own, or with a Deployment that of all pods. */
export function holderOfPod({ metadata, spec }: RawObject, process: number): string {
  const shared = sharedHolder(metadata?.labels?.[POOL_LABEL] ?? '');
  const isShared = argumentsOf(spec).some((a) => a.startsWith(`${CONFIG_DIRECTORY}/${shared}.`));
  return isShared ? shared : holderName(metadata?.name ?? '', process);
}

interface PodSpecLike {
  readonly containers?: readonly { readonly args?: readonly string[] }[];
}

/** Processes that the pod was made with. */
export function processesOfPod(pod: RawObject): number {
  return processesOfSpec(pod.spec);
}

/** One for each container that reads the file of another process of its pod; at least 1. */
function processesOfSpec(spec: unknown): number {
  const found = ((spec as PodSpecLike | undefined)?.containers ?? [])
    .flatMap(({ args = [] }) =>
      args.map((one) => /-([0-9]{1,3})\.[^.]+\.[0-9]{1,15}\.ini$/.exec(one)),
    )
    .flatMap((match) => (match === null ? [] : [Number(match[1]) + 1]));
  return Math.max(1, ...found);
}

function epochOfSpec(spec: unknown): number {
  for (const argument of argumentsOf(spec)) {
    const match = /\.([0-9]{1,15})\.ini$/.exec(argument);
    if (match !== null) return Number(match[1]);
  }
  return 0;
}

function argumentsOf(spec: unknown): readonly string[] {
  const { containers = [] } = (spec ?? {}) as PodSpecLike;
  return containers.flatMap(({ args = [] }) => args);
}

export function readWorkload(statefulSet: RawObject | undefined): WorkloadState | undefined {
  if (statefulSet === undefined) return undefined;
  const spec = statefulSet.spec as { replicas?: number; template?: { spec?: unknown } } | undefined;
  const status = statefulSet.status as { observedGeneration?: number } | undefined;
  return {
    replicas: spec?.replicas ?? 1,
    epoch: epochOfSpec(spec?.template?.spec),
    processes: processesOfSpec(spec?.template?.spec),
    seen: (status?.observedGeneration ?? 0) >= Number(statefulSet.metadata?.generation ?? 0),
  };
}

export function observationOf(
  record: ConsoleRecord | undefined,
  axis: CapAxis,
  engine: Engine,
  list: ReadUserList | undefined,
): Observation | undefined {
  const seen = record?.observation;
  if (record === undefined || seen === undefined) return undefined;
  // Users whom a process only remembers open nothing, once it has read a list that they are not in.
  const running = engine.runningCapacity(seen, axis, lockedOut(record, list));
  const sessions = axis === 'database' ? seen.sessions.byDatabase : seen.sessions.byUser;
  const counted = Object.entries(sessions).map(([name, connections]) => ({ name, connections }));
  return {
    podUid: record.podUid,
    generation: seen.mark?.generation ?? 0,
    revision: seen.mark?.text,
    // What is not bounded is a connection count that no cap stands for: it is carried under a name of its own.
    caps: Number.isFinite(running.connections)
      ? running.caps
      : [{ name: '(unbounded)', connections: Number.POSITIVE_INFINITY }],
    sessions: counted.filter((c) => c.connections > 0),
    ...(engine.tooOld(seen.version) ? { tooOld: true } : {}),
  };
}

export function dataOf(object: RawObject | undefined): Readonly<Record<string, string>> {
  const data = object?.data;
  return typeof data === 'object' && data !== null ? (data as Record<string, string>) : {};
}
