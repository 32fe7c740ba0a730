// Workers that take keys from a queue and run a reconcile for each; the outcome decides what becomes
// of the key.
import type { Logger } from 'pino';
import type { ControllerMetrics } from './metrics.ts';
import { Queue, type QueueOptions } from './queue.ts';

/**
 * What a run asks for. `done`: nothing until something changes. `after`: another look in so many
 * seconds, without an error. `backoff`: it failed and may heal; again after a growing pause.
 * `terminal`: it cannot succeed until something changes; no retry.
 */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'after'; readonly seconds: number }
  | { readonly kind: 'backoff'; readonly error: unknown }
  | { readonly kind: 'terminal'; readonly reason: string };

export const done: Outcome = { kind: 'done' };
export function after(seconds: number): Outcome {
  return { kind: 'after', seconds };
}
export function backoff(error: unknown): Outcome {
  return { kind: 'backoff', error };
}
export function terminal(reason: string): Outcome {
  return { kind: 'terminal', reason };
}

/** What a run is given besides its key. */
export interface Run {
  /** Unique for each run of this process; in every log line of `log`. */
  readonly id: string;
  readonly log: Logger;
  /** Aborted when the run's deadline is over or leadership is lost: pass it to every call. */
  readonly signal: AbortSignal;
  /** How often this key failed before, in a row. */
  readonly failures: number;
}

/** An exception is the same as the outcome `backoff`. */
export type Reconcile = (key: string, run: Run) => Promise<Outcome>;

export interface ControllerOptions extends QueueOptions {
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly log: Logger;
  /** Runs at the same time; 1 when left out. */
  readonly workers?: number;
  /** For one run; 60 when left out. */
  readonly deadlineSeconds?: number;
  readonly metrics?: ControllerMetrics;
}

/** Used by the manager: `start` once, then `stop` (finish what is in hand) or `abort` (give it up). */
export class Controller {
  readonly name: string;
  readonly queue: Queue;
  readonly #options: ControllerOptions;
  readonly #abort = new AbortController();
  readonly #prefix = Math.random().toString(36).slice(2, 8);
  #runs = 0;
  #workers: Promise<void>[] = [];

  constructor(options: ControllerOptions) {
    this.name = options.name;
    this.#options = options;
    this.queue = new Queue(options);
    options.metrics?.observeQueue(options.name, this.queue);
  }

  /** Starts the workers. Keys may be added before. */
  start(): void {
    if (this.#workers.length > 0) throw new Error(`controller ${this.name} runs already`);
    const workers = this.#options.workers ?? 1;
    this.#workers = Array.from({ length: workers }, () => this.#work());
  }

  /** Takes no further key; resolves when the runs in hand have ended. */
  async stop(): Promise<void> {
    await this.queue.shutDown();
    await Promise.all(this.#workers);
  }

  /** As `stop`, and aborts the signals of the runs in hand. */
  abort(reason: string): Promise<void> {
    this.#abort.abort(new Error(reason));
    return this.stop();
  }

  async #work(): Promise<void> {
    for (;;) {
      const key = await this.queue.take();
      if (key === undefined) return;
      await this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    const { name, metrics } = this.#options;
    const id = `${this.#prefix}-${(++this.#runs).toString(36)}`;
    // Made when it is used, because most runs log nothing.
    let child: Logger | undefined;
    const log = () => {
      child ??= this.#options.log.child({ controller: name, key, run: id });
      return child;
    };
    const run = new AbortController();
    const overdue = () => run.abort(new Error('the deadline of this run is over'));
    const timer = setTimeout(overdue, (this.#options.deadlineSeconds ?? 60) * 1000);
    const lost = () => run.abort(this.#abort.signal.reason);
    if (this.#abort.signal.aborted) lost();
    else this.#abort.signal.addEventListener('abort', lost, { once: true });
    const started = performance.now();
    let outcome: Outcome;
    try {
      const failures = this.queue.failures(key);
      outcome = await this.#options.reconcile(key, {
        id,
        signal: run.signal,
        failures,
        get log() {
          return log();
        },
      });
    } catch (error) {
      outcome = { kind: 'backoff', error };
    } finally {
      clearTimeout(timer);
      this.#abort.signal.removeEventListener('abort', lost);
    }
    metrics?.observeRun(name, outcome.kind, (performance.now() - started) / 1000);
    this.#settle(key, outcome, log);
    this.queue.done(key);
  }

  #settle(key: string, outcome: Outcome, log: () => Logger): void {
    switch (outcome.kind) {
      case 'done':
        this.queue.forget(key);
        return;
      case 'after':
        this.queue.forget(key);
        this.queue.addAfter(key, outcome.seconds);
        return;
      case 'terminal':
        this.queue.forget(key);
        log().warn({ reason: outcome.reason }, 'reconcile cannot succeed until something changes');
        return;
      case 'backoff': {
        const retrySeconds = this.queue.addBackoff(key);
        log().warn({ err: outcome.error, retrySeconds }, 'reconcile failed');
      }
    }
  }
}
