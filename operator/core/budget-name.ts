// Which ConnectionBudget a pool draws from: one for each Postgres cluster, found by name alone.
import { hash } from 'node:crypto';
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import type { ClusterRef, Endpoint } from '../api/postgres-target.ts';
import { canonicalHost } from './canonical-host.ts';

export interface BudgetName {
  readonly namespace: string;
  readonly name: string;
}

/** spec.postgres of a pool or of a budget. */
export interface PostgresTarget {
  readonly clusterRef?: ClusterRef | undefined;
  readonly endpoint?: Endpoint | undefined;
}

/**
 * Deterministic, so that all pools of one Postgres meet in one object and two cannot be made. A cluster's budget
 * lives beside the cluster; an endpoint has no namespace, so its budget lives in the operator's.
 */
export function budgetName(
  target: PostgresTarget,
  poolNamespace: string,
  operatorNamespace: string,
): BudgetName {
  const { clusterRef, endpoint } = target;
  if (clusterRef !== undefined) {
    return {
      namespace: clusterRef.namespace ?? poolNamespace,
      name: `${clusterRef.kind.toLowerCase()}-${clusterRef.name}`.slice(0, 253),
    };
  }
  const host = `${canonicalHost(endpoint?.host ?? '')}:${endpoint?.port}`;
  return {
    namespace: operatorNamespace,
    name: `endpoint-${hash('sha256', host, 'hex').slice(0, 16)}`,
  };
}

/** spec.postgres of the budget of a pool: the same target, named so that it means the same from its namespace. */
export function budgetTarget(spec: ConnectionPoolSpec['postgres']): PostgresTarget {
  if (spec.clusterRef !== undefined) {
    const { apiGroup, kind, name } = spec.clusterRef;
    return { clusterRef: { apiGroup, kind, name } };
  }
  return spec.endpoint === undefined ? {} : { endpoint: spec.endpoint };
}
