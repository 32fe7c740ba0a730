// Which changes of the conditions of a pool or a budget are told as events. Conditions carry the state; events are for what somebody
// would want to be told: something that is in the way, that it has gone, and that the pool serves.
import type { Condition } from '../api/conditions.ts';
import { newsOf } from '../core/pool/conditions.ts';
import type { EventText } from '../kube/events.ts';

/** What every pool passes through on its way: no event each time a pod starts. A server that nobody can ask is no fault. */
const onTheWay: ReadonlySet<string> = new Set([
  'AskingServer',
  'EntriesLeaving',
  'EntriesWait',
  // That something is shared anew is no fault; a server that became too small is (BudgetShrank).
  'GivingBack',
  'NotAnswered',
  'NotConfirmed',
  'NotReached',
  'OldSessions',
  'Pausing',
  'PodsDraining',
  'PodsLeaving',
  'PodsNotReady',
  'Resuming',
]);

/** Conditions that are bad when they are true. */
const badWhenTrue: ReadonlySet<string> = new Set(['Saturated', 'Starving']);

export function eventsOf(
  previous: readonly Condition[] | undefined,
  next: readonly Condition[],
): EventText[] {
  return newsOf(previous, next).flatMap((condition): EventText[] => {
    const { type, status, reason, message } = condition;
    const before = previous?.find((one) => one.type === type);
    // The findings that these two sum up tell of themselves.
    if (type === 'Reconciling' || type === 'Stalled') return [];
    // A pause is somebody's wish, and nothing that is in the way.
    if (type === 'Paused') return onTheWay.has(reason) ? [] : [{ type: 'Normal', reason, message }];
    if (type === 'Ready') {
      if (status === 'True') return [{ type: 'Normal', reason, message }];
      // No finding of a budget says this.
      return reason === 'BeingDeleted' ? [{ type: 'Warning', reason, message }] : [];
    }
    // What objects say is as it should be; what nobody but the server said may be a surprise.
    if (type === 'SameServer') {
      return [{ type: reason === 'SameSystem' ? 'Warning' : 'Normal', reason, message }];
    }
    if (badWhenTrue.has(type)) {
      if (status === 'True') return [{ type: 'Warning', reason, message }];
      return before?.status === 'True' ? [{ type: 'Normal', reason, message }] : [];
    }
    if (status === 'False') {
      return onTheWay.has(reason) ? [] : [{ type: 'Warning', reason, message }];
    }
    const healed = before?.status === 'False' && !onTheWay.has(before.reason);
    return status === 'True' && healed ? [{ type: 'Normal', reason, message }] : [];
  });
}
