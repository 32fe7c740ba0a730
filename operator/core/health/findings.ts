// The conditions Saturated and Starving, where True is bad. They say the same for as long as the judgement does: the
// numbers are metrics.
import type { Finding } from '../pool/findings.ts';
import { LONG_WAIT_SECONDS } from './look.ts';

export function saturatedFinding(holds: boolean): Finding {
  return holds
    ? {
        type: 'Saturated',
        status: 'True',
        reason: 'ClientsWait',
        message: `Clients wait ${LONG_WAIT_SECONDS} s and longer while every connection that is theirs is busy: make transactions shorter, give the pool a larger share (sizing.weight, sizing.max), or Postgres more cores`,
        effect: 'noted',
      }
    : {
        type: 'Saturated',
        status: 'False',
        reason: 'NobodyWaitsLong',
        message: 'No client waits long for a connection.',
        effect: 'noted',
      };
}

/** `sharers` is how many are kept a connection each. */
export function starvingFinding(holds: boolean, sharers: number | undefined): Finding {
  const kept =
    sharers === undefined ? '' : `; each of ${sharers} that want some at a time is kept one now`;
  return holds
    ? {
        type: 'Starving',
        status: 'True',
        reason: 'OthersHaveAll',
        message: `Clients of one user or database wait without a connection while others have all of them${kept}: give the pool more connections, or each of them a pool of its own`,
        effect: 'noted',
      }
    : {
        type: 'Starving',
        status: 'False',
        reason: 'AllAreServed',
        message: `Nobody waits without a connection while others have all of them${kept}.`,
        effect: 'noted',
      };
}
