// Which pods cannot follow a change in place, and which of them is replaced next: one at a time.
import { drainingSince, isReady, ordinalIn } from '../core/drain/read-pod.ts';
import { TEMPLATE_ANNOTATION } from '../core/pool/labels.ts';
import type { Manifest } from '../core/pool/manifest.ts';
import { fileKey } from '../core/pool/names.ts';
import {
  dataOf,
  epochOfPod,
  holderOfPod,
  isOver,
  type PoolObjects,
  recordsOf,
} from '../core/pool/read.ts';
import type { RawObject } from '../postgres/adapter.ts';
import type { Context } from './context.ts';

export interface Replacing {
  /** Pods that have to be replaced. */
  readonly count: number;
  /** Parameters of PgBouncer for which, sorted; empty when it is the pod template. */
  readonly restartFor: readonly string[];
  /** uid of the pod that may go now; it is drained first. */
  readonly next?: string;
}

interface PodView {
  readonly pod: RawObject;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly leaving: boolean;
  readonly outdated: boolean;
  /** Its workload's controller replaces it by itself. */
  readonly rolled?: boolean;
  readonly restartFor: readonly string[];
}

/** What has to be replaced, and which pod next; pods with the ordinal `target` or a higher one go anyway. */
export function replacing(
  context: Context,
  objects: PoolObjects,
  workload: Manifest,
  target: number,
  /** No pod that serves may go now. */
  hold = false,
): Replacing | undefined {
  const views = objects.pods
    .filter((pod) =>
      // Nobody deletes a pod of a Deployment that was evicted, and it is replaced already.
      isDeployment(workload) ? !isOver(pod) : ordinalIn(pod.metadata?.name ?? '') < target,
    )
    .map((pod) => viewOf(context, objects, workload, pod));
  const outdated = views.filter((v) => v.outdated && !v.leaving);
  if (outdated.length === 0) return undefined;
  const candidate = nextToReplace(views, target);
  const waits = hold && views.some((v) => v.pod === candidate && v.ready);
  const next = waits ? undefined : candidate?.metadata?.uid;
  const restartFor = [...new Set(outdated.flatMap((v) => v.restartFor))].sort();
  return { count: outdated.length, restartFor, ...(next === undefined ? {} : { next }) };
}

/**
 * A pod that does not serve is replaced at once; one that does only while all others are there and serve: the
 * successor of the one before, too, which for a moment does not exist. Highest ordinal first.
 */
export function nextToReplace(
  views: readonly Omit<PodView, 'restartFor'>[],
  replicas: number,
): RawObject | undefined {
  const candidates = views
    .filter((v) => v.outdated && !v.leaving && v.rolled !== true)
    .sort(
      (a, b) =>
        Number(a.ready) - Number(b.ready) ||
        Number(b.draining) - Number(a.draining) ||
        ordinal(b.pod) - ordinal(a.pod),
    );
  const [first] = candidates;
  if (first === undefined) return undefined;
  const othersServe =
    views.length >= replicas &&
    views.every((v) => v === first || (v.ready && !v.leaving && !v.draining));
  return !first.ready || othersServe ? first.pod : undefined;
}

function viewOf(
  { engine, consoles }: Context,
  objects: PoolObjects,
  workload: Manifest,
  pod: RawObject,
): PodView {
  const { annotations, deletionTimestamp } = pod.metadata ?? {};
  const draining = drainingSince(pod) !== undefined;
  const records = recordsOf(consoles.records, pod);
  const restartFor = records.flatMap((record, process) => {
    const key = fileKey(holderOfPod(pod, process), objects.uid, epochOfPod(pod));
    const text = dataOf(objects.configMap)[key];
    // Before it has read its file, a process differs from it in more than what needs a restart; one that is
    // draining is replaced whatever it reads, and what for is still to be said.
    const observation = record?.follows === true || draining ? record?.observation : undefined;
    if (text === undefined || observation === undefined) return [];
    // A process that has its pod for itself need not share: its file says so before and after it has siblings.
    return engine
      .pendingRestart(observation, text)
      .filter((parameter) => records.length > 1 || !SHARING.includes(parameter));
  });
  const old = annotations?.[TEMPLATE_ANNOTATION] !== templateMark(workload);
  return {
    pod,
    ready: isReady(pod),
    draining,
    leaving: deletionTimestamp !== undefined,
    // While a process reads another file nothing is known of it, and a drain that has begun goes on.
    outdated:
      old ||
      restartFor.length > 0 ||
      (draining && records.some((record) => record?.follows !== true)),
    ...(old && isDeployment(workload) ? { rolled: true } : {}),
    restartFor,
  };
}

/** What is in the files of processes that share the port of their pod. */
const SHARING: readonly string[] = ['so_reuseport', 'unix_socket_dir'];

function isDeployment({ kind }: Manifest): boolean {
  return kind === 'Deployment';
}

function templateMark(workload: Manifest): string | undefined {
  const spec = workload.spec as
    | { template?: { metadata?: { annotations?: Record<string, string> } } }
    | undefined;
  return spec?.template?.metadata?.annotations?.[TEMPLATE_ANNOTATION];
}

function ordinal(pod: RawObject): number {
  return ordinalIn(pod.metadata?.name ?? '');
}
