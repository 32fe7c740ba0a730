// The two ways in which a call to the API server fails: it answered no, or it did not answer.

/** One cause from a Status: which field, and what is wrong with it. */
export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

/** The API server's refusal. `reason` is Kubernetes' word (NotFound, Conflict, Invalid, ...). */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly reason: string;
  readonly retryAfterSeconds: number | undefined;
  readonly causes: readonly StatusCause[];

  constructor(
    status: number,
    reason: string,
    message: string,
    retryAfterSeconds?: number | undefined,
    causes: readonly StatusCause[] = [],
  ) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
    this.causes = causes;
  }
}

/**
 * No usable answer: `connection` (refused, reset, TLS), `deadline` (too slow), `aborted` (the caller
 * gave up), `garbage` (bytes that are not what the protocol says). `sent` is false where the
 * API server cannot have seen the request, so that even a POST may be repeated.
 */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly kind: 'connection' | 'deadline' | 'aborted' | 'garbage';
  readonly sent: boolean;

  constructor(kind: TransportError['kind'], message: string, sent = true, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.sent = sent;
  }
}

/** 404: the object, or the whole type, is not there. */
export function isNotFound(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 404;
}

/** 409 for a stale resourceVersion or uid: read again, then decide again. */
export function isConflict(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 409 && error.reason !== 'AlreadyExists';
}

/** 409 for a create of what is there already. */
export function isAlreadyExists(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 409 && error.reason === 'AlreadyExists';
}

/** 410: the resourceVersion or the list's continue token is too old; only a new list helps. */
export function isGone(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 410;
}

/** 422: a schema or a rule refuses the object; the same object will be refused again. */
export function isInvalid(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 422;
}

/** 403: the operator's role lacks a right, or an admission policy refuses. */
export function isForbidden(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status === 403;
}

/** What an error says; its code where it says nothing. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message !== '' ? error.message : (codeOf(error) ?? error.name);
}

/** Node's and undici's name for an error, such as ECONNREFUSED. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
