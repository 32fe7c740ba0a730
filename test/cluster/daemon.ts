// A daemon that belongs to the process that started it, and never outlives it.

import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { sleep } from './run.ts';

export type Daemon = {
  readonly pid: number;
  /** Everything that the daemon has written to standard output and standard error so far. */
  log(): string;
  signal(name: NodeJS.Signals): void;
  /** Settles when the daemon is gone, whatever the reason. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Asks with `signal`, kills after `grace` seconds, and waits until the daemon is gone. */
  stop(signal?: NodeJS.Signals, grace?: number): Promise<void>;
};

const keptLogBytes = 4 * 1024 * 1024;

/**
 * Starts `command`. The command has to ask the kernel for its own death signal (`dieWithParent`
 * makes such a command): that covers a SIGKILL of this process, which no handler in it could.
 */
export function startDaemon(
  command: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Daemon {
  const [program = '', ...args] = command;
  const child: ChildProcess = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  let text = '';
  const keep = (chunk: string) => {
    text = (text + chunk).slice(-keptLogBytes);
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', keep);
    // A test that forgot to stop its daemon still ends, and the daemon with it.
    (stream as { unref?: () => void } | null)?.unref?.();
  }
  child.unref();
  let gone = false;
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('error', (error) => {
      gone = true;
      keep(`${error.message}\n`);
      resolve({ code: null, signal: null });
    });
    child.once('close', (code, signal) => {
      gone = true;
      resolve({ code, signal });
    });
  });
  return {
    pid: child.pid ?? 0,
    log: () => text,
    signal: (name) => {
      if (!gone) child.kill(name);
    },
    exited,
    stop: async (signal = 'SIGTERM', grace = 10) => {
      if (gone) return;
      child.ref();
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), grace * 1000);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** `command`, changed so that the kernel sends it `signal` when the process that starts it dies. */
export function dieWithParent(command: readonly string[], signal = 'KILL'): string[] {
  return ['setpriv', `--pdeathsig=${signal}`, '--', ...command];
}

/** Waits until `daemon` accepts connections. Throws with its log when it ends or takes too long. */
export async function accepting(
  name: string,
  daemon: Daemon,
  port: number,
  host = '127.0.0.1',
  seconds = 20,
): Promise<void> {
  let gone = false;
  void daemon.exited.then(() => {
    gone = true;
  });
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(20)) {
    if (gone) throw new Error(`${name} ended at its start:\n${daemon.log()}`);
    if (await canConnect(port, host)) return;
  }
  await daemon.stop('SIGKILL');
  throw new Error(
    `${name} does not listen on ${host}:${port} after ${seconds} s:\n${daemon.log()}`,
  );
}

function canConnect(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
