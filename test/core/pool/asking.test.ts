// A console that fails is asked less and less often, and at once when something has changed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  afterAnswer,
  afterFailure,
  afterTouch,
  askingOf,
  failureInWords,
  isSaid,
  mayTouch,
  secondsUntilAsk,
} from '../../../operator/core/pool/asking.ts';
import { ConsoleError } from '../../../operator/engines/engine.ts';

const NOW = 1_000_000;

test('pauses double from a second to half a minute, and an answer ends them', () => {
  let asking = askingOf(undefined, 'a');
  assert.equal(secondsUntilAsk(asking, NOW), 0);
  const pauses = Array.from({ length: 8 }, () => {
    asking = afterFailure(asking, NOW);
    return secondsUntilAsk(asking, NOW);
  });
  assert.deepEqual(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
  assert.equal(secondsUntilAsk(asking, NOW + 29_000), 1);
  assert.equal(secondsUntilAsk(asking, NOW + 31_000), 0);
  assert.equal(secondsUntilAsk(afterAnswer(asking), NOW), 0);
  assert.equal(secondsUntilAsk(afterFailure(afterAnswer(asking), NOW), NOW), 1);
});

test('a failure is said when it comes a second time', () => {
  const once = afterFailure(askingOf(undefined, 'a'), NOW);
  assert.equal(isSaid(once), false);
  assert.equal(isSaid(afterFailure(once, NOW)), true);
});

test('what may have ended the failure ends the waiting, and nothing else does', () => {
  const failed = afterTouch(afterFailure(askingOf(undefined, 'a'), NOW), NOW);
  assert.equal(askingOf(failed, 'a'), failed);
  const other = askingOf(failed, 'b');
  assert.equal(secondsUntilAsk(other, NOW), 0);
  assert.ok(mayTouch(other, NOW));
});

test('a pod is touched at once for new files, and then after 2 s, 4 s, up to half a minute', () => {
  let asking = askingOf(undefined, 'a');
  assert.ok(mayTouch(asking, NOW));
  for (const seconds of [2, 4, 8, 16, 30, 30]) {
    asking = afterTouch(asking, NOW);
    assert.equal(mayTouch(asking, NOW + seconds * 1000 - 1), false);
    assert.equal(mayTouch(asking, NOW + seconds * 1000), true);
  }
});

test('nobody waits longer than half a minute, whatever the clock does', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1e9, max: 1e9 }), { minLength: 1 }), (times) => {
      let asking = askingOf(undefined, 'a');
      for (const now of times) {
        asking = afterFailure(asking, now);
        const seconds = secondsUntilAsk(asking, times[0] ?? 0);
        assert.ok(seconds >= 0 && seconds <= 30);
      }
    }),
  );
});

test('failures are said without addresses and times', () => {
  const where = 'the console at 10.0.0.7:6432';
  const said = (code: ConsoleError['code'], message: string) =>
    failureInWords(new ConsoleError(code, message));
  assert.equal(
    said('Unreachable', `${where} cannot be reached: ECONNREFUSED`),
    said('TimedOut', `${where}: no answer within 2000 ms`),
  );
  assert.equal(
    said('Refused', `${where} says: RELOAD failed, see logs for additional details`),
    'its console says: RELOAD failed, see logs for additional details',
  );
  for (const code of ['Unreachable', 'TimedOut', 'Denied', 'Refused', 'Protocol'] as const) {
    assert.doesNotMatch(said(code, `${where} says: no`), /10\.0|2000/);
  }
  assert.match(failureInWords(new Error('x'.repeat(5000))), /^.{1,300}$/);
});
