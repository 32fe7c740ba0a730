// How many pods there can be at once for so many replicas, by the kind of workload: as a number and in CEL.

/** `pooler.workload`. */
export type PoolerWorkload = 'StatefulSet' | 'Deployment';

/**
 * Of a Deployment with `maxSurge: 1` and `maxUnavailable: 0`: while it replaces its pods, each of them may still be
 * ending beside its successor; one more may end because somebody deleted it, or its node went. 0 for 0.
 */
export function mostPods(replicas: number): number {
  return replicas === 0 ? 0 : 2 * replicas + 1;
}

/** All pods read one file: those of a Deployment have no names that a file could be for. */
export function isShared({ pooler }: { readonly pooler: { readonly workload: PoolerWorkload } }) {
  return pooler.workload === 'Deployment';
}

/** Pods that each need a connection for each entry, where there is at least one replica. */
export function podsAtOnce(workload: PoolerWorkload, replicas: number): number {
  return workload === 'Deployment' ? mostPods(replicas) : replicas;
}

/** `podsAtOnce` over the spec of a pool; `replicas` is CEL. */
export function podsAtOnceCel(replicas: string): string {
  return `(self.pooler.workload == 'Deployment' ? (${replicas} == 0 ? 0 : 2 * ${replicas} + 1) : ${replicas})`;
}
