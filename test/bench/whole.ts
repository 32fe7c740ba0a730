// Whether what the operator has said of a pool or a budget is its last word: of the spec as it is now, with nothing under
// way that needs no pod. An operator in the middle of its work has written a status, too.
import type { PlainObject } from './plain-client.ts';

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly observedGeneration?: number;
}

interface PoolStatus {
  readonly observedGeneration?: number;
  readonly conditions?: readonly Condition[];
  readonly sizing?: { readonly share?: number };
  readonly grants?: readonly { readonly connections: number }[];
}

interface Row {
  readonly uid: string;
  readonly connections: number;
  readonly target: number;
}

interface BudgetStatus {
  readonly observedGeneration?: number;
  readonly conditions?: readonly Condition[];
  readonly allotments?: readonly Row[];
}

/** Others have still to give back, or processes to prove that they did. */
export const SHARING = 'grants that are not its share';

/** What a ConnectionPool's status lacks, in a few words; undefined when it is whole. */
export function lackOfPool(pool: PlainObject): string | undefined {
  const status = (pool.status ?? {}) as PoolStatus;
  const granted = (status.grants ?? []).reduce((sum, { connections }) => sum + connections, 0);
  const share = status.sizing?.share ?? 0;
  return (
    lackOfStatus(pool, status, 'ObjectsApplied') ??
    (share === 0 ? 'no share' : granted === share ? undefined : SHARING)
  );
}

/** What a ConnectionBudget's status lacks, in a few words; `pools` are the uids of those that draw from it. */
export function lackOfBudget(budget: PlainObject, pools: readonly string[]): string | undefined {
  const status = (budget.status ?? {}) as BudgetStatus;
  const rows = new Map((status.allotments ?? []).map((row) => [row.uid, row]));
  const settled = pools.filter((uid) => {
    const row = rows.get(uid);
    return row !== undefined && row.target > 0 && row.connections === row.target;
  }).length;
  return (
    lackOfStatus(budget, status, 'Ready') ??
    (settled < pools.length
      ? `${settled} settled rows of ${pools.length}`
      : rows.size > pools.length
        ? `${rows.size} rows for ${pools.length} pools`
        : undefined)
  );
}

function lackOfStatus(
  { metadata }: PlainObject,
  status: PoolStatus | BudgetStatus,
  type: string,
): string | undefined {
  const generation = metadata.generation as number | undefined;
  if (status.observedGeneration === undefined) return 'no status';
  if (status.observedGeneration !== generation) return 'the status of an older spec';
  const condition = status.conditions?.find((one) => one.type === type);
  if (condition === undefined) return `no ${type}`;
  if (condition.observedGeneration !== generation) return `${type} of an older spec`;
  return condition.status === 'True'
    ? undefined
    : `${type} ${condition.status} (${condition.reason ?? ''})`;
}
