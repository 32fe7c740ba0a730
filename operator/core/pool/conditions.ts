// Conditions as Kubernetes wants them: lastTransitionTime moves only when the status does, and the same
// findings give the same list, so that a status that says the same is not written.
import type { Condition } from '../../api/conditions.ts';

/** A condition without its time. */
export interface Judged {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase, stable: people write alerts on it. */
  readonly reason: string;
  readonly message: string;
}

/** Longest message that is kept; the schema would refuse more. */
const MAX_MESSAGE = 4096;

/** The new list, in the order of `next`. `now` is RFC 3339, in seconds. */
export function mergeConditions(
  previous: readonly Condition[] | undefined,
  next: readonly Judged[],
  generation: number,
  now: string,
): Condition[] {
  return next.map(({ type, status, reason, message }) => {
    const before = previous?.find((condition) => condition.type === type);
    return {
      type,
      status,
      observedGeneration: generation,
      lastTransitionTime:
        before !== undefined && before.status === status ? before.lastTransitionTime : now,
      reason,
      message: message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message,
    };
  });
}

/** The conditions that are news: their status or reason differs from before, or they are new. For events. */
export function newsOf(
  previous: readonly Condition[] | undefined,
  next: readonly Condition[],
): readonly Condition[] {
  return next.filter((condition) => {
    const before = previous?.find((one) => one.type === condition.type);
    return before?.status !== condition.status || before.reason !== condition.reason;
  });
}
