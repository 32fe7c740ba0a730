// Keeps a store equal to what the API server has: lists, then watches, for ever, whatever fails.
// The decisions are in watch-state.ts; this is the loop that carries them out.
//
// Guarantees: the store always converges to the server's state; a list replaces the store's content at
// once and only when complete. Assumption: resourceVersions in a watch arrive in order. Caveat: a
// type that is not installed is no failure: `ready` is true then, and the store stays empty.
import type { Client } from './client.ts';
import { ApiError, TransportError } from './errors.ts';
import { Lines } from './lines.ts';
import type { Store } from './store.ts';
import {
  compareResourceVersions,
  type KubeObject,
  type ResourceType,
  resourceName,
} from './types.ts';
import { broughtBy, parseLine } from './watch-line.ts';
import {
  defaultTiming,
  type Input,
  type Problem,
  start,
  type Timing,
  transition,
  type WatchState,
} from './watch-state.ts';

/** A watch that ended properly after so long without an event was silent: bookmarks come each minute. */
const silentSeconds = 90;
/** A type that was announced is looked for each second, for so long: it is served a moment later. */
const expectSeconds = 20;

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: Client;
  readonly type: ResourceType;
  readonly store: Store<T>;
  /** All namespaces when left out. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly pageSize?: number;
  readonly timing?: Partial<Timing>;
  /** The server ends a watch after a random time between these; 290 and 590 s when left out. */
  readonly watchSeconds?: { readonly min: number; readonly max: number };
  /** A watch without any byte for so long is dead. Bookmarks come about once a minute; 150 s. */
  readonly idleSeconds?: number;
  readonly random?: () => number;
  readonly observer?: ReflectorObserver;
}

/** For logs and metrics. */
export interface ReflectorObserver {
  listed?(count: number, seconds: number): void;
  /** A watch or list failed; it will be tried again in `waitSeconds`. */
  failed?(error: unknown, waitSeconds: number): void;
  notInstalled?(): void;
}

export type ReflectorStatus = 'starting' | 'synced' | 'notInstalled' | 'failing';

