// Whether the names of endpoints resolve. A name that does not is the commonest fault of an endpoint, and the poolers
// would only say it in their logs. Only the name is looked up; nothing connects to a host that a pool names.
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Fault } from '../postgres/adapter.ts';

/** An answer holds for so long; seconds. A failure is asked again sooner, because somebody is waiting for it. */
const GOOD_SECONDS = 300;
const BAD_SECONDS = 10;

type Resolve = (host: string) => Promise<unknown>;

export class Hosts {
  readonly #resolve: Resolve;
  readonly #now: () => number;
  readonly #answers = new Map<string, { readonly until: number; readonly fault?: Fault }>();

  /** `now` in milliseconds that only grow. */
  constructor(
    resolve: Resolve = (host) => lookup(host),
    now: () => number = () => performance.now(),
  ) {
    this.#resolve = resolve;
    this.#now = now;
  }

  /** The fault of a host name that does not resolve; undefined for one that does and for addresses. */
  async faultOf(host: string): Promise<Fault | undefined> {
    if (isIP(host) !== 0) return undefined;
    const known = this.#answers.get(host);
    if (known !== undefined && known.until > this.#now()) return known.fault;
    const fault = await this.#ask(host);
    const seconds = fault === undefined ? GOOD_SECONDS : BAD_SECONDS;
    this.#answers.set(host, {
      until: this.#now() + seconds * 1000,
      ...(fault === undefined ? {} : { fault }),
    });
    return fault;
  }

  async #ask(host: string): Promise<Fault | undefined> {
    try {
      await this.#resolve(host);
      return undefined;
    } catch (error) {
      const code = (error as { code?: string }).code ?? 'unknown';
      return {
        reason: 'HostDoesNotResolve',
        message: `spec.postgres.endpoint.host: ${host} does not resolve (${code}): correct the name, or see to its DNS record`,
      };
    }
  }
}
