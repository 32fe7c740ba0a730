// Which pod without a file is to go, and that the pool says so.
import { drainingSince } from '../core/drain/read-pod.ts';
import { nextStranded } from '../core/drain/stranded.ts';
import type { KubeObject } from '../kube/types.ts';
import type { Context } from './context.ts';
import type { Look } from './pool-look.ts';

/** The uid of the pod to be replaced now, where there is one; it is told once, when that begins. */
export function strandedNow(
  { events }: Context,
  pool: KubeObject,
  { objects, ledger }: Look,
  paused: boolean,
): string | undefined {
  const pod = nextStranded(objects.pods, ledger.holders.stranded, paused);
  if (pod === undefined) return undefined;
  if (drainingSince(pod) === undefined) {
    events.record(pool, {
      type: 'Warning',
      reason: 'PodStranded',
      message: `${pod.metadata?.name} has no file, and may run with one from before the last lowering without saying so: it is replaced`,
    });
  }
  return pod.metadata?.uid;
}