export class Reflector<T extends KubeObject = KubeObject> {
  readonly name: string;
  readonly store: Store<T>;
  readonly #options: ReflectorOptions<T>;
  readonly #timing: Timing;
  readonly #random: () => number;
  readonly #ready = Promise.withResolvers<void>();
  #state: WatchState = start;
  #pages: T[] = [];
  #status: ReflectorStatus = 'starting';
  #lastError: string | undefined;
  #expectedUntil = 0;
  #endPause: () => void = () => undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#timing = { ...defaultTiming, ...options.timing };
    this.#random = options.random ?? Math.random;
    this.name = resourceName(options.type);
    this.store = options.store;
  }

  get status(): ReflectorStatus {
    return this.#status;
  }

  /** What went wrong last, while the status is `failing`; for /readyz. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** The store is complete, or the type is not installed. */
  get ready(): boolean {
    return this.store.synced || this.#status === 'notInstalled';
  }

  get whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  /** Somebody knows that the type was installed, or is about to be: it is looked for at once. */
  expect(): void {
    this.#expectedUntil = performance.now() + expectSeconds * 1000;
    if (this.#status === 'notInstalled') this.#endPause();
  }

  /** Runs until the signal is aborted; then resolves. Never rejects. Run it once. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = () => this.#endPause();
    signal.addEventListener('abort', onAbort, { once: true });
    while (!signal.aborted) {
      const { step } = this.#state;
      if (step.waitSeconds > 0) await this.#pause(step.waitSeconds);
      if (signal.aborted) return;
      if (step.do === 'list') await this.#list(step.continue, signal);
      else await this.#watch(step.resourceVersion, signal);
    }
  }

  #pause(seconds: number): Promise<void> {
    const expected = this.#status === 'notInstalled' && performance.now() < this.#expectedUntil;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, (expected ? Math.min(1, seconds) : seconds) * 1000);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #list(token: string, signal: AbortSignal): Promise<void> {
    const { client, type } = this.#options;
    const started = performance.now();
    try {
      const page = await client.listPage<T>(
        type,
        {
          ...this.#selection(),
          pageSize: this.#state.whole ? 0 : (this.#options.pageSize ?? 500),
          signal,
          deadlineSeconds: 60,
        },
        token,
      );
      if (page.resourceVersion === '')
        throw new TransportError('garbage', 'a list without version');
      for (const item of page.items) this.#pages.push(this.store.intern(item));
      const seconds = (performance.now() - started) / 1000;
      this.#options.observer?.listed?.(page.items.length, seconds);
      this.#take(
        { kind: 'page', continue: page.continue, resourceVersion: page.resourceVersion },
        page.resourceVersion,
      );
    } catch (error) {
      this.#fail(error, started, signal);
    }
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { client, type } = this.#options;
    const { min, max } = this.#options.watchSeconds ?? { min: 290, max: 590 };
    const timeoutSeconds = Math.max(1, Math.round(min + (max - min) * this.#random()));
    const started = performance.now();
    let opened = false;
    let events = 0;
    const lines = new Lines((line) => {
      this.#onLine(line);
      events++;
    });
    try {
      await client.watch(type, {
        ...this.#selection(),
        resourceVersion,
        timeoutSeconds,
        signal,
        idleSeconds: this.#options.idleSeconds ?? 150,
        onOpen: () => {
          opened = true;
          this.#well();
        },
        onChunk: (chunk) => lines.push(chunk),
      });
      // A rest without newline is a line cut off: the server sends it again.
      const livedSeconds = (performance.now() - started) / 1000;
      const silent = events === 0 && livedSeconds >= silentSeconds;
      this.#take({ kind: 'ended', livedSeconds, ...(silent ? { problem: 'silent' } : {}) });
    } catch (error) {
      const deadline = error instanceof TransportError && error.kind === 'deadline';
      this.#fail(error, started, signal, opened && events === 0 && deadline);
    }
  }

  #selection(): { namespace?: string; labelSelector?: string; fieldSelector?: string } {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
  }

  #onLine(line: string): void {
    if (this.#isEcho(line)) return;
    const event = parseLine<T>(line);
    if (event.type === 'ERROR') throw event.error;
    const version = event.object.metadata.resourceVersion;
    if (version === undefined || version === '') {
      throw new TransportError('garbage', 'an event without resourceVersion');
    }
    // Never back: either this line is wrong or the place we believe to be at is.
    const known = compareResourceVersions(this.store.position, version);
    if (known !== undefined && known > 0) {
      throw new TransportError('garbage', 'an event older than the one before it');
    }
    if (event.type === 'BOOKMARK') this.store.advance(version);
    else this.store.applyEvent(event.type === 'DELETED' ? 'delete' : 'put', event.object);
    this.#take({ kind: 'progress', resourceVersion: version });
  }

  /** Most lines are our own writes, known from their answers: their beginning is enough. */
  #isEcho(line: string): boolean {
    const brought = broughtBy(line);
    if (brought === undefined) return false;
    const { key, uid, version } = brought;
    // What goes back in time is looked at more closely.
    if ((compareResourceVersions(this.store.position, version) ?? 1) > 0) return false;
    if (!this.store.applyEcho(key, uid, version)) return false;
    this.#take({ kind: 'progress', resourceVersion: version });
    return true;
  }

  #fail(error: unknown, started: number, signal: AbortSignal, silent = false): void {
    if (signal.aborted) return;
    const problem = silent ? 'silent' : problemOf(error);
    this.#take({
      kind: 'ended',
      problem,
      livedSeconds: (performance.now() - started) / 1000,
      retryAfterSeconds: error instanceof ApiError ? error.retryAfterSeconds : undefined,
    });
    if (problem === 'absent' && (!this.#state.synced || this.store.size === 0)) {
      if (this.#status !== 'notInstalled') this.#options.observer?.notInstalled?.();
      this.#status = 'notInstalled';
      this.#lastError = undefined;
      this.#ready.resolve();
      return;
    }
    // The normal end of a long pause; the list that follows at once will say more.
    if (problem === 'stale' && this.#state.failures <= 1) return;
    this.#status = 'failing';
    this.#lastError = error instanceof Error ? error.message : String(error);
    this.#options.observer?.failed?.(error, this.#state.step.waitSeconds);
  }

  #take(input: Input, resourceVersion = ''): void {
    const next = transition(this.#state, input, this.#timing, this.#random());
    this.#state = next.state;
    if (next.effect === 'none') return;
    const pages = this.#pages;
    this.#pages = [];
    if (next.effect === 'clear') this.store.clear();
    if (next.effect !== 'swap') return;
    this.store.replace(pages, resourceVersion);
    this.#well();
    this.#ready.resolve();
  }

  #well(): void {
    this.#status = 'synced';
    this.#lastError = undefined;
  }
}

/** See `Problem`. */
function problemOf(error: unknown): Problem {
  if (error instanceof TransportError) return error.kind === 'garbage' ? 'garbage' : 'other';
  if (!(error instanceof ApiError)) return 'garbage';
  if (error.status === 404) return 'absent';
  // 400 and 422: the server does not understand the version or token we send; a new list will tell.
  if (error.status === 410 || error.status === 400 || error.status === 422) return 'stale';
  const tooLarge = error.causes.some((cause) => cause.reason === 'ResourceVersionTooLarge');
  return tooLarge || error.reason === 'Expired' || error.reason === 'Gone' ? 'stale' : 'other';
}
