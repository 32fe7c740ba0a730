// How many pods of a Deployment there can be at once, and how many can run with what a pool has. All of them read one
// file, so what it says may be opened as often as there are pods.
export { mostPods } from '../../api/workload.ts';

/** The largest number of replicas that has at most `most` pods; the inverse of `mostPods`. */
export function replicasWithin(most: number): number {
  return Math.max(0, Math.floor((most - 1) / 2));
}

/** Replicas, at most `replicas`, of which each pod that there can be has a connection for each of `entries`. */
export function replicasFor(connections: number, replicas: number, entries: number): number {
  return Math.min(replicas, replicasWithin(Math.floor(connections / Math.max(1, entries))));
}
