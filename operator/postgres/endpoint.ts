// The facts of a server that no object in the cluster stands for: what its owner says of it.
import {
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_RESERVED,
  type Endpoint,
} from '../api/postgres-target.ts';
import { milliOf } from '../api/quantity.ts';
import type { Found, Sourced } from './adapter.ts';
import { fault, POSTGRES_DEFAULT } from './managed.ts';

/** What one pool says of an endpoint. */
export interface EndpointSaid {
  readonly endpoint: Endpoint;
  /** For people: "ConnectionPool shop/web". */
  readonly by: string;
}

export function endpointFacts(endpoint: Endpoint): Found {
  return endpointsFacts([{ endpoint, by: '' }]);
}

/**
 * Where several pools say different things of one server, that which promises least counts, and its source is named.
 * The list must not be empty; its order does not matter.
 */
export function endpointsFacts(said: readonly EndpointSaid[]): Found {
  const sorted = said
    .filter(({ endpoint }) => (milliOf(endpoint.cores) ?? 0) > 0)
    .sort((a, b) => (a.by < b.by ? -1 : 1));
  const [first] = sorted;
  if (first === undefined) {
    return fault(
      'CoresInvalid',
      `${field('cores')}: "${said[0]?.endpoint.cores}" is not a number of cores above 0: write 8, "8" or "2500m"`,
    );
  }
  const milliCores = chosen(sorted, 'cores', (e) => milliOf(e.cores), Math.min);
  return {
    ok: true,
    facts: {
      host: first.endpoint.host,
      port: first.endpoint.port,
      ...(milliCores === undefined ? {} : { milliCores }),
      instances: 1,
      replicas: 0,
      maxConnections:
        chosen(sorted, 'maxConnections', (e) => e.maxConnections, Math.min) ??
        unsaid(DEFAULT_MAX_CONNECTIONS),
      reservedConnections:
        chosen(sorted, 'reservedConnections', (e) => e.reservedConnections, Math.max) ??
        unsaid(DEFAULT_RESERVED),
    },
  };
}

function chosen(
  said: readonly EndpointSaid[],
  name: string,
  of: (endpoint: Endpoint) => number | undefined,
  choose: (...numbers: number[]) => number,
): Sourced<number> | undefined {
  const words = said.flatMap(({ endpoint, by }) => {
    const value = of(endpoint);
    return value === undefined ? [] : [{ value, by }];
  });
  if (words.length === 0) return undefined;
  const value = choose(...words.map((word) => word.value));
  const agreed = words.every((word) => word.value === value);
  const who = agreed ? '' : ` of ${words.find((word) => word.value === value)?.by}`;
  return { value, source: `${field(name)}${who}` };
}

function unsaid(value: number): Sourced<number> {
  return { value, source: POSTGRES_DEFAULT, assumed: true };
}

function field(name: string): string {
  return `spec.postgres.endpoint.${name}`;
}
