// How far a pod's end has come, which says how short a silence its clients may be closed at, and when none may begin.
import type { RawObject } from '../../postgres/adapter.ts';
import type { Phase } from './closing.ts';
import { drainingSince, preStopOf } from './read-pod.ts';

/** So long before its limit a drain says its last word; seconds. */
const LAST_SECONDS = 3;
/** So long before a console is asked no more no transaction may begin; seconds, or half of what there is. */
const END_SECONDS = 2;

/**
 * What to do at a pod now, `now` in milliseconds; undefined when its clients are to be left alone, or can be reached
 * no more.
 */
export function phaseOf(
  pod: RawObject,
  now: number,
  limitSeconds: number,
  othersServe: boolean,
): Phase | undefined {
  const since = drainingSince(pod);
  const preStop = preStopOf(pod);
  if (preStop === undefined) {
    if (since === undefined) return undefined;
    const end = since + limitSeconds * 1000;
    if (now >= end - LAST_SECONDS * 1000) return 'last';
    return now - since < (end - since) / 2 ? 'first' : 'second';
  }
  if (now >= preStop.to) return undefined;
  const left = preStop.to - now;
  if (left <= Math.min(END_SECONDS * 1000, (preStop.to - preStop.from) / 2)) return 'end';
  const part = (now - preStop.from) / (preStop.to - preStop.from);
  // With its listener its last use ends: what is idle then makes room for the pod that comes in its place.
  if (!othersServe) return part < 0.75 ? undefined : 'lone';
  if (since !== undefined || part >= 0.75) return 'last';
  return part < 0.4 ? 'first' : 'second';
}
