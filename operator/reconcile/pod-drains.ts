// Carries out which pods leave the Service, serve again, or are deleted.
import { planDrains } from '../core/drain/pods.ts';
import { drainingSince, drainPodOf } from '../core/drain/read-pod.ts';
import { DRAINING_ANNOTATION, SERVING_LABEL } from '../core/pool/labels.ts';
import { isNotFound } from '../kube/errors.ts';
import { type KubeObject, pods as podType } from '../kube/types.ts';
import type { RawObject } from '../postgres/adapter.ts';
import type { Run } from '../runtime/controller.ts';
import type { Context } from './context.ts';

export interface DrainRequest {
  readonly pool: KubeObject;
  readonly pods: readonly RawObject[];
  /** Pods with this ordinal or a higher one are to go. */
  readonly target: number;
  /** uid of a pod that is to be replaced. */
  readonly replace?: string | undefined;
  readonly limitSeconds: number;
}

/** A pod that nobody waits for is told to stop at once; Kubernetes gives it two seconds at least. */
const AT_ONCE_SECONDS = 1;

/** Resolves with the seconds after which to look again, where there is something to wait for. */
export async function drainPods(
  context: Context,
  request: DrainRequest,
  run: Run,
): Promise<number | undefined> {
  const { pods, target, replace, limitSeconds } = request;
  const byUid = new Map(pods.map((pod) => [pod.metadata?.uid ?? '', pod]));
  const plan = planDrains({
    pods: pods.map((pod) => drainPodOf(pod, context.drains.clientsOf(pod))),
    target,
    replace,
    limitSeconds,
    now: Date.now(),
  });
  const tell = (reason: string, message: string) =>
    context.events.record(request.pool, { type: 'Normal', reason, message });
  for (const uid of plan.stop) {
    const pod = byUid.get(uid);
    if (pod === undefined) continue;
    await mark(context, pod, { serving: 'true', since: null }, run);
    tell('PodServesAgain', `${pod.metadata?.name} is not to go any more, and serves again`);
  }
  for (const uid of plan.start) {
    const pod = byUid.get(uid);
    if (pod === undefined) continue;
    await mark(context, pod, { serving: 'false', since: context.now() }, run);
    tell(
      'PodDraining',
      `${pod.metadata?.name} leaves the Service; its clients are closed as they are idle, for up to ${limitSeconds} s`,
    );
  }
  for (const { uid, empty } of plan.remove) {
    const pod = byUid.get(uid);
    if (pod === undefined) continue;
    await remove(context, pod, empty, run);
    tell('PodDeleted', `${pod.metadata?.name} ${endOf(pod, empty, context)}`);
  }
  return plan.nextSeconds;
}

/** Pods that were made before the label: the Service must not ask for it until all of them have it. */
export async function labelPods(
  context: Context,
  pods: readonly RawObject[],
  run: Run,
): Promise<void> {
  for (const pod of pods) {
    const { labels, deletionTimestamp } = pod.metadata ?? {};
    if (labels?.[SERVING_LABEL] !== undefined || deletionTimestamp !== undefined) continue;
    await mark(context, pod, { serving: 'true' }, run);
  }
}

async function mark(
  { client, world }: Context,
  pod: RawObject,
  { serving, since }: { serving: 'true' | 'false'; since?: string | null },
  run: Run,
): Promise<void> {
  const { name = '', namespace = '', uid } = pod.metadata ?? {};
  try {
    const patched = await client.patch(
      podType,
      { namespace, name },
      {
        metadata: {
          uid,
          labels: { [SERVING_LABEL]: serving },
          ...(since === undefined ? {} : { annotations: { [DRAINING_ANNOTATION]: since } }),
        },
      },
      { signal: run.signal },
    );
    world.pods.observeWrite(patched);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function remove(
  { client, world }: Context,
  pod: RawObject,
  empty: boolean,
  run: Run,
): Promise<void> {
  const { name = '', namespace = '', uid } = pod.metadata ?? {};
  run.log.info({ pod: name, empty }, 'deleting a pod');
  try {
    const gone = await client.delete(
      podType,
      { namespace, name },
      {
        signal: run.signal,
        ...(uid === undefined ? {} : { uid }),
        ...(empty ? { gracePeriodSeconds: AT_ONCE_SECONDS } : {}),
      },
    );
    if (gone !== undefined) world.pods.observeWrite(gone);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

function endOf(pod: RawObject, empty: boolean, { drains }: Context): string {
  if (empty) return 'has no client left and is deleted';
  const clients = drains.clientsOf(pod);
  if (drainingSince(pod) === undefined) return 'is deleted';
  const left = clients === undefined ? 'the clients that it has' : `the ${clients} clients left`;
  return `is deleted, and ${left} may finish the transaction that they are in until its grace period ends`;
}
