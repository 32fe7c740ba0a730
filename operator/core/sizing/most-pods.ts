// How many pods of a Deployment there can be at once, and how many can run with what a pool has. All of them read one
// file, so what it says may be opened as often as there are pods.

/**
 * While a Deployment with `maxSurge: 1` and `maxUnavailable: 0` replaces its pods, each of them may still be ending
 * beside its successor; one more may end because somebody deleted it, or its node went. 0 for 0.
 */
export function mostPods(replicas: number): number {
  return replicas === 0 ? 0 : 2 * replicas + 1;
}

/** The largest number of replicas that has at most `most` pods; the inverse of `mostPods`. */
export function replicasWithin(most: number): number {
  return Math.max(0, Math.floor((most - 1) / 2));
}

/** Replicas, at most `replicas`, of which each pod that there can be has a connection for each of `entries`. */
export function replicasFor(connections: number, replicas: number, entries: number): number {
  return Math.min(replicas, replicasWithin(Math.floor(connections / Math.max(1, entries))));
}
