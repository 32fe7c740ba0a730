// The model checker: random sequences of everything that can go wrong, checked after every step, for five minutes of
// computing time on all cores. SPILLWAY_SIMULATOR_SECONDS makes it shorter, SPILLWAY_SOAK_SECONDS longer, and
// SPILLWAY_SEED begins with the sequence of a finding (see model.md).
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { explore, type Setting } from './explore.ts';
import type { Report, Task } from './explorer.ts';

const workers = availableParallelism();
const soak = process.env.SPILLWAY_SOAK_SECONDS;
const computing = Number(process.env.SPILLWAY_SIMULATOR_SECONDS ?? 300);
/** For all of it, as the clock on the wall counts. */
const seconds = soak === undefined ? computing / workers : Number(soak);
const seed = Number(process.env.SPILLWAY_SEED ?? Date.now() % 1_000_000_000);
/** Far enough from each other that no two workers try the same. */
const STRIDE = Math.floor(2 ** 32 / workers);

function check(name: string, liveness: Setting['liveness'], share: number): void {
  const milliseconds = seconds * share * 1000;
  test(name, { timeout: 3 * milliseconds + 300_000 }, async (t) => {
    const reports = await Promise.all(
      Array.from({ length: workers }, (_, i) =>
        run({ seed: (seed + i * STRIDE) >>> 0, milliseconds, liveness }),
      ),
    );
    const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
    const [sequences, steps] = [
      sum(reports.map((r) => r.sequences)),
      sum(reports.map((r) => r.steps)),
    ];
    t.diagnostic(
      `seed ${seed}: ${sequences} sequences, ${steps} steps in ${workers} × ${(milliseconds / 1000).toFixed(0)} s`,
    );
    for (const { told } of reports) assert.equal(told, undefined, told);
    assert.ok(reports.every((r) => r.sequences > 0 && r.steps > 0));
  });
}

function run(task: Task): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./explorer.ts', import.meta.url), { workerData: task });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the worker ended with ${code}`)));
  });
}

check(
  'no sequence of writes, crashes, stale views and old volumes lets more be opened than the budget, and all settles',
  'nodesReturn',
  0.7,
);
check('what a lost node does not hold is of use to somebody', 'nodesStayLost', 0.3);

test('the same seed gives the same sequence', () => {
  const once = () =>
    explore({
      seed: 7,
      lengths: [80],
      setting: { switches: { cachesAreProof: true }, strict: true, liveness: undefined },
      until: (done) => done >= 200,
    });
  const first = once();
  assert.deepEqual(once(), first);
  assert.ok(first.steps > 1000);
});
