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
  /** Pods that the pool asks for, or that there can be at once for those. 0 asks for nothing. */
  readonly pods: number;
  /** Without connections for so many of them it can have none; 1 where nothing is said. */
  readonly leastPods?: number;
  /** Processes in each pod; absent: 1. */
  readonly processes?: number;
  /** Entries of the axis that one process counts on: each needs a connection of its own. */
  readonly entries: number;
  /** Claims of one group (a namespace) together get at most `max`, which is the same for all of them. */
  readonly group?: { readonly id: string; readonly max: number };
}

export interface PoolShare {
  /** Connections of the pool; 0 only when the pool asks for no pod or there is not enough for it. */
  readonly connections: number;
  /** Set when the pool gets less than it needs for its pods, or less than its own min. */
  readonly shortage?: 'NoPod' | 'FewerProcesses' | 'FewerPods' | 'BelowMin';
  /** Its group has no room for more, or not for as much as this pool lacks. */
  readonly groupIsFull?: boolean;
}

/**
 * Shares for every claim. In this order of what must hold: the sum is never more than the budget, and that of a
 * group never more than its max; every pool has one connection for each entry of one process (older pools first); all
 * pools have their pods' connections; every pool has its min, or what is left for it (older pools first); the rest by weight
 * up to max. A pod that one pool cannot have is no loss to the others.
 */
export function poolShares(
  budget: ServerBudget,
  claims: readonly PoolClaim[],
): Map<string, PoolShare> {
  const asking = claims.filter((c) => c.pods > 0).sort(byAge);
  const floors = new Floors(budget);
  const admitted = asking.filter((c) => floors.raise(c, leastOf(c)));
  // A pool's own max may leave no room for all of its pods: then it has fewer, never more connections. What a group
  // has no room for is the group's own affair.
  const forPods = (c: PoolClaim) => {
    const { processes, pods } = fleetFor(c.max ?? budget.total, c);
    return c.entries * processes * pods;
  };
  const roomy = byGroup(admitted).flatMap(({ max, claims: members }) =>
    sum(members.map(forPods)) <= max ? members : [],
  );
  floors.raiseAll(roomy, forPods);
  // Not all or nothing: a min that is too large would get less than a smaller one.
  for (const claim of admitted) floors.raiseTowards(claim, claim.min ?? 0);
  return judge(claims, fillGroups(budget, admitted, floors));
}

interface Group {
  readonly max: number;
  readonly claims: readonly PoolClaim[];
}

/** Claims without a group are together one without a limit. In the order of the claims. */
function byGroup(claims: readonly PoolClaim[]): Group[] {
  const groups = new Map<string, { max: number; claims: PoolClaim[] }>();
  for (const c of claims) {
    const key = c.group === undefined ? '' : `/${c.group.id}`;
    const group = groups.get(key) ?? { max: c.group?.max ?? Number.POSITIVE_INFINITY, claims: [] };
    groups.set(key, group);
    group.claims.push(c);
  }
  return [...groups.values()];
}

/** What is promised to each pool before the rest is shared: together never more than the budget. */
class Floors {
  readonly #budget: ServerBudget;
  readonly #floors = new Map<string, number>();
  readonly #groups = new Map<string, number>();
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

