// Words for pools in tests of the ledger: states that differ from a settled one in what a test is about.
import type { HolderPlan, PoolState } from '../../../operator/core/ledger/holders.ts';
import type { FileState, HolderState, WorkloadState } from '../../../operator/core/ledger/state.ts';
import type { CapEntry } from '../../../operator/engines/engine.ts';

export type Caps = Readonly<Record<string, number>>;

export const entriesOf = (caps: Caps): CapEntry[] =>
  Object.entries(caps).map(([name, connections]) => ({ name, connections }));

export function file(generation: number, caps: Caps): FileState {
  const connections = Object.values(caps).reduce((a, b) => a + b, 0);
  return { generation, revision: revisionOf(generation, caps), caps: entriesOf(caps), connections };
}

/** As an engine's mark: of generation and content. */
export const revisionOf = (generation: number, caps: Caps) =>
  `${generation} ${JSON.stringify(Object.entries(caps).sort())}`;

export interface HolderWords {
  /** connections, generation */
  readonly grant?: readonly [number, number];
  readonly file?: FileState;
  /** Of the pod's processes; 0 where it is not said. */
  readonly process?: number;
  /** Epoch of its pod; none without. */
  readonly pod?: number;
  /** That the pod was made with; as many as it takes for this one where it is not said. */
  readonly processes?: number;
  readonly terminating?: boolean;
  /** What the process of the pod said: generation, caps, sessions. */
  readonly said?: readonly [number, Caps, Caps?];
  /** It is of a version that is not believed. */
  readonly tooOld?: true;
  /** It was the process of another pod that said so. */
  readonly saidByAnother?: boolean;
}

export const nameOf = (ordinal: number, process = 0) => `shop-pooler-${ordinal}-${process}`;

export function holder(ordinal: number, words: HolderWords): HolderState {
  const uid = `pod-${ordinal}`;
  const { grant, pod, said, terminating = false, process = 0, processes = process + 1 } = words;
  return {
    name: nameOf(ordinal, process),
    ordinal,
    process,
    ...(grant === undefined ? {} : { grant: { connections: grant[0], generation: grant[1] } }),
    ...(words.file === undefined ? {} : { file: words.file }),
    ...(pod === undefined ? {} : { pod: { uid, terminating, epoch: pod, processes } }),
    ...(said === undefined
      ? {}
      : {
          observation: {
            podUid: words.saidByAnother ? 'another' : uid,
            generation: said[0],
            revision: revisionOf(said[0], said[1]),
            caps: entriesOf(said[1]),
            sessions: entriesOf(said[2] ?? {}),
            ...(words.tooOld === undefined ? {} : { tooOld: true }),
          },
        }),
    asked: true,
  };
}

/** A holder that runs with its file, and its file says its grant. */
export function running(ordinal: number, caps: Caps, generation = 1, epoch = 0): HolderState {
  const connections = Object.values(caps).reduce((a, b) => a + b, 0);
  return holder(ordinal, {
    grant: [connections, generation],
    file: file(generation, caps),
    pod: epoch,
    said: [generation, caps, caps],
  });
}

export function workload(replicas: number, epoch = 0, seen = true, processes = 1): WorkloadState {
  return { replicas, epoch, processes, seen };
}

export function pool(state: Partial<PoolState> & { readonly allotment: number }): PoolState {
  return {
    pods: 1,
    entries: ['a'],
    holders: [],
    fileEpoch: 0,
    nameOf,
    mayRaise: true,
    live: true,
    inParts: false,
    ...state,
  };
}

/** Grants by ordinal: connections and generation. */
export function grantsOf(plan: HolderPlan): Record<number, readonly [number, number]> {
  return Object.fromEntries(
    plan.grants.map((g) => [ordinalOf(g.holder), [g.connections, g.generation]]),
  );
}

/** Files by ordinal: generation and caps. */
export function filesOf(plan: HolderPlan): Record<number, readonly [number, Caps]> {
  return Object.fromEntries(
    plan.files.map((f) => [
      f.ordinal,
      [f.grant.generation, Object.fromEntries(f.grant.caps.map((c) => [c.name, c.connections]))],
    ]),
  );
}

function ordinalOf(name: string): number {
  return Number(/-([0-9]+)-0$/.exec(name)?.[1]);
}
