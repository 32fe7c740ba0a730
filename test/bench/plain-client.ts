// The plainest HTTP client that there can be: what it reaches is the limit that the operator is measured against.
import { Pool } from 'undici';
import { connectionSource, loadKubeConfig } from '../../operator/kube/config.ts';

export interface PlainObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    [key: string]: unknown;
  };
  [key: string]: unknown;
}

export class PlainClient {
  readonly #pool: Pool;
  readonly #headers: Record<string, string>;

  private constructor(pool: Pool, headers: Record<string, string>) {
    this.#pool = pool;
    this.#headers = headers;
  }

  /** `connections`: requests in flight at most. */
  static async connect(kubeconfig: string, connections: number): Promise<PlainClient> {
    const { server, tls, headers } = await connectionSource(loadKubeConfig(kubeconfig))();
    const connect = Object.fromEntries(Object.entries(tls).filter(([, v]) => v !== undefined));
    const pool = new Pool(server, { connections, connect, pipelining: 1 });
    return new PlainClient(pool, {
      ...headers,
      accept: 'application/json',
      'content-type': 'application/json',
    });
  }

  /** The text of the answer. Throws for every status of 300 and more. */
  async send(method: 'GET' | 'POST' | 'PUT', path: string, body?: string): Promise<string> {
    const answer = await this.#pool.request({
      method,
      path,
      headers: this.#headers,
      body: body ?? null,
      // A list of thousands of objects takes its time.
      headersTimeout: 120_000,
      bodyTimeout: 120_000,
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) {
      throw new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 500)}`);
    }
    return text;
  }

  async list(path: string): Promise<PlainObject[]> {
    const { items } = JSON.parse(await this.send('GET', path)) as { items: PlainObject[] };
    return items;
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** Calls `work` for each item, `inFlight` at the same time; the results have the order of the items. */
export async function sideBySide<T, R>(
  items: readonly T[],
  inFlight: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      const item = items[index];
      if (item !== undefined) results[index] = await work(item, index);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return results;
}
