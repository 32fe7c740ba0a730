// Runs other programs to their end, and says on standard error what is being done.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';

export type RunOptions = {
  cwd?: string;
  env?: Record<string, string | undefined>;
  input?: string | Buffer;
  /** Let the program write to this terminal; `stdout` and `stderr` of the result are then empty. */
  show?: boolean;
  /** The program is killed after this many milliseconds. */
  deadline?: number;
};

export type RunResult = { code: number; stdout: string; stderr: string };

/** A program ended with a code other than 0; the message holds the end of what it wrote. */
export class CommandError extends Error {
  readonly result: RunResult;
  constructor(command: readonly string[], result: RunResult) {
    const said = (result.stderr || result.stdout).trim().split('\n').slice(-20).join('\n');
    super(`${command.join(' ')} ended with code ${result.code}${said ? `:\n${said}` : ''}`);
    this.name = 'CommandError';
    this.result = result;
  }
}

/** Runs `command` and returns its exit code and output, whatever the code is. */
export function attempt(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [program = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const out = options.show ? 'inherit' : 'pipe';
    const child = spawn(program, args, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', out, out],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: { ...process.env, ...options.env } }),
      ...(options.deadline === undefined
        ? {}
        : { timeout: options.deadline, killSignal: 'SIGKILL' }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve({
        // A shell's way to say which signal ended a program.
        code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]),
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      }),
    );
    // A program that does not read its input to the end is judged by its exit code alone.
    child.stdin?.on('error', () => undefined);
    if (options.input !== undefined) child.stdin?.end(options.input);
  });
}

/** Runs `command` and returns its standard output. Throws a CommandError unless it ends with 0. */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await attempt(command, options);
  if (result.code !== 0) throw new CommandError(command, result);
  return result.stdout;
}

const started = Date.now();

/** One line of progress, with the seconds since the tool was started. */
export function say(line: string): void {
  const seconds = ((Date.now() - started) / 1000).toFixed(0).padStart(4);
  process.stderr.write(`${seconds} s  ${line}\n`);
}

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Calls `look` until it returns something other than undefined or false. Throws after `seconds`,
 * with `what` and the error of the last look.
 */
export async function until<T>(
  what: string,
  seconds: number,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  pause = 100,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  let fault: unknown;
  do {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      fault = undefined;
    } catch (error) {
      fault = error;
    }
    await sleep(pause);
  } while (Date.now() < end);
  throw new Error(`${what}: not within ${seconds} s`, fault === undefined ? {} : { cause: fault });
}
