// A ConnectionBudget that is being deleted is held until its pools are gone. Pools that come meanwhile get nothing of it,
// and do not hold it: when it has gone another one is made, from which they draw.
import type { ConnectionBudgetStatus } from '../../api/connection-budget.ts';
import type { PoolAllotment } from '../../api/connection-pool.ts';
import type { Fault } from '../../postgres/adapter.ts';

export interface LatePool {
  readonly uid: string;
  /** RFC 3339 in seconds, of the API server, as is that of the deletion. */
  readonly createdAt: string;
  readonly taken?: PoolAllotment | undefined;
}

export interface LeavingBudget {
  readonly deletedAt: string | undefined;
  readonly status: ConnectionBudgetStatus | undefined;
}

/** The pool was made after the budget was deleted, and has never had anything of it. */
export function comesTooLate(pool: LatePool, { deletedAt, status }: LeavingBudget): boolean {
  if (deletedAt === undefined || pool.createdAt < deletedAt) return false;
  if ((pool.taken?.serial ?? 0) > 0 || (pool.taken?.connections ?? 0) > 0) return false;
  return status?.allotments?.some((row) => row.uid === pool.uid) !== true;
}

/** More than these are not named. */
const NAMED = 10;

/** Who holds the budget, by its rows: `shop/a, shop/b and 3 more`. Each pool once, in the order of their names. */
export function holdersOf(
  rows: readonly { readonly namespace: string; readonly name: string }[],
): string {
  const names = rows.map(({ namespace, name }) => `${namespace}/${name}`);
  const all = [...new Set(names)].sort();
  const more = all.length - NAMED;
  const named = all.slice(0, NAMED).join(', ');
  return more > 0 ? `${named} and ${more} more` : named;
}

/** `budgetKey`: `namespace/name` of the budget. */
export function lateFault(budgetKey: string): Fault {
  return {
    reason: 'BudgetBeingDeleted',
    message: `ConnectionBudget ${budgetKey} is deleted and gives nothing more to anybody; another one is made when the pools that hold it are gone: delete those that its condition Ready names`,
  };
}
