// A real HTTP server that speaks enough of the Kubernetes API for a client, a reflector and a lease,
// and that fails in the ways in which API servers and the networks before them fail.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ConnectionSource } from '../../operator/kube/connections.ts';
import type { KubeObject } from '../../operator/kube/types.ts';
import { FakeState, isIn } from './fake-state.ts';

/** What goes wrong with one request. */
export type Fault =
  /** An error answer. */
  | { kind: 'status'; status: number; reason?: string; retryAfter?: string; body?: string }
  /** The connection is cut before the request has an effect. */
  | { kind: 'reset' }
  /** The request has its effect, and then the connection is cut. */
  | { kind: 'lost' }
  /** No answer at all. */
  | { kind: 'stall' }
  | { kind: 'slow'; milliseconds: number }
  /** Status 200 and something that is not JSON. */
  | { kind: 'garbage' }
  /** The answer stops in its middle. */
  | { kind: 'cut' };

/** What happens in a watch instead of, or after, the next line. */
export type StreamFault =
  | 'gone'
  | 'error'
  | 'garbage'
  /** An event from long ago. */
  | 'older'
  | 'cutLine'
  | 'cutLineClean'
  | 'end'
  | 'reset'
  | 'stall';

export interface SeenRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** The client's port: which connection it was. */
  readonly port: number | undefined;
}

export class FaultServer {
  readonly state = new FakeState();
  readonly seen: SeenRequest[] = [];
  /** Asked for each request, and for each line of a watch. */
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;
  streamFault: () => StreamFault | undefined = () => undefined;
  /** Continue tokens are refused with 410. */
  expirePages = false;
  bookmarkMilliseconds = 20;
  /** Collections that answer 404. */
  readonly missing = new Set<string>();
  inFlight = 0;
  maxInFlight = 0;
  readonly #server: Server;
  readonly #open = new Set<() => void>();
  readonly #snapshots = new Map<string, { revision: number; items: KubeObject[] }>();
  #snapshot = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    for (const close of [...this.#open]) close();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Credentials for `Transport`. */
  get source(): ConnectionSource {
    return () => Promise.resolve({ server: this.url, tls: {}, headers: {} });
  }

