// From what was found of a Postgres and what its pools ask for to the share of each pool.

import type { ConnectionBudgetSpec } from '../../api/connection-budget.ts';
import type { ConnectionPoolSpec, PoolSizing } from '../../api/connection-pool.ts';
import { formatMilli, milliOf } from '../../api/quantity.ts';
import { isShared, podsAtOnce } from '../../api/workload.ts';
import type { ServerFacts } from '../../postgres/adapter.ts';
import { isSessionPool, poolMax } from './entries.ts';
import { mostPods, replicasFor } from './most-pods.ts';
import { fleetFor, type PoolShare, poolShares } from './pool-shares.ts';
import {
  ASSUMED_MILLI_CORES,
  type ServerBudget,
  type ServerLimits,
  serverBudget,
} from './server-budget.ts';
import { splitEvenly } from './water-fill.ts';

/** One pool of the server. */
export interface SizedPool {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** RFC 3339; older pools come first where there is not enough for all. */
  readonly createdAt: string;
  readonly spec: ConnectionPoolSpec;
  /** Entries of its axis: what needs a connection of its own in every pod. */
  readonly entries: number;
  /** What the pools of its namespace may have together; the same for all of them. Absent: no such limit. */
  readonly namespaceMax?: number;
}

/** The owner's word, as far as sizes go. */
export type OwnerLimits = Pick<
  ConnectionBudgetSpec,
  'total' | 'share' | 'reserved' | 'slack' | 'coresFactor' | 'spindles'
>;

export interface SizedServer {
  readonly limits: ServerLimits;
  readonly budget: ServerBudget;
  /** By uid. */
  readonly shares: ReadonlyMap<string, PoolShare>;
  readonly facts: ServerFacts;
  /** By uid; connections are relative to the sum. */
  readonly weights: ReadonlyMap<string, number>;
}

/**
 * Sizes one server (the primary, or a read replica). coresFactor and spindles are the owner's where he says them,
 * else the smallest that a pool says: no pool raises the load that another one agreed to.
 */
export function sizeServer(
  facts: ServerFacts,
  owner: OwnerLimits | undefined,
  pools: readonly SizedPool[],
): SizedServer {
  const limits: ServerLimits = {
    ...(facts.milliCores === undefined ? {} : { milliCores: facts.milliCores.value }),
    milliCoresFactor: smallest(
      owner?.coresFactor === undefined
        ? pools.map((p) => p.spec.sizing.coresFactor)
        : [owner.coresFactor],
      2000,
    ),
    spindles: owner?.spindles ?? lowest(pools.map((p) => p.spec.sizing.spindles)) ?? 1,
    maxConnections: facts.maxConnections.value,
    reservedConnections: facts.reservedConnections.value,
    setAside: (owner?.reserved ?? []).reduce((total, r) => total + r.connections, 0),
    ...(owner?.slack === undefined ? {} : { slack: owner.slack }),
    ...(owner?.total === undefined ? {} : { total: owner.total }),
    ...(owner?.share === undefined ? {} : { sharePercent: owner.share }),
  };
  const budget = serverBudget(
    limits,
    pools.some((p) => isSessionPool(p.spec)),
  );
  const shares = poolShares(
    budget,
    pools.map(({ uid, namespace, name, createdAt, spec, entries, namespaceMax }) => {
      const max = poolMax(spec);
      return {
        id: uid,
        // Times are in seconds; of two pools of one second the uid would choose by chance.
        age: `${createdAt} ${namespace}/${name}`,
        weight: spec.sizing.weight,
        ...(spec.sizing.min === undefined ? {} : { min: spec.sizing.min }),
        ...(max === undefined ? {} : { max }),
        session: isSessionPool(spec),
        ...podsOf(spec),
        processes: processesOf(spec),
        entries,
        ...(namespaceMax === undefined ? {} : { group: { id: namespace, max: namespaceMax } }),
      };
    }),
  );
  const weights = new Map(
    [...pools].sort((a, b) => (a.uid < b.uid ? -1 : 1)).map((p) => [p.uid, p.spec.sizing.weight]),
  );
  return { limits, budget, shares, facts, weights };
}

/** Of a Deployment every pod that there can be at once counts, because all read one file. */
function podsOf({ pooler: { workload, replicas } }: ConnectionPoolSpec) {
  return { pods: podsAtOnce(workload, replicas), leastPods: podsAtOnce(workload, 1) };
}

/** Pods that the pool can have with its share, and the connections of each, by ordinal. */
export function podSizes(share: number, spec: ConnectionPoolSpec, entries: number): number[] {
  if (isShared(spec)) {
    const replicas = replicasFor(share, spec.pooler.replicas, entries);
    const each = Math.floor(share / Math.max(1, mostPods(replicas)));
    return Array.from({ length: replicas }, () => each);
  }
  const { pods } = fleetOf(share, spec, entries);
  return pods === 0 ? [] : splitEvenly(share, pods);
}

/** Pods that the pool can have with its share, and processes in each. */
export function fleetOf(share: number, spec: ConnectionPoolSpec, entries: number) {
  return fleetFor(share, { pods: spec.pooler.replicas, processes: processesOf(spec), entries });
}

/** Processes that are asked for in each pod; an object from before the field has one. */
export function processesOf({ pooler }: Pick<ConnectionPoolSpec, 'pooler'>): number {
  const { processes } = pooler as { readonly processes?: number };
  return processes ?? 1;
}

/** The numbers of `status.sizing`, without its sentences. `maxClientConn` is of one pod. */
export function sizingNumbers(
  server: SizedServer,
  pool: SizedPool,
  maxClientConn: number,
): Omit<PoolSizing, 'explanation' | 'sources'> {
  const { budget, limits, facts } = server;
  const share = server.shares.get(pool.uid)?.connections ?? 0;
  return {
    cores: formatMilli(limits.milliCores ?? ASSUMED_MILLI_CORES),
    instances: facts.instances,
    optimum: budget.optimum,
    maxConnections: limits.maxConnections,
    reserved: budget.reserved,
    slack: budget.slack,
    budget: budget.total,
    share,
    perPod: podSizes(share, pool.spec, pool.entries),
    maxClientConn,
  };
}

function smallest(quantities: readonly (string | number | undefined)[], fallback: number): number {
  return lowest(quantities.map((q) => (q === undefined ? undefined : milliOf(q)))) ?? fallback;
}

function lowest(numbers: readonly (number | undefined)[]): number | undefined {
  const known = numbers.filter((n) => n !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
