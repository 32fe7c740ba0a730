// Which keys need a look: keys only, never what happened to them.
//
// Guarantees: a key is handed out to one worker at a time; a key that is added while a worker has it
// is handed out once more afterwards; keys come out in the order in which they became due. A key has
// at most one appointment for later, the earliest asked for, and being handed out cancels it: a run
// sees all there is and says itself when it wants to be called again.
import { type Clock, systemClock, type Timer } from './clock.ts';
import { Heap } from './heap.ts';

export interface QueueOptions {
  clock?: Clock;
  /** First pause after a failure, doubled by each further one; 0.005 when left out. */
  baseBackoffSeconds?: number;
  /** Longest pause after failures; 1000 when left out. */
  maxBackoffSeconds?: number;
}

export class Queue {
  readonly #clock: Clock;
  readonly #base: number;
  readonly #cap: number;
  /** Due now, in order. */
  readonly #ready = new Set<string>();
  readonly #working = new Set<string>();
  /** Added while a worker has them. */
  readonly #dirty = new Set<string>();
  readonly #failures = new Map<string, number>();
  /** When a key becomes due, in ms of the clock; the heap may hold older entries, which do not count. */
  readonly #due = new Map<string, number>();
  readonly #later = new Heap<{ at: number; key: string }>((a, b) => a.at - b.at);
  readonly #takers: ((key: string | undefined) => void)[] = [];
  readonly #drained = Promise.withResolvers<void>();
  #timer: { at: number; timer: Timer } | undefined;
  #stopped = false;

  constructor(options: QueueOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#base = options.baseBackoffSeconds ?? 0.005;
    this.#cap = options.maxBackoffSeconds ?? 1000;
  }

  /** Keys due now and not in work. */
  get length(): number {
    return this.#ready.size;
  }

  /** Keys in the hands of workers. */
  get working(): number {
    return this.#working.size;
  }

  /** Keys with an appointment for later. */
  get waiting(): number {
    return this.#due.size;
  }

  add(key: string): void {
    if (this.#stopped) return;
    if (this.#working.has(key)) {
      this.#dirty.add(key);
      return;
    }
    const taker = this.#ready.has(key) ? undefined : this.#takers.shift();
    if (taker === undefined) this.#ready.add(key);
    else this.#hand(key, taker);
  }

  /** Adds the key in so many seconds, unless it has an earlier appointment. */
  addAfter(key: string, seconds: number): void {
    if (this.#stopped) return;
    if (!(seconds > 0)) {
      this.add(key);
      return;
    }
    const at = this.#clock.now() + seconds * 1000;
    const known = this.#due.get(key);
    if (known !== undefined && known <= at) return;
    this.#due.set(key, at);
    this.#later.push({ at, key });
    this.#arm();
  }

  /** Adds the key after the pause its failures have earned, one more than before; returns it (s). */
  addBackoff(key: string): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const seconds = Math.min(this.#cap, this.#base * 2 ** Math.min(failures, 60));
    this.addAfter(key, seconds);
    return seconds;
  }

  /** How often the key failed since it was forgotten. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The key is well: its next failure starts from the first pause. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key; undefined when the queue is shut down. Each key must be given back: `done`. */
  take(): Promise<string | undefined> {
    if (this.#stopped) return Promise.resolve(undefined);
    for (const key of this.#ready) {
      this.#ready.delete(key);
      return new Promise((resolve) => this.#hand(key, resolve));
    }
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** The worker has finished with the key. */
  done(key: string): void {
    this.#working.delete(key);
    if (this.#dirty.delete(key)) this.add(key);
    if (this.#stopped && this.#working.size === 0) this.#drained.resolve();
  }

  /**
   * Hands out nothing more and takes nothing in. Resolves when the keys in hand are done; the others
   * are dropped, because the next process finds them again.
   */
  shutDown(): Promise<void> {
    if (!this.#stopped) {
      this.#stopped = true;
      this.#timer?.timer.cancel();
      this.#timer = undefined;
      this.#ready.clear();
      this.#dirty.clear();
      this.#due.clear();
      this.#later.clear();
      for (const taker of this.#takers.splice(0)) taker(undefined);
      if (this.#working.size === 0) this.#drained.resolve();
    }
    return this.#drained.promise;
  }

  #hand(key: string, taker: (key: string) => void): void {
    this.#working.add(key);
    this.#due.delete(key);
    taker(key);
  }

  #arm(): void {
    for (;;) {
      const next = this.#later.peek();
      if (next === undefined) break;
      if (this.#due.get(next.key) !== next.at) {
        this.#later.pop();
        continue;
      }
      if (this.#timer !== undefined && this.#timer.at <= next.at) return;
      this.#timer?.timer.cancel();
      const timer = this.#clock.after(next.at - this.#clock.now(), () => this.#onTimer());
      this.#timer = { at: next.at, timer };
      return;
    }
  }

  #onTimer(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (;;) {
      const next = this.#later.peek();
      if (next === undefined || next.at > now) break;
      this.#later.pop();
      if (this.#due.get(next.key) !== next.at) continue;
      this.#due.delete(next.key);
      this.add(next.key);
    }
    this.#arm();
  }
}
