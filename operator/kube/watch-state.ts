// When to list, when to watch, how long to wait: the reflector's decisions as a pure function.
//
//   list ──last page──▶ watch ──ends──▶ watch again from the last resourceVersion
//    ▲ ▲                  │
//    │ └── 410, silence ──┤  (too old, or a version the server cannot serve)
//    └──── garbage again and again
//
// Errors keep the place (list or watch) and wait; 404 waits longer.
import { backoffSeconds } from './backoff.ts';

/** What to do next, after `waitSeconds`. */
export type Step =
  | { readonly do: 'list'; readonly waitSeconds: number; readonly continue: string }
  | { readonly do: 'watch'; readonly waitSeconds: number; readonly resourceVersion: string };

export interface WatchState {
  readonly step: Step;
  /** Failures since something last went well. */
  readonly failures: number;
  /** Watches in a row that ended in garbage at the same place. */
  readonly garbled: number;
  /** Answers in a row that the type does not exist. */
  readonly absences: number;
  /** The next list comes in one piece: its pages have expired before it was complete. */
  readonly whole: boolean;
  /** A complete list has been seen. */
  readonly synced: boolean;
}

/**
 * `stale`: the resourceVersion or continue token is of no use any more. `silent`: a watch was taken and
 * then brought nothing, not even a bookmark: so the API server (1.34, measured) answers a version that
 * it has not reached, after etcd was restored from a backup. `absent`: the type does not exist.
 * `garbage`: not what the protocol says. `other`: all else.
 */
export type Problem = 'stale' | 'silent' | 'absent' | 'garbage' | 'other';

export type Input =
  | { readonly kind: 'page'; readonly continue: string; readonly resourceVersion: string }
  | { readonly kind: 'progress'; readonly resourceVersion: string }
  | {
      readonly kind: 'ended';
      /** Left out where the server ended the watch properly. */
      readonly problem?: Problem;
      readonly livedSeconds: number;
      readonly retryAfterSeconds?: number | undefined;
    };

/** `swap`: the list is complete, put it in the store. `restart`: drop the pages so far. `clear`: the
 * type is gone, and so is every object of it. */
export type Effect = 'none' | 'swap' | 'restart' | 'clear';

export interface Timing {
  readonly minBackoffSeconds: number;
  readonly maxBackoffSeconds: number;
  readonly absentSeconds: number;
}

/** 0.8 to 30 s as kube-rs; a type that is not installed is looked for each half minute. */
export const defaultTiming: Timing = {
  minBackoffSeconds: 0.8,
  maxBackoffSeconds: 30,
  absentSeconds: 30,
};

/** A watch that lived so long was not a failure, even if it brought nothing. */
const goodLifeSeconds = 5;
/** Garbage in a row at one resourceVersion before the list is read anew. */
const maxGarbled = 3;
/** Answers in a row that a type which was there is not; fewer may be an API server that starts. */
const maxAbsences = 3;

export const start: WatchState = {
  step: { do: 'list', waitSeconds: 0, continue: '' },
  failures: 0,
  garbled: 0,
  absences: 0,
  whole: false,
  synced: false,
};

/** `random` is in [0, 1) and spreads the waits. */
export function transition(
  state: WatchState,
  input: Input,
  timing: Timing,
  random: number,
): { state: WatchState; effect: Effect } {
  switch (input.kind) {
    case 'page':
      return onPage(state, input.continue, input.resourceVersion);
    case 'progress':
      return {
        state: {
          ...state,
          step: watchFrom(input.resourceVersion),
          failures: 0,
          garbled: 0,
        },
        effect: 'none',
      };
    case 'ended':
      return onEnd(state, input, timing, random);
  }
}

function onPage(state: WatchState, token: string, resourceVersion: string) {
  if (token !== '') {
    const step: Step = { do: 'list', waitSeconds: 0, continue: token };
    return { state: { ...state, step, absences: 0 }, effect: 'none' as const };
  }
  return {
    state: { ...state, step: watchFrom(resourceVersion), absences: 0, whole: false, synced: true },
    effect: 'swap' as const,
  };
}

function onEnd(
  state: WatchState,
  input: Extract<Input, { kind: 'ended' }>,
  timing: Timing,
  random: number,
): { state: WatchState; effect: Effect } {
  const listing = state.step.do === 'list';
  const pause = (failures: number) =>
    Math.max(
      input.retryAfterSeconds ?? 0,
      backoffSeconds(failures, timing.minBackoffSeconds, timing.maxBackoffSeconds, () => random),
    );
  const lived = input.livedSeconds >= goodLifeSeconds;
  const failures = (lived ? 0 : state.failures) + 1;
  const wait = pause(failures - 1);
  const next = { ...state, failures, absences: 0 };

  const { problem } = input;
  if (problem === undefined) {
    // Its time was over: at once again. One that ends as soon as it began has to wait.
    const step = { ...state.step, waitSeconds: lived ? 0 : wait };
    return { state: { ...next, step, failures: lived ? 0 : failures }, effect: 'none' };
  }
  switch (problem) {
    case 'silent':
    case 'stale': {
      // The first time at once: it is the normal end of a long pause. Pages that expired while the
      // list was read would expire again.
      const step = listFrom(failures === 1 ? (input.retryAfterSeconds ?? 0) : pause(failures - 2));
      const whole = listing ? true : state.whole;
      return { state: { ...next, step, garbled: 0, whole }, effect: 'restart' };
    }
    case 'absent': {
      const absences = state.absences + 1;
      const certain = !state.synced || absences >= maxAbsences;
      const step = listFrom(certain ? timing.absentSeconds * (0.75 + random / 2) : wait);
      const effect = state.synced && absences === maxAbsences ? 'clear' : 'restart';
      return { state: { ...next, step, absences }, effect };
    }
    case 'garbage': {
      const garbled = state.garbled + 1;
      if (!listing && garbled >= maxGarbled) {
        return { state: { ...next, step: listFrom(wait), garbled: 0 }, effect: 'restart' };
      }
      return {
        state: { ...next, step: { ...state.step, waitSeconds: wait }, garbled },
        effect: 'none',
      };
    }
    case 'other':
      return { state: { ...next, step: { ...state.step, waitSeconds: wait } }, effect: 'none' };
  }
}

function listFrom(waitSeconds: number): Step {
  return { do: 'list', waitSeconds, continue: '' };
}

function watchFrom(resourceVersion: string): Step {
  return { do: 'watch', waitSeconds: 0, resourceVersion };
}
