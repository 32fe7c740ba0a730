// Which namespaces may attach pools to a Postgres cluster: the owner's word, or what holds without one.
import type { ConnectionBudgetSpec } from '../../api/connection-budget.ts';
import type { Fault } from '../../postgres/adapter.ts';

type Attachable = Pick<ConnectionBudgetSpec, 'namespaces' | 'postgres'>;

/**
 * Whether a pool of namespace `pool` may draw from a budget in namespace `home`. Without the owner's word, a cluster
 * serves its own namespace; an endpoint has none, so it serves all.
 */
export function mayAttach(pool: string, home: string, budget: Attachable): boolean {
  if (budget.namespaces !== undefined) {
    return pool === home || budget.namespaces.some((name) => name === '*' || name === pool);
  }
  return pool === home || budget.postgres.endpoint !== undefined;
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
