// The connections to one API server: one pool for requests, one for watches, made from what KubeConfig
// says (CA, client certificate, token) and made anew when that changes.
import { createSecureContext } from 'node:tls';
import { type Dispatcher, Pool, ProxyAgent } from 'undici';
import { messageOf, TransportError } from './errors.ts';
import type { Link } from './exchange.ts';

/** What a connection is made of. `tls` is compared by value to see a rotation. */
export interface Credentials {
  readonly server: string;
  readonly proxy?: string | undefined;
  readonly tls: TlsOptions;
  readonly headers: Readonly<Record<string, string>>;
}

export interface TlsOptions {
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  passphrase?: string | undefined;
  servername?: string | undefined;
  rejectUnauthorized?: boolean | undefined;
}

/** Reads the credentials as they are now: files may have been rotated, a token renewed. */
export type ConnectionSource = () => Promise<Credentials>;

interface Generation {
  readonly credentials: Credentials;
  readonly requests: Dispatcher;
  readonly streams: Dispatcher;
  readonly request: Link;
  readonly stream: Link;
}

/** Credentials are read again when older than this; FileAuth itself re-reads a token each 60 s. */
const refreshSeconds = 30;

export class Connections {
  readonly #source: ConnectionSource;
  readonly #maxConnections: number;
  readonly #userAgent: string;
  #current: Generation | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<Generation> | undefined;
  #closed = false;

  constructor(source: ConnectionSource, maxConnections: number, userAgent: string) {
    this.#source = source;
    this.#maxConnections = maxConnections;
    this.#userAgent = userAgent;
  }

  async request(): Promise<Link> {
    return (this.#fresh() ?? (await this.#read())).request;
  }

  async stream(): Promise<Link> {
    return (this.#fresh() ?? (await this.#read())).stream;
  }

  /** The next call reads the credentials again (after a 401). */
  refreshSoon(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#reading?.catch(() => undefined);
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    await Promise.all([current.requests.destroy(), current.streams.destroy()]);
  }

  #fresh(): Generation | undefined {
    const age = (performance.now() - this.#readAt) / 1000;
    return age < refreshSeconds ? this.#current : undefined;
  }

  #read(): Promise<Generation> {
    this.#reading ??= this.#load().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #load(): Promise<Generation> {
    if (this.#closed) throw new TransportError('aborted', 'the transport is closed', false);
    let credentials: Credentials;
    try {
      credentials = await this.#source();
    } catch (error) {
      throw new TransportError('connection', `credentials: ${messageOf(error)}`, false, error);
    }
    if (this.#closed) throw new TransportError('aborted', 'the transport is closed', false);
    this.#readAt = performance.now();
    const old = this.#current;
    if (old !== undefined && sameConnection(old.credentials, credentials)) {
      this.#current = this.#generation(credentials, old.requests, old.streams);
      return this.#current;
    }
    const made = this.#generation(
      credentials,
      dispatcher(credentials, this.#maxConnections),
      dispatcher(credentials, null),
    );
    this.#current = made;
    // Calls in flight and open watches end in their own time.
    void old?.requests.close().catch(() => undefined);
    void old?.streams.close().catch(() => undefined);
    return made;
  }

  #generation(credentials: Credentials, requests: Dispatcher, streams: Dispatcher): Generation {
    const url = new URL(credentials.server);
    const link = {
      origin: url.origin,
      basePath: url.pathname.replace(/\/+$/, ''),
      headers: {
        ...credentials.headers,
        accept: 'application/json',
        'user-agent': this.#userAgent,
      },
    };
    return {
      credentials,
      requests,
      streams,
      request: { ...link, dispatcher: requests },
      stream: { ...link, dispatcher: streams },
    };
  }
}

function sameConnection(a: Credentials, b: Credentials): boolean {
  const key = (c: Credentials) => JSON.stringify([c.server, c.proxy, Object.entries(c.tls)]);
  return key(a) === key(b);
}

function present<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}

function dispatcher(credentials: Credentials, connections: number | null): Dispatcher {
  const { tls } = credentials;
  const options = {
    connections,
    pipelining: 1,
    // One request for each connection: a lost connection then costs one call, not all of them.
    allowH2: false,
    // Deadlines are kept by `exchange`, for the whole call.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 60_000,
  };
  const { servername, rejectUnauthorized, ...certificates } = tls;
  const defined = {
    // Once for all connections: each would read the certificates anew, and keep what it has read.
    secureContext: createSecureContext(present(certificates)),
    ...present({ servername, rejectUnauthorized }),
  };
  if (credentials.proxy !== undefined) {
    return new ProxyAgent({ ...options, uri: credentials.proxy, requestTls: defined });
  }
  return new Pool(new URL(credentials.server).origin, {
    ...options,
    // 30 s as client-go: below the idle limits of load balancers.
    connect: { ...defined, keepAlive: true, keepAliveInitialDelay: 30_000 },
  });
}
