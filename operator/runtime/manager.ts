// Starts and stops everything in the right order.
//
// Start: HTTP → sources → all of them ready → leadership → controllers.
// Stop: controllers take no new key and finish what is in hand → the lease is given back → sources →
// `onClose` → HTTP. Each part is bounded, so that the whole is over before the kubelet kills.
// Leadership that is lost stops the controllers at once and ends the process with an exit code other
// than 0: a fresh process has no half-finished thought, and the kubelet starts it within a second.
import type { Logger } from 'pino';
import type { Controller } from './controller.ts';
import type { HttpServer } from './http.ts';

/** Something that fills a store (a reflector, a console observer). */
export interface Source {
  readonly name: string;
  /** Runs until the signal is aborted; resolves then. A rejection ends the process. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when the controllers may rely on it. */
  readonly whenReady: Promise<void>;
  readonly ready: boolean;
  /** What is wrong, for /readyz. */
  readonly lastError?: string | undefined;
}

/** kube/lease.ts fits this. */
export interface Leadership {
  readonly leading: boolean;
  readonly holder?: string | undefined;
  run(signal: AbortSignal, callbacks: LeadershipCallbacks): Promise<void>;
  release(): Promise<void>;
}

export interface LeadershipCallbacks {
  onStarted(): void;
  onStopped(reason: 'lost' | 'released'): void;
}

export interface ManagerOptions {
  readonly log: Logger;
  readonly http: HttpServer;
  readonly sources: readonly Source[];
  readonly controllers: readonly Controller[];
  /** Without it (one process, a test) the controllers start as soon as the sources are ready. */
  readonly leadership?: Leadership;
  /** Runs when this process may act, before the controllers start (with full stores). */
  readonly onLeading?: () => void | Promise<void>;
  /** Runs at the end: close transports, flush events. */
  readonly onClose?: () => void | Promise<void>;
  readonly setLeader?: (leading: boolean) => void;
  /** For the runs in hand to finish; 20 when left out. Then their signals are aborted. */
  readonly drainSeconds?: number;
  /** For each step after that; 3 when left out. */
  readonly closeSeconds?: number;
}

/** 0: stopped as asked. 1: leadership lost, or a source or the start failed. */
export type ExitCode = 0 | 1;

export class Manager {
  readonly #options: ManagerOptions;
  readonly #stop = Promise.withResolvers<ExitCode>();
  readonly #sourcesAbort = new AbortController();
  readonly #leaseAbort = new AbortController();
  #stopping = false;
  #acting = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
  }

  /** Do the controllers run? */
  get acting(): boolean {
    return this.#acting;
  }

  /** Runs until `stop` or a failure; resolves with the exit code when everything is closed. */
  async run(): Promise<ExitCode> {
    const { log, http, sources } = this.#options;
    this.#addChecks();
    try {
      const port = await http.start();
      log.info({ port }, 'serving health and metrics');
    } catch (err) {
      log.error({ err }, 'cannot serve health and metrics');
      return 1;
    }
    const running = sources.map((source) =>
      source.run(this.#sourcesAbort.signal).catch((err: unknown) => {
        log.error({ err, source: source.name }, 'a source failed');
        this.#end(1);
      }),
    );
    const leadership = this.#lead();
    const code = await this.#stop.promise;
    await this.#close(code, running, leadership);
    return code;
  }

  /** SIGTERM: finish what is in hand, give the lease back, close. More calls change nothing. */
  stop(reason: string): void {
    if (this.#stopping) return;
    this.#options.log.info({ reason }, 'stopping');
    this.#end(0);
  }

  #end(code: ExitCode): void {
    this.#stopping = true;
    this.#stop.resolve(code);
  }

  async #lead(): Promise<void> {
    const { log, sources, leadership } = this.#options;
    try {
      const ready = Promise.all(sources.map((source) => source.whenReady));
      await Promise.race([ready, this.#stop.promise]);
      if (this.#stopping) return;
      log.info('all sources are ready');
      if (leadership === undefined) {
        await this.#act();
        return;
      }
      await leadership.run(this.#leaseAbort.signal, {
        onStarted: () => {
          void this.#act().catch((err: unknown) => {
            log.error({ err }, 'the start as leader failed');
            this.#end(1);
          });
        },
        onStopped: (reason) => {
          if (reason === 'lost') this.#lost();
        },
      });
    } catch (err) {
      log.error({ err }, 'the start failed');
      this.#end(1);
    }
  }

  async #act(): Promise<void> {
    if (this.#stopping) return;
    this.#options.log.info('leading');
    this.#options.setLeader?.(true);
    await this.#options.onLeading?.();
    if (this.#stopping) return;
    this.#acting = true;
    for (const controller of this.#options.controllers) controller.start();
  }

  #lost(): void {
    this.#options.log.error('leadership lost');
    this.#options.setLeader?.(false);
    for (const controller of this.#options.controllers) void controller.abort('leadership lost');
    this.#end(1);
  }

  async #close(
    code: ExitCode,
    running: readonly Promise<void>[],
    leading: Promise<void>,
  ): Promise<void> {
    const { log, http, controllers, leadership, onClose } = this.#options;
    const closeSeconds = this.#options.closeSeconds ?? 3;
    const drained = Promise.all(controllers.map((controller) => controller.stop()));
    // Runs that were aborted because leadership is lost have nothing to finish.
    const drainSeconds = code === 0 ? (this.#options.drainSeconds ?? 20) : closeSeconds;
    if (!(await within(drained, drainSeconds))) {
      log.warn('reconciles in hand did not finish in time; aborting them');
      const aborted = Promise.all(controllers.map((controller) => controller.abort('stopping')));
      await within(aborted, closeSeconds);
    }
    this.#acting = false;
    // The lease is renewed until here: another must not start while we still finish.
    this.#leaseAbort.abort();
    await within(leading, closeSeconds);
    if (leadership !== undefined && code === 0) {
      await within(leadership.release(), closeSeconds);
      this.#options.setLeader?.(false);
    }
    this.#sourcesAbort.abort();
    await within(Promise.all(running), closeSeconds);
    if (onClose !== undefined) await within(Promise.resolve().then(onClose), closeSeconds);
    await within(http.stop(), closeSeconds);
    log.info({ code }, 'stopped');
  }

  #addChecks(): void {
    const { http, sources } = this.#options;
    http.addLivenessCheck('process', () => undefined);
    for (const source of sources) {
      http.addReadinessCheck(source.name, () =>
        source.ready ? undefined : (source.lastError ?? 'not in sync yet'),
      );
    }
    http.addReadinessCheck('running', () => (this.#stopping ? 'stopping' : undefined));
  }
}

/** Waits for the promise, at most so long; says whether it settled. Its rejection counts as settled. */
async function within(promise: Promise<unknown>, seconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), seconds * 1000);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  const result = await Promise.race([settled, late]);
  clearTimeout(timer);
  return result;
}
