// A pause: whether the pool is to be paused now, what a process is to be told next, and what status says.

import type { Condition } from '../../api/conditions.ts';
import type { Pause } from '../../api/pause.ts';
import type { Observation } from '../../engines/engine.ts';
import type { Finding } from './findings.ts';

/** `pausing`: it lets no new transaction begin, and some in hand have not ended. */
export type PauseState = 'serving' | 'pausing' | 'paused';

/** Milliseconds since 1970 when a pause ends by itself: Infinity without `until`, and -Infinity without a pause. */
export function pauseEnd(pause: Pause | undefined): number {
  if (pause === undefined) return Number.NEGATIVE_INFINITY;
  return pause.until === undefined ? Number.POSITIVE_INFINITY : Date.parse(pause.until);
}

/** `now` in milliseconds since 1970. */
export function isPauseWanted(pause: Pause | undefined, now: number): boolean {
  return now < pauseEnd(pause);
}

/** A paused PgBouncer closes its server connections as they are released. */
export function pauseStateOf(observation: Observation | undefined): PauseState {
  if (observation?.paused !== true) return 'serving';
  return observation.sessions.total === 0 ? 'paused' : 'pausing';
}

/** A pod is what all of its processes are, and on its way while they differ. */
export function pauseStateOfPod(processes: readonly PauseState[]): PauseState {
  const [first = 'serving', ...others] = processes;
  return others.every((state) => state === first) ? first : 'pausing';
}

export type PauseStep = { readonly kind: 'pause' | 'resume' };

/**
 * What a process is told next; undefined: nothing. A process that is paused although nobody wants it was left so by a
 * pause that is over, or by a leader that is gone: nothing else resumes it.
 *
 *            serving   pausing   paused
 * wanted     pause     -         -
 * not wanted -         resume    resume
 */
export function nextPauseStep(wanted: boolean, state: PauseState): PauseStep | undefined {
  if (wanted) return state === 'serving' ? { kind: 'pause' } : undefined;
  return state === 'serving' ? undefined : { kind: 'resume' };
}

export interface PauseInput {
  readonly pause: Pause | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Of each pod that is not leaving. */
  readonly pods: readonly { readonly name: string; readonly state: PauseState }[];
  /** Clients that wait longer are dropped; seconds, 0: never. */
  readonly queryWaitTimeout: number;
  /** The condition as it was. */
  readonly previous: Condition | undefined;
}

/** The condition `Paused`; undefined for a pool that never was. It says the same as long as nothing happens. */
export function pauseFinding(input: PauseInput): Finding | undefined {
  const { pause, now, pods, previous } = input;
  const paused = pods.filter((pod) => pod.state === 'paused');
  const still = pods.filter((pod) => pod.state !== 'serving').map((pod) => pod.name);
  if (!isPauseWanted(pause, now)) {
    if (still.length > 0) {
      const message = `The pause is over, and ${still.join(', ')} has to be told`;
      return { type: 'Paused', status: 'True', reason: 'Resuming', message, effect: 'waiting' };
    }
    if (pause !== undefined) {
      const message = `spec.pause.until (${pause.until}) has passed: clients are served; remove spec.pause`;
      return { type: 'Paused', status: 'False', reason: 'PauseOver', message, effect: 'noted' };
    }
    if (previous === undefined) return undefined;
    const message = 'Clients are served.';
    return { type: 'Paused', status: 'False', reason: 'Resumed', message, effect: 'noted' };
  }
  const end = pause?.until === undefined ? 'spec.pause is removed' : pause.until;
  const count = `${paused.length} of ${pods.length} pods are paused`;
  const warning = dropsClients(input)
    ? `; a client that waits longer than ${input.queryWaitTimeout} s is dropped: raise parameters.query_wait_timeout for a longer pause`
    : '';
  if (paused.length < pods.length) {
    const names = (state: PauseState) =>
      pods.filter((pod) => pod.state === state).map((pod) => pod.name);
    const why = [
      told('transactions in hand have to end in', names('pausing')),
      told('not reached yet:', names('serving')),
    ];
    return {
      type: 'Paused',
      status: 'False',
      reason: 'Pausing',
      message: `${count}${why.join('')}${warning}`,
      effect: 'waiting',
    };
  }
  return {
    type: 'Paused',
    status: 'True',
    reason: 'Paused',
    message: `Clients wait until ${end}; ${count}, and none is replaced or removed before${warning}`,
    effect: 'fine',
  };
}

function told(what: string, names: readonly string[]): string {
  return names.length === 0 ? '' : `; ${what} ${names.join(', ')}`;
}

/** Measured from when all were paused, so that it does not change while time goes by. */
function dropsClients({ pause, now, queryWaitTimeout, previous }: PauseInput): boolean {
  if (queryWaitTimeout === 0) return false;
  const since = previous?.status === 'True' ? Date.parse(previous.lastTransitionTime) : now;
  return pauseEnd(pause) - since > queryWaitTimeout * 1000;
}
