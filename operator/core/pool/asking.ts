// When a pod's console is asked again, and when its volume is: one that fails is left alone for longer and longer, so
// that it costs little for as long as it fails; but whatever may have ended the failure ends the waiting.
import { ConsoleError } from '../../engines/engine.ts';

/** What is remembered of one pod while its process does not do what it is told. */
export interface Asking {
  /** What the answer depends on: the pod's address and restarts, its files, its pause. Another one begins anew. */
  readonly about: string;
  /** In a row. */
  readonly failures: number;
  /** Not to be asked before; milliseconds since 1970. */
  readonly nextAt: number;
  /** How often the pod was touched for these files, and when last; milliseconds since 1970. */
  readonly touches: number;
  readonly touchedAt: number;
}

/** After the first failure, and the longest pause; seconds. */
const FIRST_SECONDS = 1;
const LONGEST_SECONDS = 30;
/** A touch that the kubelet answered with an older version is repeated after so long; seconds, doubled by each further one. */
const TOUCH_SECONDS = 2;
/** A failure is said when it comes a second time: each pod that starts has its first. */
const SAID_AFTER = 2;

export function askingOf(before: Asking | undefined, about: string): Asking {
  return before?.about === about
    ? before
    : { about, failures: 0, nextAt: 0, touches: 0, touchedAt: 0 };
}

/** 0: ask now. `now` in milliseconds since 1970. */
export function secondsUntilAsk({ nextAt }: Asking, now: number): number {
  // A clock that was put back must not make anybody wait for longer than that.
  return Math.min(LONGEST_SECONDS, Math.max(0, (nextAt - now) / 1000));
}

export function afterFailure(asking: Asking, now: number): Asking {
  const failures = asking.failures + 1;
  return { ...asking, failures, nextAt: now + doubled(FIRST_SECONDS, failures) * 1000 };
}

export function afterAnswer(asking: Asking): Asking {
  return { ...asking, failures: 0, nextAt: 0 };
}

export function isSaid({ failures }: Asking): boolean {
  return failures >= SAID_AFTER;
}

export function mayTouch({ touches, touchedAt }: Asking, now: number): boolean {
  return touches === 0 || Math.abs(now - touchedAt) >= doubled(TOUCH_SECONDS, touches) * 1000;
}

export function afterTouch(asking: Asking, now: number): Asking {
  return { ...asking, touches: asking.touches + 1, touchedAt: now };
}

function doubled(first: number, times: number): number {
  return Math.min(LONGEST_SECONDS, first * 2 ** Math.min(times - 1, 10));
}

/** Without addresses and times, so that a status says the same for as long as the failure is the same. */
export function failureInWords(error: unknown): string {
  if (!(error instanceof ConsoleError)) {
    const { message = String(error) } = error as { message?: string };
    return `the operator could not go on: ${message.slice(0, 200)}`;
  }
  const { code, message } = error;
  switch (code) {
    case 'Unreachable':
    case 'TimedOut':
      return 'its console does not answer';
    case 'Denied':
      return 'its console refuses the login of the operator';
    case 'Refused':
      return `its console says: ${message.replace(/^.*? says: /s, '')}`;
    case 'Protocol':
      return `its console is not that of PgBouncer 1.25.2 or newer: ${message.replace(/^.*?: /s, '')}`;
  }
}
