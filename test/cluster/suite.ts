// Runs every test there is: brings up what they need, and takes it away again.

import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { down, inside, up } from './cluster.ts';
import { environment, findSupervisor, inNetwork } from './inside.ts';
import { namesOf } from './names.ts';
import { repository } from './paths.ts';
import { say } from './run.ts';

/** A name of its own: a demo that runs is not disturbed. */
const name = 'e2e';

/** On the second node: nobody comes there but pods of tests that take it away. */
export const lonelyTaint = 'spillway.dev/lonely';

/** Runs the tests of `files`, or all, on a new cluster. Returns the exit code of the test runner. */
export async function runTests(files: readonly string[]): Promise<number> {
  const chosen =
    files.length > 0 ? files : globSync('test/**/*.test.ts', { cwd: repository }).sort();
  await down(name);
  try {
    const names = namesOf(name, 2);
    await up(name, { nodes: 2, imagesOfOthers: ['pause', 'pgbouncer'] });
    const taint = ['taint', 'nodes', names.nodes[1]?.name ?? '', `${lonelyTaint}:NoSchedule`];
    const tainted = await inside(names, ['kubectl', ...taint]);
    if (tainted.code !== 0) throw new Error(tainted.stderr);
    const pid = findSupervisor(names)?.pid;
    if (pid === undefined) throw new Error('The cluster for the tests ended');
    say(`Running ${chosen.length} test files`);
    // What is to run for longer says so with this variable, in seconds.
    const seconds = 600 + 3 * Number(process.env.SPILLWAY_SOAK_SECONDS ?? 0);
    const timeout = `--test-timeout=${seconds * 1000}`;
    const runner = [process.execPath, '--test', '--test-reporter=spec', timeout];
    return await runHere(inNetwork(names, pid, [...runner, ...chosen]), environment(names));
  } finally {
    await down(name);
  }
}

/**
 * Runs a program as if it had been run here: it has the terminal, gets the signals that are meant
 * for it, and its exit code is returned.
 */
export function runHere(
  command: readonly string[],
  env: Record<string, string>,
  cwd = repository,
): Promise<number> {
  const [program = '', ...args] = command;
  const options = { cwd, stdio: 'inherit', env: { ...process.env, ...env } } as const;
  const child = spawn(program, args, options);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const pass = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of signals) process.on(signal, pass);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      for (const signal of signals) process.off(signal, pass);
      resolve(code ?? 1);
    });
  });
}
