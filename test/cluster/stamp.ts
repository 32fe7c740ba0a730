// Steps that are skipped when they were done before with the same inputs.

import { createHash } from 'node:crypto';
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { withLock } from './lock.ts';
import { cache, repository } from './paths.ts';
import { say } from './run.ts';

export type Step = {
  /** Names the stamp; letters and dashes. */
  name: string;
  /** What is shown while it runs. */
  title: string;
  /** Everything that the result depends on: a change makes the step run again. */
  inputs: readonly string[];
  /** Files or folders that must be there for the step to count as done. */
  outputs: readonly string[];
  work: () => Promise<void>;
};

const digest = (parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex');

/** Does `step` unless it is done already. Two processes that want the same step do it once. */
export async function once(step: Step): Promise<void> {
  const stamp = join(cache, 'stamps', step.name);
  const wanted = digest(step.inputs);
  const done = () =>
    existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted && step.outputs.every(existsSync);
  if (done()) return;
  const lock = `${digest([repository]).slice(0, 12)}-${step.name}`;
  await withLock(
    lock,
    async () => {
      if (done()) return;
      rmSync(stamp, { force: true });
      say(step.title);
      const start = Date.now();
      await step.work();
      mkdirSync(join(cache, 'stamps'), { recursive: true });
      writeFileSync(stamp, wanted);
      say(`${step.title}: done in ${((Date.now() - start) / 1000).toFixed(0)} s`);
    },
    () => say(`${step.title}: waiting for another process that does it`),
  );
}

/** The contents of all files below `folder`, with their names: an input of a step. */
export function contents(folder: string): string[] {
  return globSync('**', { cwd: folder })
    .sort()
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => `${name}\n${readFileSync(join(folder, name)).toString('base64')}`);
}
