// A judgement changes only after its evidence has lasted, and looks that fail to come are no evidence.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Evidence,
  type Judgement,
  judge,
  SILENCE_SECONDS,
  unjudged,
} from '../../../operator/core/health/judgement.ts';

const durations = { toHold: 60, toEnd: 300 };

/** Looks each 15 s: y yes, n no, - unclear. What was held after each: 1 or 0. */
function run(looks: string, start: Judgement = unjudged, everySeconds = 15): string {
  let state = start;
  return [...looks]
    .map((one, i) => {
      const evidence: Evidence = one === 'y' ? 'yes' : one === 'n' ? 'no' : 'unclear';
      state = judge(state, evidence, i * everySeconds, durations);
      return state.holds ? '1' : '0';
    })
    .join('');
}

const held: Judgement = { holds: true };
const cases: Readonly<Record<string, readonly [string, string, Judgement?]>> = {
  'a minute of it makes it hold': ['yyyyy', '00001'],
  'less does not': ['yyyy', '0000'],
  'a look that says no starts the time again': ['yyynyyyyy', '000000001'],
  'and so does one that is unclear': ['yyy-yyyyy', '000000001'],
  'what is unclear never makes it hold': ['-------', '0000000'],
  'it lasts while it is unclear': ['-------', '1111111', held],
  'five minutes without it end it': [`${'n'.repeat(21)}`, `${'1'.repeat(20)}0`, held],
  'one look in between starts the five minutes again': [
    `${'n'.repeat(10)}y${'n'.repeat(21)}`,
    `${'1'.repeat(31)}0`,
    held,
  ],
};
for (const [sentence, [looks, answers, start]] of Object.entries(cases)) {
  test(sentence, () => assert.equal(run(looks, start), answers));
}

test('looks that are too far apart prove nothing', () => {
  assert.equal(run('yyyyyyyy', unjudged, SILENCE_SECONDS + 1), '00000000');
  assert.equal(run('yy', unjudged, SILENCE_SECONDS), '01');
});

test('it never changes twice within the shorter of the two durations', () => {
  const evidence = fc.constantFrom<Evidence>('yes', 'no', 'unclear');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(evidence, fc.integer({ min: 1, max: 90 })), { maxLength: 80 }),
      (looks) => {
        let state = unjudged;
        let at = 0;
        let changed = Number.NEGATIVE_INFINITY;
        for (const [one, gap] of looks) {
          at += gap;
          const next = judge(state, one, at, durations);
          if (next.holds !== state.holds) {
            assert.ok(at - changed >= 60, `after ${at - changed} s`);
            assert.equal(one, next.holds ? 'yes' : 'no');
            changed = at;
          }
          state = next;
        }
      },
    ),
  );
});
