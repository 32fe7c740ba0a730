// One worker of the model checker: explores for as long as it is told, and says what it found.
import { parentPort, workerData } from 'node:worker_threads';
import { explore, type Setting, tell } from './explore.ts';

export interface Task {
  readonly seed: number;
  readonly milliseconds: number;
  readonly liveness: Setting['liveness'];
}

export interface Report {
  readonly sequences: number;
  readonly steps: number;
  /** The finding in words. */
  readonly told: string | undefined;
}

/** Steps that change something, by sequence: short ones shrink well, long ones get far. */
const lengths = [40, 80, 200];

const { seed, milliseconds, liveness } = workerData as Task;
const end = performance.now() + milliseconds;
const { sequences, steps, finding } = explore({
  seed,
  lengths,
  setting: { switches: {}, strict: true, liveness },
  until: () => performance.now() > end,
});
parentPort?.postMessage({ sequences, steps, told: finding && tell(finding) } satisfies Report);
