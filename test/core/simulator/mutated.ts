// What an operator does in whom a rule of the ledger is missing, where that is more than a condition left out.
import type { AllotmentRecord } from '../../../operator/api/connection-budget.ts';
import type { GrantRecord, PoolAllotment } from '../../../operator/api/connection-pool.ts';
import {
  type PoolLedgerInput,
  type PoolLedgerPlan,
  planPoolLedger,
} from '../../../operator/core/ledger/pool.ts';
import type { BudgetObject, FileContent, MapObject, PoolObject } from './objects.ts';

/** A file that says no more than before keeps the generation and the mark of before. */
export function withoutNews(
  map: MapObject | undefined,
  place: string,
  file: FileContent,
): FileContent {
  const total = ({ caps }: FileContent) => caps.reduce((sum, c) => sum + c.connections, 0);
  const written = [...(map?.files ?? [])].find(([key]) => key.split('.')[1] === place);
  const before = written?.[1];
  if (before === undefined || total(file) > total(before)) return file;
  return { ...file, generation: before.generation, mark: before.mark };
}

/** Grants that no file has used are lowered as if one had. */
export function planWithoutReturn(input: PoolLedgerInput): PoolLedgerPlan {
  const plan = planPoolLedger(input);
  const others = planPoolLedger(asIfUsed(input)).grants;
  return { ...plan, grants: plan.grants.map((grant) => lower(grant, others)) };
}

function lower(grant: GrantRecord, others: readonly GrantRecord[]): GrantRecord {
  const other = others.find(({ holder }) => holder === grant.holder)?.connections;
  return { ...grant, connections: Math.min(grant.connections, other ?? grant.connections) };
}

function asIfUsed(input: PoolLedgerInput): PoolLedgerInput {
  const holders = input.reading.holders.map((holder) => {
    const { file, grant } = holder;
    if (file === undefined || file === 'unreadable' || grant === undefined) return holder;
    const generation = Math.max(file.generation, grant.generation);
    return { ...holder, file: { ...file, generation } };
  });
  return { ...input, reading: { ...input.reading, holders } };
}

/** What a pool has when it takes its row whether it has taken that serial before or not. */
export function takenAgain(
  { allotment }: PoolObject,
  row: AllotmentRecord | undefined,
): PoolAllotment | undefined {
  if (row === undefined) return allotment;
  const { target, serial } = row;
  const connections = Math.min(row.connections, target);
  const isSame = allotment?.connections === connections && allotment.serial === serial;
  return isSame ? allotment : { connections, serial };
}

/** A raise that the pool has not taken counts as taken. */
export function takenAnyway(pool: PoolObject, budget: BudgetObject) {
  const { connections, serial } = pool.allotment ?? { connections: 0, serial: 0 };
  const row = budget.rows.find((r) => r.uid === pool.uid);
  return { taken: { connections, serial: Math.max(serial, row?.serial ?? 0) } };
}
