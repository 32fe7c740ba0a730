// The health of a pool over time: what makes it saturated or starving, and how long room is kept for others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { saturatedFinding, starvingFinding } from '../../../operator/core/health/findings.ts';
import type { Look } from '../../../operator/core/health/look.ts';
import { judgePool, type PoolHealth } from '../../../operator/core/health/pool-health.ts';

const calm: Look = {
  at: 0,
  clientsActive: 1,
  clientsWaiting: 0,
  maxWaitSeconds: 0,
  servers: { active: 1, idle: 0, used: 0, tested: 0, login: 0, cancelled: 0 },
  totals: { transactions: 0, queries: 0, assignments: 0, transactionSeconds: 0, waitSeconds: 0 },
  paused: false,
  pressed: false,
  starving: false,
  wanting: 1,
};
const pressed: Look = { ...calm, pressed: true, maxWaitSeconds: 2 };
const starving: Look = { ...calm, starving: true, wanting: 3 };
const none: PoolHealth = { saturated: { holds: false }, starving: { holds: false } };

/** The looks of one state of affairs each 15 s for so long, from `from` on. */
function watch(before: PoolHealth, looks: readonly Look[], seconds: number, from = 0): PoolHealth {
  let health = before;
  for (let at = from; at <= from + seconds; at += 15) health = judgePool(health, looks, at);
  return health;
}

test('a pool is saturated after a minute in which one of its processes is pressed', () => {
  assert.equal(watch(none, [calm, pressed], 45).saturated.holds, false);
  assert.equal(watch(none, [calm, pressed], 60).saturated.holds, true);
  assert.equal(watch(none, [calm, calm], 600).saturated.holds, false);
});

test('it is over after five minutes of calm, and a wait that is not quite long is no calm', () => {
  const saturated = watch(none, [pressed], 60);
  const waiting = { ...calm, maxWaitSeconds: 0.5 };
  assert.equal(watch(saturated, [calm, waiting], 3000, 75).saturated.holds, true);
  assert.equal(watch(saturated, [calm], 285, 75).saturated.holds, true);
  assert.equal(watch(saturated, [calm], 300, 75).saturated.holds, false);
});

test('while a pool is paused its clients wait as they should', () => {
  const paused = { ...pressed, paused: true, starving: true };
  const health = watch(none, [paused], 600);
  assert.deepEqual([health.saturated.holds, health.starving.holds], [false, false]);
});

test('two looks at somebody who starves make room for as many as want connections', () => {
  const once = judgePool(none, [starving], 0);
  assert.deepEqual([once.starving.holds, once.sharers], [false, undefined]);
  const twice = judgePool(once, [starving], 15);
  assert.deepEqual([twice.starving.holds, twice.sharers], [true, 3]);
  const more = judgePool(twice, [{ ...starving, wanting: 5 }], 30);
  assert.equal(more.sharers, 5);
  assert.equal(judgePool(more, [starving], 45).sharers, 5, 'fewer now is no reason yet');
});

test('room is kept for an hour after it was last wanted, and then for those who were seen', () => {
  const five: PoolHealth = { ...none, sharers: 5 };
  const quiet = (wanting: number) => ({ ...calm, wanting });
  assert.equal(watch(five, [quiet(2)], 3585).sharers, 5);
  assert.equal(watch(five, [quiet(2)], 3600).sharers, 2);
  assert.equal(watch(five, [quiet(1)], 3600).sharers, undefined);
  const seen = watch(
    judgePool(watch(five, [quiet(1)], 3000), [quiet(5)], 3015),
    [quiet(1)],
    600,
    3030,
  );
  assert.equal(seen.sharers, 5, 'they came back within the hour');
  assert.equal(watch(five, [quiet(3)], 3600).window?.wanting, 3);
});

test('without sharers nothing is remembered', () => {
  assert.deepEqual(Object.keys(watch(none, [calm], 600)).sort(), ['saturated', 'starving']);
});

test('sharers only come with somebody who starves, are never 1, and cover all who want while it lasts', () => {
  const one = fc.record({
    starving: fc.boolean(),
    wanting: fc.nat(6),
    gap: fc.constantFrom(5, 15, 15, 15, 70, 1000),
  });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 60 }), (looks) => {
      let health = none;
      let at = 0;
      let everStarved = false;
      for (const { starving: is, wanting, gap } of looks) {
        at += gap;
        health = judgePool(health, [{ ...calm, starving: is, wanting }], at);
        everStarved ||= health.starving.holds;
        if (!everStarved) assert.equal(health.sharers, undefined);
        assert.ok(health.sharers === undefined || health.sharers > 1);
        if (health.starving.holds && wanting > 1) assert.ok((health.sharers ?? 0) >= wanting);
      }
    }),
  );
});

test('the conditions say the same as long as the judgement does', () => {
  assert.deepEqual(
    [true, false].map((holds) => saturatedFinding(holds).status),
    ['True', 'False'],
  );
  assert.match(starvingFinding(true, 3).message, /each of 3 that want some at a time is kept one/);
  assert.doesNotMatch(starvingFinding(false, undefined).message, /kept/);
  for (const finding of [saturatedFinding(true), starvingFinding(true, 2)]) {
    assert.equal(finding.effect, 'noted', 'it does not make the pool unready');
  }
});
