// What a pod object says of its own end: whether it serves, is drained, or was deleted by somebody, and until when.
import type { RawObject } from '../../postgres/adapter.ts';
import { DRAINING_ANNOTATION, SERVING_LABEL } from '../pool/labels.ts';
import { PRE_STOP_SECONDS } from '../pool/paths.ts';
import type { DrainPod } from './pods.ts';

/** `clients` where they were counted. */
export function drainPodOf(pod: RawObject, clients?: number): DrainPod {
  const { name = '', uid = '', deletionTimestamp } = pod.metadata ?? {};
  const since = drainingSince(pod);
  return {
    uid,
    ordinal: ordinalIn(name),
    ready: isReady(pod),
    leaving: deletionTimestamp !== undefined,
    ...(since === undefined ? {} : { since }),
    ...(clients === undefined ? {} : { clients }),
  };
}

export function isReady(pod: RawObject): boolean {
  const status = pod.status as { conditions?: { type: string; status: string }[] } | undefined;
  return status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;
}

/** New clients are led to it. */
export function serves(pod: RawObject): boolean {
  const { labels, deletionTimestamp } = pod.metadata ?? {};
  return isReady(pod) && deletionTimestamp === undefined && labels?.[SERVING_LABEL] !== 'false';
}

/** Milliseconds since 1970; undefined when the pod is not drained. What somebody wrote by hand counts as long ago. */
export function drainingSince(pod: RawObject): number | undefined {
  const { labels, annotations } = pod.metadata ?? {};
  if (labels?.[SERVING_LABEL] !== 'false') return undefined;
  const since = Date.parse(annotations?.[DRAINING_ANNOTATION] ?? '');
  return Number.isFinite(since) ? since : 0;
}

/** -1 for a name that is not one of a StatefulSet's pods. */
export function ordinalIn(name: string): number {
  return Number(/-([0-9]+)$/.exec(name)?.[1] ?? -1);
}

/** Clocks differ, times are whole seconds, and a console may take its time to close. */
const MARGIN_SECONDS = 3;

/**
 * In milliseconds: when a deleted pod's console may be asked, which is while its preStop lasts. Undefined for a pod
 * that nobody has deleted.
 */
export function preStopOf(
  pod: RawObject,
): { readonly from: number; readonly to: number } | undefined {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata ?? {};
  if (deletionTimestamp === undefined) return undefined;
  const from = Date.parse(deletionTimestamp) - deletionGracePeriodSeconds * 1000;
  const seconds = Math.min(PRE_STOP_SECONDS, deletionGracePeriodSeconds) - MARGIN_SECONDS;
  return { from, to: from + Math.max(0, seconds) * 1000 };
}
