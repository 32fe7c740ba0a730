// The model checker: random sequences of everything that can go wrong, checked after every step. The seed is printed;
// SPILLWAY_SEED repeats a run, SPILLWAY_SOAK_SECONDS makes it longer (see model.md).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explore, type Setting, tell } from './explore.ts';

const seconds = Number(process.env.SPILLWAY_SOAK_SECONDS ?? 24);
const seed = Number(process.env.SPILLWAY_SEED ?? Date.now() % 1_000_000_000);
/** Steps that change something, by sequence: short ones shrink well, long ones get far. */
const lengths = [40, 80, 200] as const;

function check(name: string, liveness: Setting['liveness'], share: number): void {
  test(name, (t) => {
    let sequences = 0;
    let steps = 0;
    for (const length of lengths) {
      const end = performance.now() + (seconds * 1000 * share) / lengths.length;
      const found = explore({
        seed: seed + sequences,
        length,
        setting: { switches: {}, strict: true, liveness },
        until: () => performance.now() > end,
      });
      sequences += found.sequences;
      steps += found.steps;
      assert.equal(found.finding, undefined, found.finding && tell(found.finding));
    }
    t.diagnostic(`seed ${seed}: ${sequences} sequences, ${steps} steps`);
    assert.ok(sequences > 0 && steps > 0);
  });
}

check(
  'no sequence of writes, crashes, stale views and old volumes lets more be opened than the budget, and all settles',
  'nodesReturn',
  0.7,
);
check('what a lost node does not hold is of use to somebody', 'nodesStayLost', 0.3);

test('the same seed gives the same sequence', () => {
  const run = () =>
    explore({
      seed: 7,
      length: 80,
      setting: { switches: { cachesAreProof: true }, strict: true, liveness: undefined },
      until: (done) => done >= 200,
    });
  const once = run();
  assert.deepEqual(run(), once);
  assert.ok(once.steps > 1000);
});
