// The reflector's decisions as a table.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  defaultTiming,
  type Input,
  type Problem,
  start,
  transition,
  type WatchState,
} from '../../operator/kube/watch-state.ts';

function run(inputs: readonly Input[], from: WatchState = start) {
  let state = from;
  const effects: string[] = [];
  for (const input of inputs) {
    const next = transition(state, input, defaultTiming, 0.5);
    state = next.state;
    effects.push(next.effect);
  }
  return { state, effects };
}

const page = (token = '', resourceVersion = '7'): Input => ({
  kind: 'page',
  continue: token,
  resourceVersion,
});
const ended = (problem?: Problem, livedSeconds = 0): Input =>
  problem === undefined
    ? { kind: 'ended', livedSeconds }
    : { kind: 'ended', problem, livedSeconds };
const progress: Input = { kind: 'progress', resourceVersion: '9' };

const cases: Record<string, { inputs: Input[]; step: object; effect: string }> = {
  'a page that is not the last asks for the next': {
    inputs: [page('token')],
    step: { do: 'list', waitSeconds: 0, continue: 'token' },
    effect: 'none',
  },
  'the last page is swapped in and watched from': {
    inputs: [page('token'), page()],
    step: { do: 'watch', waitSeconds: 0, resourceVersion: '7' },
    effect: 'swap',
  },
  'a list that fails keeps its place and waits': {
    inputs: [page('token'), ended('other')],
    step: { do: 'list', waitSeconds: 0.6, continue: 'token' },
    effect: 'none',
  },
  'a page token that expired starts the list anew at once': {
    inputs: [page('token'), ended('stale')],
    step: { do: 'list', waitSeconds: 0, continue: '' },
    effect: 'restart',
  },
  'a watch that lived and ended properly goes on at once from the last event': {
    inputs: [page(), progress, ended(undefined, 300)],
    step: { do: 'watch', waitSeconds: 0, resourceVersion: '9' },
    effect: 'none',
  },
  'a watch that ends as soon as it began waits': {
    inputs: [page(), ended()],
    step: { do: 'watch', waitSeconds: 0.6, resourceVersion: '7' },
    effect: 'none',
  },
  'a version that is too old leads to a list at once': {
    inputs: [page(), ended('stale')],
    step: { do: 'list', waitSeconds: 0, continue: '' },
    effect: 'restart',
  },
  'a version that is too old again and again waits longer': {
    inputs: [page(), ended('stale'), page(), ended('stale'), page(), ended('stale')],
    step: { do: 'list', waitSeconds: 1.2, continue: '' },
    effect: 'restart',
  },
  'a watch that brought nothing at all is not resumed': {
    inputs: [page(), ended('silent', 150)],
    step: { do: 'list', waitSeconds: 0, continue: '' },
    effect: 'restart',
  },
  'garbage resumes from the last good event': {
    inputs: [page(), progress, ended('garbage')],
    step: { do: 'watch', waitSeconds: 0.6, resourceVersion: '9' },
    effect: 'none',
  },
  'garbage three times at one place leads to a list': {
    inputs: [page(), ended('garbage'), ended('garbage'), ended('garbage')],
    step: { do: 'list', waitSeconds: 2.4, continue: '' },
    effect: 'restart',
  },
  'a type that was never there is looked for slowly': {
    inputs: [ended('absent')],
    step: { do: 'list', waitSeconds: 30, continue: '' },
    effect: 'restart',
  },
  'a type that was there is not given up at the first 404': {
    inputs: [page(), ended('absent')],
    step: { do: 'list', waitSeconds: 0.6, continue: '' },
    effect: 'restart',
  },
  'a type that stays away takes its objects along': {
    inputs: [page(), ended('absent'), ended('absent'), ended('absent')],
    step: { do: 'list', waitSeconds: 30, continue: '' },
    effect: 'clear',
  },
  'a Retry-After is kept to where it is longer': {
    inputs: [page(), { kind: 'ended', problem: 'other', livedSeconds: 0, retryAfterSeconds: 5 }],
    step: { do: 'watch', waitSeconds: 5, resourceVersion: '7' },
    effect: 'none',
  },
  'an event ends the row of failures': {
    inputs: [page(), ended('other'), ended('other'), ended('other'), progress, ended('other')],
    step: { do: 'watch', waitSeconds: 0.6, resourceVersion: '9' },
    effect: 'none',
  },
};

for (const [name, { inputs, step, effect }] of Object.entries(cases)) {
  test(name, () => {
    const { state, effects } = run(inputs);
    const waitSeconds = Math.round(state.step.waitSeconds * 1000) / 1000;
    assert.deepEqual({ ...state.step, waitSeconds }, step);
    assert.equal(effects.at(-1), effect);
  });
}

test('failures without an end wait at most half a minute, and never return at once', () => {
  const problem = fc.constantFrom('other' as const, 'garbage' as const, 'stale' as const);
  fc.assert(
    fc.property(
      fc.array(problem, { minLength: 2, maxLength: 60 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (problems, random) => {
        let state = run([page()]).state;
        problems.forEach((what, n) => {
          state = transition(state, ended(what), defaultTiming, random).state;
          assert.ok(state.step.waitSeconds <= 30);
          if (n > 0) assert.ok(state.step.waitSeconds >= 0.4);
        });
      },
    ),
  );
});