  /** Ends all watches as a restart of the server does. */
  dropWatches(): void {
    for (const close of [...this.#open]) close();
  }

  count(method: string): number {
    return this.seen.filter((request) => request.method === method).length;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '/', this.url);
    const method = request.method ?? 'GET';
    const seen = {
      method,
      url,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
      port: request.socket.remotePort,
    };
    this.seen.push(seen);
    const watch = url.searchParams.get('watch') === '1';
    if (!watch) {
      this.inFlight++;
      this.maxInFlight = Math.max(this.maxInFlight, this.inFlight);
      response.once('close', () => this.inFlight--);
    }
    const fault = this.fault(seen);
    switch (fault?.kind) {
      case 'reset':
        request.socket.resetAndDestroy();
        return;
      case 'stall':
        return;
      case 'slow':
        await new Promise((resolve) => setTimeout(resolve, fault.milliseconds));
        break;
      case 'status': {
        if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter);
        if (fault.body !== undefined) response.writeHead(fault.status).end(fault.body);
        else refuse(response, fault.status, fault.reason ?? 'InternalError');
        return;
      }
      case 'garbage':
        response.writeHead(200).end('<html>{"kind":');
        return;
    }
    if (watch) {
      this.#watch(url, response);
      return;
    }
    const answer = this.#answer(seen);
    const text = JSON.stringify(answer.body);
    if (fault?.kind === 'lost') {
      request.socket.resetAndDestroy();
    } else if (fault?.kind === 'cut') {
      response.writeHead(answer.status, { 'content-length': Buffer.byteLength(text) });
      response.write(text.slice(0, text.length / 2), () => request.socket.destroy());
    } else {
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text);
    }
  }

  #answer({ method, url, headers, body }: SeenRequest): { status: number; body: unknown } {
    const path = url.pathname.replace(/\/status$/, '');
    const object = body === '' ? undefined : (JSON.parse(body) as KubeObject);
    const there = this.state.get(path);
    if (method === 'GET') {
      if (this.#isObject(path)) {
        return there === undefined ? status(404, 'NotFound') : { status: 200, body: there };
      }
      return this.#list(url);
    }
    if (method === 'DELETE') return this.#delete(path, object);
    if (object === undefined) return status(400, 'BadRequest');
    if (method === 'POST') {
      const target = `${path}/${object.metadata.name}`;
      if (this.state.get(target) !== undefined) return status(409, 'AlreadyExists');
      return { status: 201, body: this.state.put(target, object) };
    }
    const wanted = object.metadata?.resourceVersion;
    if (wanted !== undefined && wanted !== there?.metadata.resourceVersion) {
      return status(there === undefined && method === 'PUT' ? 404 : 409, 'Conflict');
    }
    if (method === 'PUT') {
      if (there === undefined) return status(404, 'NotFound');
      return { status: 200, body: this.state.put(path, object) };
    }
    const apply = headers['content-type'] === 'application/apply-patch+yaml';
    if (there === undefined && !apply) return status(404, 'NotFound');
    const merged = { ...there, ...object, metadata: { ...there?.metadata, ...object.metadata } };
    return { status: there === undefined ? 201 : 200, body: this.state.put(path, merged) };
  }

  #delete(path: string, options: unknown): { status: number; body: unknown } {
    const there = this.state.get(path);
    if (there === undefined) return status(404, 'NotFound');
    const { preconditions } = (options ?? {}) as {
      preconditions?: { uid?: string; resourceVersion?: string };
    };
    for (const field of ['uid', 'resourceVersion'] as const) {
      const wanted = preconditions?.[field];
      if (wanted !== undefined && wanted !== there.metadata[field]) return status(409, 'Conflict');
    }
    return { status: 200, body: this.state.delete(path) };
  }

  #list(url: URL): { status: number; body: unknown } {
    if (this.missing.has(url.pathname)) return status(404, 'NotFound');
    const limit = Number(url.searchParams.get('limit') ?? 0);
    const token = url.searchParams.get('continue');
    let from = 0;
    let snapshot: { revision: number; items: KubeObject[] } | undefined;
    if (token === null) {
      const items = this.state.list(url.pathname).map(({ object }) => structuredClone(object));
      snapshot = { revision: this.state.revision, items };
    } else {
      const [id = '', start = '0'] = token.split(':');
      snapshot = this.expirePages ? undefined : this.#snapshots.get(id);
      from = Number(start);
      if (snapshot === undefined) return status(410, 'Expired');
    }
    const to = limit > 0 ? from + limit : snapshot.items.length;
    const metadata: Record<string, string> = { resourceVersion: String(snapshot.revision) };
    if (to < snapshot.items.length) {
      const id = String(++this.#snapshot);
      this.#snapshots.set(id, snapshot);
      metadata.continue = `${id}:${to}`;
    }
    // As the real server: the items of a list do not say what they are.
    const items = snapshot.items
      .slice(from, to)
      .map(({ apiVersion: _a, kind: _k, ...rest }) => rest);
    return { status: 200, body: { kind: 'List', apiVersion: 'v1', metadata, items } };
  }

  #watch(url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('resourceVersion') ?? 0);
    if (this.missing.has(url.pathname)) {
      refuse(response, 404, 'NotFound');
      return;
    }
    if (from < this.state.compacted) {
      refuse(response, 410, 'Expired');
      return;
    }
    // A version from the future is taken and answered with silence, as the real server does.
    let stalled = from > this.state.revision;
    const write = (line: string) => {
      if (stalled || response.destroyed || response.writableEnded) return;
      const fault = this.streamFault();
      if (fault === undefined) response.write(`${line}\n`);
      else if (fault === 'stall') stalled = true;
      else spoil(response, fault, line, close);
    };
    const close = () => {
      stop();
      clearInterval(bookmarks);
      clearTimeout(timeout);
      this.#open.delete(close);
      if (!response.writableEnded && !response.destroyed) response.end();
    };
    const send = (type: string, object: unknown) => write(JSON.stringify({ type, object }));
    const stop = this.state.onEntry((entry) => {
      if (isIn(entry.path, url.pathname)) send(entry.type, entry.object);
    });
    const bookmarks = setInterval(() => {
      const metadata = { resourceVersion: String(this.state.revision) };
      send('BOOKMARK', { kind: 'X', apiVersion: 'v1', metadata });
    }, this.bookmarkMilliseconds);
    const seconds = Number(url.searchParams.get('timeoutSeconds') ?? 300);
    const timeout = setTimeout(close, seconds * 1000);
    this.#open.add(close);
    response.once('close', close);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const entry of this.state.history) {
      if (entry.revision > from && isIn(entry.path, url.pathname)) send(entry.type, entry.object);
    }
  }

  /** `/api/v1/namespaces/ns/pods/name` and `/apis/g/v1/things/name` are objects, not collections. */
  #isObject(path: string): boolean {
    const parts = path.split('/').slice(path.startsWith('/apis/') ? 4 : 3);
    const rest = parts[0] === 'namespaces' && parts.length > 2 ? parts.slice(2) : parts;
    return rest.length > 1;
  }
}

function spoil(
  response: ServerResponse,
  fault: Exclude<StreamFault, 'stall'>,
  line: string,
  close: () => void,
): void {
  const half = line.slice(0, Math.ceil(line.length / 2));
  const error = (code: number, reason: string) =>
    `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code, reason } })}\n`;
  switch (fault) {
    case 'gone':
      response.write(error(410, 'Expired'));
      close();
      break;
    case 'error':
      response.write(error(500, 'InternalError'));
      close();
      break;
    case 'garbage':
      response.write(`${half}\n`);
      break;
    case 'older': {
      const { object } = JSON.parse(line) as { object: KubeObject };
      object.metadata.resourceVersion = '1';
      response.write(`${JSON.stringify({ type: 'MODIFIED', object })}\n`);
      break;
    }
    case 'cutLine':
      response.write(half, () => response.destroy());
      break;
    case 'cutLineClean':
      response.write(half);
      close();
      break;
    case 'end':
      close();
      break;
    case 'reset':
      response.destroy();
      break;
  }
}

function status(code: number, reason: string): { status: number; body: unknown } {
  return {
    status: code,
    body: { kind: 'Status', apiVersion: 'v1', code, reason, message: reason },
  };
}

function refuse(response: ServerResponse, code: number, reason: string): void {
  const body = status(code, reason).body;
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
