// The cluster object behind an endpoint's name, and the ConnectionBudget that is of it.
import type { ClusterRef } from '../../api/postgres-target.ts';
import type { Role, ServerFacts } from '../../postgres/adapter.ts';
import { budgetName } from '../budget-name.ts';
import { type KnownServer, type Route, serverAt } from './alias.ts';
import type { FoundCluster } from './same-server.ts';

/** A cluster object that there is. */
export interface ClusterAt {
  readonly ref: ClusterRef;
  readonly namespace: string;
}

export interface ClusterSearch {
  /** Clusters of the operators that are known, and StatefulSets that a pool or a budget names. */
  readonly clusters: readonly ClusterAt[];
  /** Undefined where a cluster has no such role, or is not found. */
  readonly factsOf: (cluster: ClusterAt, role: Role) => ServerFacts | undefined;
  readonly clusterDomain: string;
  readonly operatorNamespace: string;
}

/** Pure but for `factsOf`; `host` is for people. */
export function clusterBehind(
  host: string,
  route: Route,
  { clusters, factsOf, clusterDomain, operatorNamespace }: ClusterSearch,
): FoundCluster | undefined {
  const known = clusters.flatMap((cluster) =>
    (['primary', 'replicas'] as const).flatMap((role): (KnownServer & ClusterAt)[] => {
      const facts = factsOf(cluster, role);
      if (facts === undefined) return [];
      const { podSelector } = facts;
      return [
        {
          ...cluster,
          role,
          host: facts.host,
          ...(podSelector === undefined ? {} : { podSelector }),
        },
      ];
    }),
  );
  const at = serverAt(route, clusterDomain, known);
  if (at === undefined) return undefined;
  const { ref, namespace, role } = at.server;
  const leads = at.how === 'name' ? 'is a name of' : 'is a Service in front of';
  return {
    ...budgetName({ clusterRef: ref }, namespace, operatorNamespace),
    role,
    target: { clusterRef: ref },
    why: `${host} ${leads} ${ref.kind} ${namespace}/${ref.name}`,
  };
}
