// The objects of the simulated API server, reduced to what the ledger's protocol reads and writes.
import type { AllotmentRecord } from '../../../operator/api/connection-budget.ts';
import type { GrantRecord, PoolAllotment } from '../../../operator/api/connection-pool.ts';
import type { CapEntry } from '../../../operator/engines/engine.ts';

export interface BudgetObject {
  readonly kind: 'budget';
  /** Server connections that all pools may open. */
  readonly total: number;
  readonly rows: readonly AllotmentRecord[];
}

export interface PoolSpec {
  readonly pods: number;
  /** In each of them. */
  readonly processes: number;
  readonly weight: number;
  readonly entries: readonly string[];
  /** Everything else that is in a file. */
  readonly text: number;
}

export interface PoolObject {
  readonly kind: 'pool';
  readonly uid: string;
  readonly name: string;
  readonly age: string;
  readonly spec: PoolSpec;
  readonly allotment?: PoolAllotment;
  readonly grants: readonly GrantRecord[];
}

export interface FileContent {
  readonly generation: number;
  /** What a process shows that has read it to the end: of its generation and all that it says. */
  readonly mark: string;
  readonly text: number;
  readonly caps: readonly CapEntry[];
}

export interface MapObject {
  readonly kind: 'map';
  readonly uid: string;
  readonly poolUid: string;
  /** Newest epoch that this object was written with, whether a file carries it or not. */
  readonly epoch: number;
  /** By file key. */
  readonly files: ReadonlyMap<string, FileContent>;
}

export interface SetObject {
  readonly kind: 'set';
  readonly uid: string;
  readonly poolUid: string;
  readonly replicas: number;
  /** Containers in its template, one for each process. */
  readonly processes: number;
  readonly epoch: number;
  readonly generation: number;
  readonly observed: number;
}

export interface PodObject {
  readonly kind: 'pod';
  readonly uid: string;
  readonly poolUid: string;
  readonly setUid: string;
  readonly epoch: number;
  /** Containers that it was made with. */
  readonly processes: number;
  readonly terminating: boolean;
}

export type ApiObject = BudgetObject | PoolObject | MapObject | SetObject | PodObject;

/** Pools that there can be at once, by name, pods of each, and processes of each pod. */
export const SLOTS = 3;
export const ORDINALS = 4;
export const PROCESSES = 3;

export const BUDGET = 'budget';
export const poolKey = (slot: number) => `pool/${slot}`;
export const mapKey = (slot: number) => `map/${slot}`;
export const setKey = (slot: number) => `set/${slot}`;
export const podKey = (slot: number, ordinal: number) => `pod/${slot}/${ordinal}`;
export const holderOf = (slot: number, ordinal: number, process: number) =>
  `pool${slot}-pooler-${ordinal}-${process}`;

/** Every process that a pod of the pool can have. */
export const PLACES: readonly { readonly ordinal: number; readonly process: number }[] = Array.from(
  { length: ORDINALS * PROCESSES },
  (_, i) => ({ ordinal: Math.floor(i / PROCESSES), process: i % PROCESSES }),
);

export function makeFile(content: Omit<FileContent, 'mark'>): FileContent {
  const { generation, text, caps } = content;
  return { ...content, mark: `${generation} ${text} ${JSON.stringify(caps)}` };
}

/** The path in the pod template, and the key in the ConfigMap: of this very pool, holder and epoch. */
export const fileKeyOf = (poolUid: string, ordinal: number, process: number, epoch: number) =>
  `${poolUid}.${placeOf(ordinal, process)}.${epoch}`;

export const placeOf = (ordinal: number, process: number) => `${ordinal}-${process}`;

/** Under which a console is known that was asked: of one process of a pod. */
export const consoleOf = (podUid: string, process: number) => `${podUid}/${process}`;

export const ALL_KEYS: readonly string[] = [
  BUDGET,
  ...Array.from({ length: SLOTS }, (_, slot) => [
    poolKey(slot),
    mapKey(slot),
    setKey(slot),
    ...Array.from({ length: ORDINALS }, (_unused, ordinal) => podKey(slot, ordinal)),
  ]).flat(),
];

export function keysOfSlot(slot: number): string[] {
  return [
    poolKey(slot),
    mapKey(slot),
    setKey(slot),
    ...Array.from({ length: ORDINALS }, (_, ordinal) => podKey(slot, ordinal)),
  ];
}
