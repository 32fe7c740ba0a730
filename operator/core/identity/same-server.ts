// Which ConnectionBudgets are of one server, and which of them draws from which. A server that is reached under two
// names has one budget all the same: the later of the two takes its part of the earlier one's, as a pool does.
import type {
  ConnectionBudgetSpec,
  ObservedServer,
  SameServer,
} from '../../api/connection-budget.ts';
import type { Role } from '../../postgres/adapter.ts';
import { type Route, routeKeys } from './alias.ts';

/** One server as one ConnectionBudget knows it. */
export interface NamedServer {
  readonly namespace: string;
  readonly name: string;
  readonly role: Role;
  readonly target: ConnectionBudgetSpec['postgres'];
  /** RFC 3339; empty where there is no object yet. */
  readonly createdAt: string;
  /** Where an endpoint's host leads to inside of the cluster. */
  readonly route?: Route;
  /** What the server said of itself. */
  readonly observed?: ObservedServer;
}

/** A server that an object stands for, found behind the name of `own`. */
export interface FoundCluster {
  readonly namespace: string;
  readonly name: string;
  readonly role: Role;
  /** The object, for a budget that has to be made. */
  readonly target: ConnectionBudgetSpec['postgres'];
  /** In words: "the Service shop/db leads to Cluster shop/db". */
  readonly why: string;
}

/**
 * From whom `own` draws; undefined: it is by itself, or the others draw from it. Pure; the order of `others` does not
 * matter. Of two budgets the one with a cluster object comes first, then the older one, so that two never draw from each
 * other. What an object says comes before what the server said.
 */
export function linkOf(
  own: NamedServer,
  found: FoundCluster | undefined,
  others: readonly NamedServer[],
): SameServer | undefined {
  if (
    found !== undefined &&
    `${found.namespace}/${found.name}` !== `${own.namespace}/${own.name}`
  ) {
    const { namespace, name, role: server, why } = found;
    return { namespace, name, server, reason: 'SameCluster', why };
  }
  const earlier = others
    .filter((other) => !isOne(own, other) && compare(other, own) < 0)
    .sort(compare);
  for (const other of earlier) {
    const how = sameness(own, other);
    if (how === undefined) continue;
    const { namespace, name, role: server } = other;
    return { namespace, name, server, ...how };
  }
  return undefined;
}

function sameness(
  own: NamedServer,
  other: NamedServer,
): Pick<SameServer, 'reason' | 'why'> | undefined {
  const keys = new Set(own.route === undefined ? [] : routeKeys(own.route));
  const shared =
    other.route === undefined ? undefined : routeKeys(other.route).find((k) => keys.has(k));
  if (shared !== undefined) {
    return { reason: 'SameService', why: 'both names lead to the same pods' };
  }
  const a = own.observed;
  const b = other.observed;
  // Replicas and clones share the identifier, and machines of two networks may share an address: both together tell.
  if (a?.systemIdentifier === undefined || a.address === undefined || b === undefined) {
    return undefined;
  }
  if (a.systemIdentifier !== b.systemIdentifier || a.address !== b.address) return undefined;
  return {
    reason: 'SameSystem',
    why: `both said that they are ${a.address} with system_identifier ${a.systemIdentifier}`,
  };
}

function isOne(a: NamedServer, b: NamedServer): boolean {
  return a.namespace === b.namespace && a.name === b.name;
}

/** The kind of target, then age, then name. */
function compare(a: NamedServer, b: NamedServer): number {
  const key = (one: NamedServer) =>
    [rank(one), one.createdAt, one.namespace, one.name, one.role].join(' ');
  return key(a) < key(b) ? -1 : 1;
}

/** A cluster's own object knows most; a StatefulSet may be a part of such a cluster; an endpoint is only a name. */
function rank({ target: { clusterRef } }: NamedServer): number {
  if (clusterRef === undefined) return 2;
  return clusterRef.apiGroup === 'apps' ? 1 : 0;
}
