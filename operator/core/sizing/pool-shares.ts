// Divides one server's budget over its pools.
import type { ServerBudget } from './server-budget.ts';
import { type Claim, waterFill } from './water-fill.ts';

/** What one pool asks for; numbers of server connections. */
export interface PoolClaim {
  /** Unique and stable for the pool (its uid). */
  readonly id: string;
  /** Older pools come first where there is not enough for all; then by id. */
  readonly age: string;
  readonly weight: number;
  readonly min?: number;
  readonly max?: number;
  /** Session mode: a connection is held by an idle client too. */
  readonly session: boolean;
  /** Pods that the pool asks for. 0 asks for nothing. */
  readonly pods: number;
  /** Entries of the axis that one pod counts on: each needs a connection of its own. */
  readonly entries: number;
}

export interface PoolShare {
  /** Connections of the pool; 0 only when the pool asks for no pod or there is not enough for it. */
  readonly connections: number;
  /** Set when the pool gets less than it needs for its pods, or less than its own min. */
  readonly shortage?: 'NoPod' | 'FewerPods' | 'BelowMin';
}

/**
 * Shares for every claim. In this order of what must hold: the sum is never more than the budget; every pool has
 * one connection for each entry of one pod (older pools first); all pools have their pods' connections; every pool
 * has its min (older pools first); the rest by weight up to max. What one pool cannot have is no loss to the others.
 */
export function poolShares(
  budget: ServerBudget,
  claims: readonly PoolClaim[],
): Map<string, PoolShare> {
  const asking = claims.filter((c) => c.pods > 0).sort(byAge);
  const floors = new Floors(budget);
  const admitted = asking.filter((c) => floors.raise(c, c.entries));
  // A pool's own max may leave no room for all of its pods: then it has fewer, never more connections.
  const podsWithinMax = (c: PoolClaim) => podsFor(c.max ?? budget.total, c.pods, c.entries);
  floors.raiseAll(admitted, (c) => c.entries * podsWithinMax(c));
  for (const claim of admitted) floors.raise(claim, claim.min ?? 0);
  return judge(claims, fill(budget, admitted, floors));
}

/** What is promised to each pool before the rest is shared: together never more than the budget. */
class Floors {
  readonly #budget: ServerBudget;
  readonly #floors = new Map<string, number>();
  #total = 0;
  #active = 0;

  constructor(budget: ServerBudget) {
    this.#budget = budget;
  }

  of(claim: PoolClaim): number {
    return this.#floors.get(claim.id) ?? 0;
  }

  /** False, and nothing changed, when that much is not there or is beyond the pool's max. */
  raise(claim: PoolClaim, to: number): boolean {
    return to <= (claim.max ?? this.#budget.total) && this.raiseAll([claim], () => to);
  }

  /** All or none: false, and nothing changed, when that much is not there. */
  raiseAll(claims: readonly PoolClaim[], to: (claim: PoolClaim) => number): boolean {
    const more = (of: readonly PoolClaim[]) => sum(of.map((c) => Math.max(0, to(c) - this.of(c))));
    const total = this.#total + more(claims);
    const active = this.#active + more(claims.filter((c) => !c.session));
    if (total > this.#budget.total || active > this.#budget.active) return false;
    for (const c of claims) this.#floors.set(c.id, Math.max(this.of(c), to(c)));
    this.#total = total;
    this.#active = active;
    return true;
  }
}

/** Two levels, because transaction-mode pools together stay within the optimum. */
function fill(
  budget: ServerBudget,
  claims: readonly PoolClaim[],
  floors: Floors,
): Map<string, number> {
  const toClaim = (c: PoolClaim): Claim => {
    return { id: c.id, weight: c.weight, min: floors.of(c), max: c.max ?? budget.total };
  };
  const groups = [
    { id: 'active', claims: claims.filter((c) => !c.session).map(toClaim), ceiling: budget.active },
    { id: 'session', claims: claims.filter((c) => c.session).map(toClaim), ceiling: budget.total },
  ].filter((g) => g.claims.length > 0);
  const totals = waterFill(
    budget.total,
    groups.map((g) => ({
      id: g.id,
      weight: sum(g.claims.map((c) => c.weight)),
      min: sum(g.claims.map((c) => c.min)),
      max: Math.min(g.ceiling, sum(g.claims.map((c) => c.max))),
    })),
  );
  const shares = new Map<string, number>();
  for (const group of groups) {
    for (const [id, share] of waterFill(totals.get(group.id) ?? 0, group.claims))
      shares.set(id, share);
  }
  return shares;
}

function judge(
  claims: readonly PoolClaim[],
  shares: ReadonlyMap<string, number>,
): Map<string, PoolShare> {
  return new Map(
    claims.map((c) => {
      const connections = shares.get(c.id) ?? 0;
      if (c.pods === 0) return [c.id, { connections: 0 }];
      if (connections < c.entries) return [c.id, { connections: 0, shortage: 'NoPod' as const }];
      if (connections < c.entries * c.pods)
        return [c.id, { connections, shortage: 'FewerPods' as const }];
      if (connections < (c.min ?? 0)) return [c.id, { connections, shortage: 'BelowMin' as const }];
      return [c.id, { connections }];
    }),
  );
}

/** Pods that a share of connections can give at least one connection for each entry, at most `pods`. */
export function podsFor(connections: number, pods: number, entries: number): number {
  return Math.min(pods, Math.floor(connections / Math.max(1, entries)));
}

function byAge(a: PoolClaim, b: PoolClaim): number {
  const key = (c: PoolClaim) => `${c.age} ${c.id}`;
  return key(a) < key(b) ? -1 : 1;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
