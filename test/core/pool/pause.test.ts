// A pause as a decision: what a process is told, and what status says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isPauseWanted,
  nextPauseStep,
  type PauseInput,
  type PauseState,
  pauseEnd,
  pauseFinding,
} from '../../../operator/core/pool/pause.ts';

const at = (time: string) => Date.parse(`2026-03-01T${time}Z`);
const until = '2026-03-01T12:00:00Z';

test('a pause is wanted up to its time, and without a time for as long as it stands there', () => {
  assert.equal(isPauseWanted(undefined, at('11:00:00')), false);
  assert.equal(isPauseWanted({}, at('11:00:00')), true);
  assert.equal(isPauseWanted({ until }, at('11:59:59')), true);
  assert.equal(isPauseWanted({ until }, at('12:00:00')), false);
  assert.equal(pauseEnd({ until: '2026-03-01T13:00:00+01:00' }), at('12:00:00'));
});

test('a process is told only what it does not do already, and no pause outlives the wish', () => {
  const table: [boolean, PauseState, string | undefined][] = [
    [true, 'serving', 'pause'],
    [true, 'pausing', undefined],
    [true, 'paused', undefined],
    [false, 'serving', undefined],
    [false, 'pausing', 'resume'],
    [false, 'paused', 'resume'],
  ];
  for (const [wanted, state, step] of table) {
    assert.equal(nextPauseStep(wanted, state)?.kind, step, `${wanted} ${state}`);
  }
});

const pods = (...states: PauseState[]) => states.map((state, i) => ({ name: `p-${i}`, state }));
const say = (input: Partial<PauseInput>) => {
  const given: PauseInput = {
    pause: { until },
    now: at('11:59:00'),
    pods: pods('paused', 'paused'),
    queryWaitTimeout: 120,
    previous: undefined,
    ...input,
  };
  const found = pauseFinding(given);
  return found === undefined
    ? undefined
    : `${found.status} ${found.reason} ${found.effect}: ${found.message}`;
};
const since = (time: string, status: 'True' | 'False' = 'True') => ({
  type: 'Paused',
  status,
  lastTransitionTime: `2026-03-01T${time}Z`,
  reason: 'Paused',
  message: '',
});

test('the condition says how far it is, until when, and whom to look at', () => {
  const kept = '2 of 2 pods are paused, and none is replaced or removed before';
  assert.equal(say({}), `True Paused fine: Clients wait until ${until}; ${kept}`);
  assert.match(
    say({ pause: {} }) ?? '',
    /^True Paused fine: Clients wait until spec.pause is removed/,
  );
  assert.equal(
    say({ pods: pods('paused', 'pausing', 'serving') }),
    'False Pausing waiting: 1 of 3 pods are paused; transactions in hand have to end in p-1; not reached yet: p-2',
  );
});

test('a pause that is over says so, and that a process has to be told yet', () => {
  const over = { now: at('12:00:01') };
  assert.match(say({ ...over }) ?? '', /^True Resuming waiting: .*p-0, p-1/);
  const served = { pods: pods('serving', 'serving') };
  assert.match(say({ ...over, ...served }) ?? '', /^False PauseOver noted: .*has passed/);
  assert.match(say({ ...served, pause: undefined, previous: since('11:00:00') }) ?? '', /Resumed/);
  assert.equal(say({ ...served, pause: undefined }), undefined);
});

test('a pause that is longer than a client may wait is warned of, the same all the time', () => {
  const dropped = /waits longer than 120 s is dropped/;
  assert.match(say({ pause: {} }) ?? '', dropped);
  assert.doesNotMatch(say({ pause: {}, queryWaitTimeout: 0 }) ?? '', dropped);
  assert.match(say({ now: at('11:57:59') }) ?? '', dropped);
  assert.doesNotMatch(say({ now: at('11:58:00') }) ?? '', dropped);
  assert.match(say({ now: at('11:59:59'), previous: since('11:57:59') }) ?? '', dropped);
  assert.doesNotMatch(say({ previous: since('11:00:00', 'False') }) ?? '', dropped);
});
