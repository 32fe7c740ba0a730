// Every call to the API server passes here: one shared connection pool, a bound on what is in
// flight, a deadline on each call, and retries where they are safe. Bodies are never logged.
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffSeconds } from './backoff.ts';
import { type ConnectionSource, Connections } from './connections.ts';
import { ApiError, type StatusCause, TransportError } from './errors.ts';
import { exchange } from './exchange.ts';
import { Limiter } from './limiter.ts';

export interface CallOptions {
  /** Ends the call (TransportError 'aborted'). */
  signal?: AbortSignal;
  /** For the whole call, with its waits and retries; 30 when left out. */
  deadlineSeconds?: number;
  /** Attempts at most; 5 when left out, 1 means no retry. */
  attempts?: number;
  /** Goes ahead of the queue: for the lease, which must not wait behind a thousand writes. */
  urgent?: boolean;
}

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  /** Reads the body of a good answer; throws where it is none. JSON.parse when left out. */
  readonly read?: (body: string) => unknown;
  /** For metrics: the plural, with the subresource where there is one (`pods`, `pods/status`). */
  readonly resource: string;
  readonly body?: string;
  readonly contentType?: string;
  /** Another form of the answer than plain JSON. */
  readonly accept?: string;
  readonly call?: CallOptions;
}

export interface StreamRequest {
  readonly path: string;
  readonly resource: string;
  readonly accept?: string;
  readonly signal: AbortSignal;
  /** Ends the stream when no byte came for so long. */
  readonly idleSeconds: number;
  /** Ends the stream at last. */
  readonly deadlineSeconds: number;
  readonly onOpen?: () => void;
  /** An exception ends the stream and becomes its error. */
  readonly onChunk: (chunk: Buffer) => void;
}

/** One attempt, for metrics: `status` is the HTTP status, or 0 where there was no answer. */
export interface CallReport {
  readonly method: string;
  readonly resource: string;
  readonly status: number;
  readonly seconds: number;
}

export interface TransportOptions {
  /** Requests in flight at most (streams are not counted); 32 when left out. */
  maxInFlight?: number;
  deadlineSeconds?: number;
  userAgent?: string;
  onCall?: (report: CallReport) => void;
  /** The first retry waits about so long; 0.1 s when left out. */
  retrySeconds?: number;
  random?: () => number;
}

export class Transport {
  readonly #connections: Connections;
  readonly #limiter: Limiter;
  readonly #options: TransportOptions;
  readonly #random: () => number;

  constructor(source: ConnectionSource, options: TransportOptions = {}) {
    const maxInFlight = options.maxInFlight ?? 32;
    // Two more than may be in flight, for urgent calls.
    this.#connections = new Connections(source, maxInFlight + 2, options.userAgent ?? 'spillway');
    this.#limiter = new Limiter(maxInFlight);
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  /** Requests in flight and waiting for their turn. */
  get load(): { inFlight: number; waiting: number } {
    return { inFlight: this.#limiter.active, waiting: this.#limiter.waiting };
  }

  /**
   * Sends one request and returns the parsed JSON of the answer. Rejects with ApiError for a status
   * of 400 and more, with TransportError where there is no answer.
   */
  async send(request: Request): Promise<unknown> {
    const call = request.call ?? {};
    const started = performance.now();
    const deadlineSeconds = call.deadlineSeconds ?? this.#options.deadlineSeconds ?? 30;
    const left = () => deadlineSeconds - (performance.now() - started) / 1000;
    const attempts = call.attempts ?? 5;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(request, call, left());
      } catch (error) {
        const wait = this.#retryAfter(request, error, attempt);
        if (wait === undefined || attempt >= attempts || wait >= left()) throw error;
        await this.#pause(wait, call.signal, error);
      }
    }
  }

  /**
   * Opens one long answer (a watch) and hands on its bytes. Resolves when the server ends it
   * properly; rejects as `send` does. Not retried and not counted as in flight.
   */
  async stream(request: StreamRequest): Promise<void> {
    const started = performance.now();
    let status = 0;
    try {
      const link = await this.#connections.stream();
      const answer = await exchange(link, {
        method: 'GET',
        path: request.path,
        accept: request.accept,
        signal: request.signal,
        deadlineSeconds: request.deadlineSeconds,
        idleSeconds: request.idleSeconds,
        onStatus: (code) => {
          status = code;
          if (code < 400) request.onOpen?.();
        },
        onChunk: request.onChunk,
      });
      if (status >= 400) throw errorOf(status, answer.headers, answer.body);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.#connections.refreshSoon();
      throw error;
    } finally {
      this.#report('WATCH', request.resource, status, started);
    }
  }

