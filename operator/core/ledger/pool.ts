// One pool's half of the ledger, from what was read of it: what it takes of its row, what its holders get, and whether
// the API server has to be asked first. The operator and the model checker both plan with this; only how objects are
// read and written differs between them.
import type { AllotmentRecord } from '../../api/connection-budget.ts';
import type { GrantRecord, PoolAllotment } from '../../api/connection-pool.ts';
import type { EntrySizes } from '../sizing/entries.ts';
import { takeAllotment } from './allotments.ts';
import { type HolderPlan, planHolders } from './holders.ts';
import type { HolderState, WorkloadState } from './state.ts';

/** Files, workload and pods of a pool, with the grants in its status and what its processes said. */
export interface PoolReading {
  readonly holders: readonly HolderState[];
  /** Absent before the StatefulSet is made. */
  readonly workload?: WorkloadState;
  /** See `PoolState.fileEpoch`. */
  readonly fileEpoch: number;
  /** See `PoolState.live`: from the API server itself, and not from caches. */
  readonly live: boolean;
}

export interface PoolLedgerInput {
  /** In the pool's status. */
  readonly taken: PoolAllotment | undefined;
  readonly grants: readonly GrantRecord[];
  /** Of the pool in its budget. */
  readonly row: AllotmentRecord | undefined;
  /** Pods that there are to be. */
  readonly pods: number;
  /** See `PoolState.processes`. */
  readonly processes?: number;
  /** Entries of the axis, sorted. */
  readonly entries: readonly string[];
  readonly sizes?: EntrySizes;
  readonly reading: PoolReading;
  readonly nameOf: (ordinal: number, process: number) => string;
  /** All stores are in sync, and what else holds up raises is over. */
  readonly mayRaise: boolean;
  readonly inParts: boolean;
}

export interface PoolLedgerPlan {
  readonly allotment: PoolAllotment;
  readonly grants: readonly GrantRecord[];
  readonly holders: HolderPlan;
  /** Allotment or grants differ from what is written: that comes before everything else. */
  readonly changesLedger: boolean;
  /**
   * Nothing more can be done with what caches show: files, workload and pods are to be read from the API server, in
   * this order, and planned from again, for the version of the pool that this plan was made from. False on the way of
   * a new pool, which has nothing to take back.
   */
  readonly readLive: boolean;
}

/** Pure; the same input gives the same plan. */
export function planPoolLedger(input: PoolLedgerInput): PoolLedgerPlan {
  const { taken, row, reading, entries, sizes, pods, processes, nameOf, inParts } = input;
  const allotment = takeAllotment(taken, row);
  const holders = planHolders({
    allotment: allotment.connections,
    pods,
    ...(processes === undefined ? {} : { processes }),
    entries,
    ...(sizes === undefined ? {} : { sizes }),
    ...reading,
    nameOf,
    mayRaise: input.mayRaise && holdersAsked(reading.holders),
    inParts,
  });
  const changesLedger =
    !sameAllotment(allotment, taken) || !sameGrants(holders.grants, input.grants);
  const readLive = holders.needsLive && !changesLedger;
  return { allotment, grants: holders.grants, holders, changesLedger, readLive };
}

/** Every process that is to go on was asked at least once. */
export function holdersAsked(holders: readonly HolderState[]): boolean {
  return holders.every(({ asked, pod }) => asked || pod?.terminating === true);
}

/** Epochs under which the files stand besides that of the plan: pods that there are, and those to come, read them. */
export function olderEpochs(
  epoch: number,
  workload: WorkloadState | undefined,
  podEpochs: readonly number[],
): number[] {
  const older = new Set(podEpochs);
  if (workload !== undefined) older.add(workload.epoch);
  older.delete(epoch);
  return [...older].sort((a, b) => a - b);
}

export function sameAllotment(a: PoolAllotment, b: PoolAllotment | undefined): boolean {
  return a.connections === (b?.connections ?? 0) && a.serial === (b?.serial ?? 0);
}

export function sameGrants(a: readonly GrantRecord[], b: readonly GrantRecord[]): boolean {
  if (a.length !== b.length) return false;
  const before = new Map(b.map((g) => [g.holder, g]));
  return a.every((g) => {
    const other = before.get(g.holder);
    return (
      other?.connections === g.connections &&
      other.generation === g.generation &&
      other.pods === g.pods
    );
  });
}
