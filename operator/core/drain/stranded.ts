// Pods that have no file and can be given none, because nobody knows what they may still run with: the one that comes
// for each of them can. See `HolderPlan.stranded`.
import type { RawObject } from '../../postgres/adapter.ts';
import { holderName } from '../pool/names.ts';
import { numbersOf } from '../pool/read.ts';
import { isReady, ordinalIn } from './read-pod.ts';

/**
 * The pod to be deleted next: one that does not serve before one that does, which is drained first as far as others
 * serve; then the highest ordinal. `hold`: no pod that serves may go now.
 */
export function nextStranded(
  pods: readonly RawObject[],
  stranded: readonly string[],
  hold: boolean,
): RawObject | undefined {
  const names = new Set(stranded);
  const [first] = pods
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .filter((pod) => numbersOf(pod).some((n) => names.has(holderName(pod.metadata?.name ?? '', n))))
    .filter((pod) => !hold || !isReady(pod))
    .sort((a, b) => Number(isReady(a)) - Number(isReady(b)) || ordinal(b) - ordinal(a));
  return first;
}

function ordinal({ metadata }: RawObject): number {
  return ordinalIn(metadata?.name ?? '');
}
