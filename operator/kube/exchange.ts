// One request and its answer over one connection, with a deadline. On undici's dispatcher itself, so
// that a call makes no stream and a watch gets its bytes without a buffer between.
import type { Dispatcher } from 'undici';
import { ApiError, codeOf, messageOf, TransportError } from './errors.ts';

/** A place to send to: a dispatcher, and the headers of this moment. */
export interface Link {
  readonly dispatcher: Dispatcher;
  readonly origin: string;
  readonly basePath: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly signal: AbortSignal | undefined;
  readonly deadlineSeconds: number;
  readonly idleSeconds?: number;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
  /** Another form of the answer than plain JSON. */
  readonly accept?: string | undefined;
  readonly onStatus?: (status: number) => void;
  /** Takes the bytes of a good answer (below 400); the body is '' then. */
  readonly onChunk?: (chunk: Buffer) => void;
}

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/**
 * One request and its whole answer over one connection. Rejects with TransportError, or with the
 * ApiError that `onChunk` threw.
 */
export function exchange(link: Link, request: Exchange): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { signal } = request;
    let controller: Dispatcher.DispatchController | undefined;
    let status = 0;
    let headers: Record<string, string> = {};
    const chunks: Buffer[] = [];
    let over = false;
    let idle: NodeJS.Timeout | undefined;

    const finish = () => {
      over = true;
      clearTimeout(deadline);
      clearTimeout(idle);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: TransportError | ApiError) => {
      if (over) return;
      finish();
      controller?.abort(error);
      reject(error);
    };
    const what = `${request.method} ${request.path.split('?', 1)[0]}`;
    const onAbort = () => fail(new TransportError('aborted', `${what}: aborted`, true));
    const deadline = setTimeout(
      () => fail(new TransportError('deadline', `${what}: no complete answer in time`)),
      Math.max(0, request.deadlineSeconds * 1000),
    );
    if (signal?.aborted) return onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    if (request.idleSeconds !== undefined) {
      const seconds = request.idleSeconds;
      idle = setTimeout(
        () => fail(new TransportError('deadline', `${what}: no byte for ${seconds} s`)),
        seconds * 1000,
      );
    }

    const { contentType, accept } = request;
    const sent: Record<string, string> =
      contentType === undefined && accept === undefined
        ? link.headers
        : {
            ...link.headers,
            ...(contentType === undefined ? {} : { 'content-type': contentType }),
            ...(accept === undefined ? {} : { accept }),
          };
    link.dispatcher.dispatch(
      {
        origin: link.origin,
        path: link.basePath + request.path,
        method: request.method,
        headers: sent,
        body: request.body ?? null,
      },
      {
        onRequestStart(started) {
          controller = started;
          if (over) started.abort(new Error('over'));
        },
        onResponseStart(_controller, code, received) {
          if (over) return;
          status = code;
          headers = flat(received);
          idle?.refresh();
          request.onStatus?.(code);
        },
        onResponseData(_controller, chunk) {
          if (over) return;
          idle?.refresh();
          if (request.onChunk === undefined || status >= 400) {
            chunks.push(chunk);
            return;
          }
          try {
            request.onChunk(chunk);
          } catch (error) {
            const known = error instanceof TransportError || error instanceof ApiError;
            fail(
              known
                ? error
                : new TransportError('garbage', `${what}: ${messageOf(error)}`, true, error),
            );
          }
        },
        onResponseEnd() {
          if (over) return;
          finish();
          const [only] = chunks;
          const bytes = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
          resolve({ status, headers, body: bytes.toString('utf8') });
        },
        onResponseError(_controller, error) {
          const unsent = codeOf(error) === 'ECONNREFUSED' || isConnectTimeout(error);
          fail(new TransportError('connection', `${what}: ${messageOf(error)}`, !unsent, error));
        },
      },
    );
  });
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const told = headers['retry-after'];
  return typeof told === 'string' ? { 'retry-after': told } : {};
}

function isConnectTimeout(error: unknown): boolean {
  return codeOf(error) === 'UND_ERR_CONNECT_TIMEOUT' || codeOf(error) === 'ENOTFOUND';
}
