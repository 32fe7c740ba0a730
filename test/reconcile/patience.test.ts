// The operator's memory of what waits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PATIENCE_SECONDS } from '../../operator/core/ledger/patience.ts';
import { Waiting } from '../../operator/reconcile/patience.ts';

/** Plans that withhold what `withheld` says; each returns what it was to give in parts. */
function waitingAt() {
  let now = 0;
  const waiting = new Waiting(() => now);
  return {
    waiting,
    pass: (seconds: number) => {
      now += seconds * 1000;
    },
    plan: (key: string, withheld: readonly string[]) => {
      const { plan, seconds } = waiting.plan(
        key,
        (inParts) => [...inParts],
        () => withheld,
      );
      return [plan, seconds];
    },
  };
}

test('after its time a plan is made in parts, and a look is due when that is', () => {
  const { plan, pass } = waitingAt();
  assert.deepEqual(plan('a', []), [[], undefined]);
  assert.deepEqual(plan('a', ['x']), [[], PATIENCE_SECONDS]);
  pass(4);
  assert.deepEqual(plan('a', ['x']), [[], PATIENCE_SECONDS - 4]);
  pass(PATIENCE_SECONDS - 4);
  assert.deepEqual(plan('a', ['x']), [['x'], undefined]);
});

test('one does not wait for another, and who is forgotten begins anew', () => {
  const { plan, pass, waiting } = waitingAt();
  plan('a', ['x']);
  plan('b', ['x']);
  pass(PATIENCE_SECONDS);
  waiting.forget('b');
  assert.deepEqual(plan('a', ['x']), [['x'], undefined]);
  assert.deepEqual(plan('b', ['x']), [[], PATIENCE_SECONDS]);
});
