// What the server itself said, put together with what its objects say: what counts, and where it comes from.
//
// | the object says | the server says | what counts                                                          |
// | --------------- | --------------- | -------------------------------------------------------------------- |
// | nothing         | 200             | 200: a default is a guess, the server knows                          |
// | 300             | 200             | 200: the 300 are not applied yet, and never is more promised than is |
// | 100             | 200             | 100: it is what its owner wants, and will be so after a restart      |
//
// Of the reserved connections it is the larger number, for the same reason.
import type { ObservedServer } from '../../api/connection-budget.ts';
import type { Fault, ServerFacts, Sourced } from '../../postgres/adapter.ts';

export const ASKED = 'asked of the server';

/** The number is the server's own word, not that of an object. */
export function isAsked({ source }: Sourced<number>): boolean {
  return source.startsWith(ASKED);
}

/** What sizes are made from, of all that a server said. */
export type ObservedLimits = Pick<
  ObservedServer,
  'maxConnections' | 'superuserReserved' | 'reserved' | 'inRecovery' | 'systemIdentifier'
>;

/** The facts as they count. `role` is what the server is for: one that only reads is no primary. */
export function withObserved(
  facts: ServerFacts,
  observed: ObservedLimits | undefined,
  role: 'primary' | 'replicas',
): ServerFacts {
  if (observed === undefined) return facts;
  const reserved = observed.superuserReserved + observed.reserved;
  const warning = facts.warning ?? readOnlyOf(facts, observed, role);
  const systemIdentifier = facts.systemIdentifier ?? observed.systemIdentifier;
  return {
    ...facts,
    maxConnections: safer(facts.maxConnections, observed.maxConnections, Math.min),
    reservedConnections: safer(facts.reservedConnections, reserved, Math.max),
    ...(warning === undefined ? {} : { warning }),
    ...(systemIdentifier === undefined ? {} : { systemIdentifier }),
  };
}

/** The object says more than the server has: it waits for a restart, and will be asked again soon. */
export function isPending(facts: ServerFacts, observed: ObservedLimits): boolean {
  const { maxConnections } = facts;
  return maxConnections.assumed !== true && observed.maxConnections < maxConnections.value;
}

/** Of several looks at one server, under several names or at several replicas, that which promises least. */
export function leastOf(all: readonly ObservedLimits[]): ObservedLimits | undefined {
  const [first] = all;
  if (first === undefined) return undefined;
  return {
    ...first,
    maxConnections: Math.min(...all.map((one) => one.maxConnections)),
    superuserReserved: Math.max(...all.map((one) => one.superuserReserved)),
    reserved: Math.max(...all.map((one) => one.reserved)),
    inRecovery: all.every((one) => one.inRecovery),
  };
}

function safer(
  said: Sourced<number>,
  asked: number,
  choose: (a: number, b: number) => number,
): Sourced<number> {
  if (said.assumed === true) return { value: asked, source: ASKED };
  if (choose(said.value, asked) === said.value) return said;
  const source = `${ASKED}, which does not have the ${said.value} of ${said.source} yet`;
  return { value: asked, source };
}

function readOnlyOf(
  { host, port }: ServerFacts,
  { inRecovery }: ObservedLimits,
  role: 'primary' | 'replicas',
): Fault | undefined {
  if (role !== 'primary' || !inRecovery) return undefined;
  return {
    reason: 'PostgresReadOnly',
    message: `${host}:${port} says that it follows another server, so it refuses writes: point the pool at the primary, or promote this one`,
  };
}
