// The operator's own HTTP: /livez, /readyz, /metrics. It serves nothing else and takes no input.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

/** undefined is well; otherwise one line that says what is not. */
export type Check = () => string | undefined;

export interface HttpOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** All addresses when left out. */
  readonly host?: string;
  readonly registry: Registry;
}

export class HttpServer {
  readonly #options: HttpOptions;
  readonly #server: Server;
  readonly #live = new Map<string, Check>();
  readonly #ready = new Map<string, Check>();

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.requestTimeout = 10_000;
    this.#server.headersTimeout = 5_000;
  }

  /** A failing one lets the kubelet restart the container. */
  addLivenessCheck(name: string, check: Check): void {
    this.#live.set(name, check);
  }

  addReadinessCheck(name: string, check: Check): void {
    this.#ready.set(name, check);
  }

  /** Listens; resolves with the port. Rejects where it is taken. */
  start(): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.once('error', reject);
    this.#server.listen(this.#options.port, this.#options.host, () => {
      this.#server.off('error', reject);
      resolve((this.#server.address() as AddressInfo).port);
    });
    return promise;
  }

  stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    return promise;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').split('?', 1)[0];
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405).end();
    } else if (path === '/livez') {
      answer(response, this.#live);
    } else if (path === '/readyz') {
      answer(response, this.#ready);
    } else if (path === '/metrics') {
      await this.#metrics(response);
    } else {
      response.writeHead(404).end('not found: there are /livez, /readyz and /metrics\n');
    }
  }

  async #metrics(response: ServerResponse): Promise<void> {
    const { registry } = this.#options;
    try {
      const text = await registry.metrics();
      response.writeHead(200, { 'content-type': registry.contentType }).end(text);
    } catch {
      response.writeHead(500).end('the metrics could not be collected\n');
    }
  }
}

function answer(response: ServerResponse, checks: ReadonlyMap<string, Check>): void {
  const lines: string[] = [];
  let well = true;
  for (const [name, check] of checks) {
    const fault = check();
    if (fault !== undefined) well = false;
    lines.push(fault === undefined ? `ok ${name}` : `failed ${name}: ${fault}`);
  }
  response.writeHead(well ? 200 : 503).end(`${lines.join('\n')}${lines.length > 0 ? '\n' : ''}`);
}
