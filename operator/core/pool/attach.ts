// Which namespaces may attach pools to a Postgres cluster, and with how much at most: the owner's word, or what holds
// without one.
import type { ConnectionBudgetSpec } from '../../api/connection-budget.ts';
import type { Fault } from '../../postgres/adapter.ts';

export type Attachable = Pick<ConnectionBudgetSpec, 'postgres'> &
  Partial<Pick<ConnectionBudgetSpec, 'namespaces'>>;

/**
 * Whether a pool of namespace `pool` may draw from a budget in namespace `home`. Without the owner's word, a cluster
 * serves its own namespace; an endpoint has none, so it serves all.
 */
export function mayAttach(pool: string, home: string, budget: Attachable): boolean {
  if (pool === home) return true;
  if (budget.namespaces === undefined) return budget.postgres.endpoint !== undefined;
  return entryOf(pool, home, budget) !== undefined;
}

/** Connections to one server that the pools of a namespace may have together; undefined: as many as there are. */
export function namespaceMax(
  pool: string,
  home: string,
  budget: Pick<Attachable, 'namespaces'> | undefined,
): number | undefined {
  return budget === undefined ? undefined : entryOf(pool, home, budget)?.max;
}

/** The entry that names the namespace; else, for all but the budget's own, that of every other one. */
function entryOf(pool: string, home: string, { namespaces = [] }: Pick<Attachable, 'namespaces'>) {
  return (
    namespaces.find(({ name }) => name === pool) ??
    (pool === home ? undefined : namespaces.find(({ name }) => name === '*'))
  );
}

/** `budgetKey`: `namespace/name` of the budget. Undefined: the pool may attach. */
export function attachFault(
  pool: string,
  budgetKey: string,
  budget: Attachable,
): Fault | undefined {
  const [home = ''] = budgetKey.split('/');
  if (mayAttach(pool, home, budget)) return undefined;
  return {
    reason: 'NamespaceNotAllowed',
    message: `spec.postgres: ConnectionBudget ${budgetKey} does not let namespace ${pool} attach pools: add it to the budget's spec.namespaces`,
  };
}