  /** Closes all connections; calls in flight fail. */
  close(): Promise<void> {
    return this.#connections.close();
  }

  async #attempt(request: Request, call: CallOptions, seconds: number): Promise<unknown> {
    const urgent = call.urgent === true;
    if (!urgent) await this.#limiter.acquire(call.signal, seconds);
    const started = performance.now();
    let status = 0;
    try {
      const link = await this.#connections.request();
      const answer = await exchange(link, {
        method: request.method,
        path: request.path,
        signal: call.signal,
        deadlineSeconds: seconds,
        body: request.body,
        contentType: request.contentType,
        accept: request.accept,
      });
      status = answer.status;
      if (status >= 400) throw errorOf(status, answer.headers, answer.body);
      try {
        return (request.read ?? JSON.parse)(answer.body);
      } catch {
        throw new TransportError('garbage', `${request.method} ${request.resource}: not JSON`);
      }
    } finally {
      if (!urgent) this.#limiter.release();
      this.#report(request.method, request.resource, status, started);
    }
  }

  #report(method: string, resource: string, status: number, started: number): void {
    const seconds = (performance.now() - started) / 1000;
    this.#options.onCall?.({ method, resource, status, seconds });
  }

  /** Seconds to wait before the next attempt; undefined where a repetition is not safe or useless. */
  #retryAfter(request: Request, error: unknown, attempt: number): number | undefined {
    const pause = () =>
      backoffSeconds(attempt - 1, this.#options.retrySeconds ?? 0.1, 5, this.#random);
    if (error instanceof TransportError) {
      if (error.kind === 'aborted' || error.kind === 'deadline') return undefined;
      // A POST that may have arrived is not repeated: the object could be made twice.
      if (request.method === 'POST' && error.sent) return undefined;
      return pause();
    }
    if (!(error instanceof ApiError)) return undefined;
    if (error.status === 401 && attempt === 1) {
      // A rotated token or certificate; nothing was done, so that one more try is always safe.
      this.#connections.refreshSoon();
      return 0;
    }
    const told = error.retryAfterSeconds;
    // 429: refused by priority and fairness before anything was done.
    if (error.status === 429) return told ?? pause();
    if (request.method === 'POST') return undefined;
    if (error.status === 503 || error.status === 502 || error.status === 504) {
      return told ?? pause();
    }
    if (error.status >= 500 && told !== undefined) return told;
    return error.status === 500 && request.method === 'GET' ? pause() : undefined;
  }

  async #pause(seconds: number, signal: AbortSignal | undefined, why: unknown): Promise<void> {
    if (seconds <= 0) return;
    try {
      await sleep(seconds * 1000, undefined, signal === undefined ? {} : { signal });
    } catch {
      throw new TransportError('aborted', 'aborted while waiting for a retry', true, why);
    }
  }
}

/** Reads a Status where there is one; never takes text that is not one into the message. */
function errorOf(status: number, headers: Record<string, string>, body: string): ApiError {
  let parsed: StatusBody = {};
  try {
    const json: unknown = JSON.parse(body);
    if (typeof json === 'object' && json !== null) parsed = json;
  } catch {
    // A proxy's page, or nothing at all.
  }
  const details = parsed.details ?? {};
  const told = Number(headers['retry-after'] ?? details.retryAfterSeconds ?? Number.NaN);
  const causes: StatusCause[] = (details.causes ?? []).map((cause) => ({
    reason: cause.reason ?? '',
    message: cause.message ?? '',
    field: cause.field ?? '',
  }));
  if (
    status === 422 &&
    causes.length > 0 &&
    causes.every(({ field }) => field === 'metadata.uid')
  ) {
    // Another object under the name: a patch calls that Invalid, everything else a Conflict.
    return new ApiError(409, 'Conflict', parsed.message ?? 'the uid differs', undefined, causes);
  }
  return new ApiError(
    status,
    parsed.reason ?? 'Unknown',
    parsed.message ?? `the API server answered ${status} without a Status`,
    Number.isFinite(told) && told >= 0 ? told : undefined,
    causes,
  );
}

interface StatusBody {
  reason?: string;
  message?: string;
  details?: {
    retryAfterSeconds?: number;
    causes?: { reason?: string; message?: string; field?: string }[];
  };
}