  /** As far as budget, optimum, group and the pool's own max have room. */
  raiseTowards(claim: PoolClaim, to: number): void {
    const { group, session, max = to } = claim;
    const rooms = [this.#budget.total - this.#total];
    if (!session) rooms.push(this.#budget.active - this.#active);
    if (group !== undefined) rooms.push(group.max - (this.#groups.get(group.id) ?? 0));
    this.raiseAll([claim], () => Math.min(to, max, this.of(claim) + Math.min(...rooms)));
  }

  /** All or none: false, and nothing changed, when that much is not there. */
  raiseAll(claims: readonly PoolClaim[], to: (claim: PoolClaim) => number): boolean {
    const more = (of: readonly PoolClaim[]) => sum(of.map((c) => Math.max(0, to(c) - this.of(c))));
    const total = this.#total + more(claims);
    const active = this.#active + more(claims.filter((c) => !c.session));
    if (total > this.#budget.total || active > this.#budget.active) return false;
    const groups = new Map<string, number>();
    for (const c of claims) {
      if (c.group === undefined) continue;
      const { id, max } = c.group;
      const sumOf = (groups.get(id) ?? this.#groups.get(id) ?? 0) + more([c]);
      if (sumOf > max) return false;
      groups.set(id, sumOf);
    }
    for (const [id, sumOf] of groups) this.#groups.set(id, sumOf);
    for (const c of claims) this.#floors.set(c.id, Math.max(this.of(c), to(c)));
    this.#total = total;
    this.#active = active;
    return true;
  }
}

/**
 * Groups that would get more than their max get just that, and their claims share it; what they leave is shared again
 * over the others, until none is over. No claim of such a group gets more than it had while the group was over its max,
 * so that whatever else holds (the optimum, the promises to others) goes on to hold.
 */
function fillGroups(
  budget: ServerBudget,
  claims: readonly PoolClaim[],
  floors: Floors,
): Map<string, number> {
  const done = new Map<string, number>();
  let open = claims;
  let { total, active } = budget;
  for (;;) {
    const shares = fill({ total, active }, open, floors);
    const share = (c: PoolClaim) => shares.get(c.id) ?? 0;
    const over = byGroup(open).filter((g) => sum(g.claims.map(share)) > g.max);
    if (over.length === 0) return new Map([...done, ...shares]);
    for (const { max, claims: members } of over) {
      const bounded = members.map((c) => ({ ...c, max: share(c) }));
      const within = fill({ total: max, active: Math.min(active, max) }, bounded, floors);
      for (const c of members) {
        const connections = within.get(c.id) ?? 0;
        done.set(c.id, connections);
        total -= connections;
        if (!c.session) active -= connections;
      }
    }
    open = open.filter((c) => !done.has(c.id));
  }
}

/** Two levels, because transaction-mode pools together stay within the optimum. */
function fill(
  budget: Pick<ServerBudget, 'total' | 'active'>,
  claims: readonly PoolClaim[],
  floors: Floors,
): Map<string, number> {
  const toClaim = (c: PoolClaim): Claim => {
    return { id: c.id, weight: c.weight, min: floors.of(c), max: c.max ?? budget.total };
  };
  const kinds = [
    { id: 'active', claims: claims.filter((c) => !c.session).map(toClaim), ceiling: budget.active },
    { id: 'session', claims: claims.filter((c) => c.session).map(toClaim), ceiling: budget.total },
  ].filter((k) => k.claims.length > 0);
  const totals = waterFill(
    budget.total,
    kinds.map((k) => ({
      id: k.id,
      weight: sum(k.claims.map((c) => c.weight)),
      min: sum(k.claims.map((c) => c.min)),
      max: Math.min(k.ceiling, sum(k.claims.map((c) => c.max))),
    })),
  );
  const shares = new Map<string, number>();
  for (const kind of kinds) {
    for (const [id, share] of waterFill(totals.get(kind.id) ?? 0, kind.claims))
      shares.set(id, share);
  }
  return shares;
}

function judge(
  claims: readonly PoolClaim[],
  shares: ReadonlyMap<string, number>,
): Map<string, PoolShare> {
  const sums = new Map<string, number>();
  for (const { id, group } of claims) {
    if (group !== undefined) sums.set(group.id, (sums.get(group.id) ?? 0) + (shares.get(id) ?? 0));
  }
  return new Map(
    claims.map((c) => {
      const connections = shares.get(c.id) ?? 0;
      if (c.pods === 0) return [c.id, { connections: 0 }];
      const shortage = shortageOf(c, connections);
      const short =
        shortage === 'NoPod'
          ? leastOf(c)
          : shortage === 'BelowMin'
            ? (c.min ?? 0) - connections
            : 1;
      const full = c.group !== undefined && (sums.get(c.group.id) ?? 0) + short > c.group.max;
      return [
        c.id,
        {
          connections: shortage === 'NoPod' ? 0 : connections,
          ...(shortage === undefined ? {} : { shortage }),
          ...(full && connections < (c.max ?? Number.POSITIVE_INFINITY)
            ? { groupIsFull: true }
            : {}),
        },
      ];
    }),
  );
}

function shortageOf(c: PoolClaim, connections: number): PoolShare['shortage'] {
  if (connections < leastOf(c)) return 'NoPod';
  const fleet = fleetFor(connections, c);
  if (fleet.processes < (c.processes ?? 1)) return 'FewerProcesses';
  if (fleet.pods < c.pods) return 'FewerPods';
  return connections < (c.min ?? 0) ? 'BelowMin' : undefined;
}

/** Connections without which a pool has no pod. */
function leastOf({ entries, leastPods = 1 }: PoolClaim): number {
  return entries * leastPods;
}

/** What a pool asks for, as far as its pods go. */
export interface AskedFleet {
  readonly pods: number;
  /** Of each pod; absent: 1. */
  readonly processes?: number;
  /** Connections that each process needs. */
  readonly entries: number;
}

/**
 * Pods, and processes in each, that so many connections can give at least one for each entry: never more than are asked
 * for. Fewer pods before fewer processes, since other processes mean other pods; but fewer processes rather than no pod.
 */
export function fleetFor(
  connections: number,
  { pods, processes = 1, entries }: AskedFleet,
): { readonly pods: number; readonly processes: number } {
  const fed = Math.floor(connections / Math.max(1, entries));
  const inEach = Math.max(1, Math.min(processes, fed));
  return { pods: Math.min(pods, Math.floor(fed / inEach)), processes: inEach };
}

/** The pods of `fleetFor`. */
export function podsFor(connections: number, pods: number, entries: number, processes = 1): number {
  return fleetFor(connections, { pods, processes, entries }).pods;
}

function byAge(a: PoolClaim, b: PoolClaim): number {
  const key = (c: PoolClaim) => `${c.age} ${c.id}`;
  return key(a) < key(b) ? -1 : 1;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
