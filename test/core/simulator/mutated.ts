// What an operator does in whom a rule of the ledger is missing, where that is more than a condition left out.
import type { GrantRecord } from '../../../operator/api/connection-pool.ts';
import {
  type HolderPlan,
  type PoolState,
  planHolders,
} from '../../../operator/core/ledger/holders.ts';
import type { BudgetObject, FileContent, MapObject, PoolObject } from './objects.ts';

/** A file that says no more than before keeps the generation and the mark of before. */
export function withoutNews(
  map: MapObject | undefined,
  ordinal: number,
  file: FileContent,
): FileContent {
  const total = ({ caps }: FileContent) => caps.reduce((sum, c) => sum + c.connections, 0);
  const written = [...(map?.files ?? [])].find(([key]) => key.split('.')[1] === String(ordinal));
  const before = written?.[1];
  if (before === undefined || total(file) > total(before)) return file;
  return { ...file, generation: before.generation, mark: before.mark };
}

/** Grants that no file has used are lowered as if one had. */
export function planWithoutReturn(state: PoolState): HolderPlan {
  const plan = planHolders(state);
  const others = planHolders(asIfUsed(state)).grants;
  return { ...plan, grants: plan.grants.map((grant) => lower(grant, others)) };
}

function lower(grant: GrantRecord, others: readonly GrantRecord[]): GrantRecord {
  const other = others.find(({ holder }) => holder === grant.holder)?.connections;
  return { ...grant, connections: Math.min(grant.connections, other ?? grant.connections) };
}

function asIfUsed(state: PoolState): PoolState {
  const holders = state.holders.map((holder) => {
    const { file, grant } = holder;
    if (file === undefined || file === 'unreadable' || grant === undefined) return holder;
    const generation = Math.max(file.generation, grant.generation);
    const { observation } = holder;
    const seen = observation === undefined ? {} : { observation: { ...observation, generation } };
    return { ...holder, file: { ...file, generation }, ...seen };
  });
  return { ...state, holders };
}

/** A raise that the pool has not taken counts as taken. */
export function takenAnyway(pool: PoolObject, budget: BudgetObject) {
  const { connections, serial } = pool.allotment ?? { connections: 0, serial: 0 };
  const row = budget.rows.find((r) => r.uid === pool.uid);
  return { taken: { connections, serial: Math.max(serial, row?.serial ?? 0) } };
}
