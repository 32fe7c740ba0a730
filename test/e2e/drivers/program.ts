// Starts the programs of test/e2e/clients against a pool, tells them what changes, and asks what became of their work.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { appPassword, type Scene } from '../scene.ts';

/** How a client comes by its connections. */
export type Way = 'hold' | 'trust' | 'reconnect';

/** test/e2e/clients/README.md says what each counts. */
export interface Totals {
  readonly done: number;
  readonly failed: number;
  readonly refused: number;
  readonly unconnected: number;
  readonly opened: number;
  readonly relogins: number;
  readonly errors: readonly string[];
}

export interface Driver {
  readonly name: string;
  readonly command: readonly string[];
  readonly ways: readonly Way[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The longest that a transaction in hand, or a connection that is being opened, may take; milliseconds. */
const ANSWER_MS = 60_000;

export class Program {
  readonly name: string;
  readonly way: Way;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: ((line: string) => void)[] = [];
  readonly #ended: Promise<never>;
  #stderr = '';

  constructor(scene: Scene, pool: string, driver: Driver, way: Way, workers: number) {
    this.name = `${driver.name} ${way}`;
    this.way = way;
    const { host, user, database } = scene.login(pool);
    const [program = '', ...args] = driver.command;
    this.#child = spawn(program, [...args, way, String(workers)], {
      stdio: 'pipe',
      env: {
        ...process.env,
        PGHOST: host,
        PGPORT: '5432',
        PGUSER: user,
        PGDATABASE: database,
        PGPASSWORD: appPassword,
        ...driver.env,
      },
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#waiting.shift()?.(line);
    });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-4000);
    });
    this.#child.stdin.on('error', () => undefined);
    this.#ended = new Promise((_, reject) => {
      this.#child.once('error', reject);
      // When all that it has said was read.
      this.#child.once('close', (code) => {
        reject(new Error(`${this.name} ended with code ${code}\n${this.#stderr}`));
      });
    });
    this.#ended.catch(() => undefined);
    scene.onRemove(async () => this.#child.kill('SIGKILL'));
  }

  /** Totals since its start. */
  report(): Promise<Totals> {
    return this.#ask('report');
  }

  /** It tries this one too from now on. */
  tell(password: string): void {
    this.#child.stdin.write(`password ${password}\n`);
  }

  /** Ends it after the transactions in hand. */
  stop(): Promise<Totals> {
    return this.#ask('stop');
  }

  async #ask(word: string): Promise<Totals> {
    const answer = new Promise<string>((resolve) => this.#waiting.push(resolve));
    this.#child.stdin.write(`${word}\n`);
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`${this.name}: no answer to ${word}\n${this.#stderr}`)),
      ANSWER_MS,
    );
    try {
      return JSON.parse(await Promise.race([answer, this.#ended, late.promise])) as Totals;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What was counted between two reports. */
export function between(before: Totals, after: Totals): Totals {
  const less = (key: Exclude<keyof Totals, 'errors'>) => after[key] - before[key];
  return {
    done: less('done'),
    failed: less('failed'),
    refused: less('refused'),
    unconnected: less('unconnected'),
    opened: less('opened'),
    relogins: less('relogins'),
    errors: after.errors.slice(before.errors.length),
  };
}
