// The plan of one ConnectionBudget: what each server of the Postgres cluster gives to each pool.
import type {
  AllotmentRecord,
  ConnectionBudgetSpec,
  ConnectionBudgetStatus,
  ServerRecord,
} from '../api/connection-budget.ts';
import type { PoolAllotment } from '../api/connection-pool.ts';
import type { Found } from '../postgres/adapter.ts';
import { planAllotments } from './ledger/allotments.ts';
import { claimsOf, type Gone } from './ledger/claims.ts';
import { ASKED, isAsked } from './sizing/observed.ts';
import { type SizedPool, type SizedServer, sizeServer } from './sizing/size-server.ts';
import { whyOf } from './sizing/sources.ts';

export type Role = 'primary' | 'replicas';

/** One pool that draws from the budget. */
export interface BudgetPool extends SizedPool {
  readonly role: Role;
  /** What it has taken of its row. */
  readonly taken?: PoolAllotment;
  /** Sum of its holders' charges; infinite when one is unknown. */
  readonly charge: number;
  /** Why the pool may not draw, in a few words: it keeps what it has and gets nothing more. */
  readonly refused?: string;
}

export interface BudgetInput {
  readonly spec: ConnectionBudgetSpec | undefined;
  readonly status: ConnectionBudgetStatus | undefined;
  readonly pools: readonly BudgetPool[];
  /** What was found of each role that a pool asks for. */
  readonly servers: ReadonlyMap<Role, Found>;
  /** What is proven of a pool that is not among `pools`. */
  readonly gone: (uid: string) => Gone | undefined;
  readonly mayRaise: boolean;
  /** Servers of which parts are given, because something free was withheld for long: see patience.ts. */
  readonly inParts: ReadonlySet<string>;
  /** Servers of which nothing more is given for now. */
  readonly heldBack?: ReadonlySet<Role>;
}

export interface BudgetPlan {
  readonly allotments: readonly AllotmentRecord[];
  readonly servers: readonly ServerRecord[];
  readonly sized: ReadonlyMap<Role, SizedServer>;
  /** Pools that cannot have what they need at least, and those whose namespace has no room for it. */
  readonly short: readonly ShortPool[];
  readonly waiting: readonly {
    readonly uid: string;
    readonly connections: number;
    readonly target: number;
  }[];
  /** Servers of which something free is kept until a raise can be made whole. */
  readonly withheld: readonly Role[];
}

export interface ShortPool {
  readonly namespace: string;
  readonly name: string;
  /** The owner's max for the namespace, where that is what is too small. */
  readonly namespaceMax?: number;
}

/**
 * Pure. Where a server's facts are not to be had, every pool keeps what it has: a Postgres that is not found today is
 * no reason to take connections away.
 */
export function planBudget(input: BudgetInput): BudgetPlan {
  const before = input.status?.allotments ?? [];
  const allotments: AllotmentRecord[] = [];
  const servers: ServerRecord[] = [];
  const sized = new Map<Role, SizedServer>();
  const short: ShortPool[] = [];
  const waiting: { uid: string; connections: number; target: number }[] = [];
  const withheld: Role[] = [];
  for (const role of ['primary', 'replicas'] as const) {
    const pools = input.pools.filter((p) => p.role === role);
    const rows = before.filter((r) => r.server === role);
    const found = input.servers.get(role);
    if (pools.length === 0 && rows.length === 0) continue;
    const byUid = new Map(rows.map((r) => [r.uid, r]));
    const drawing = pools.filter((p) => p.refused === undefined);
    const server = found?.ok === true ? sizeServer(found.facts, input.spec, drawing) : undefined;
    if (server !== undefined) {
      sized.set(role, server);
      short.push(...drawing.flatMap((p) => shortOf(p, server)));
    }
    const target = (p: BudgetPool) =>
      p.refused !== undefined || server === undefined
        ? (byUid.get(p.uid)?.target ?? p.taken?.connections ?? 0)
        : (server.shares.get(p.uid)?.connections ?? 0);
    const claims = claimsOf(
      pools.map((p) => ({
        uid: p.uid,
        namespace: p.namespace,
        name: p.name,
        target: target(p),
        ...(p.taken === undefined ? {} : { taken: p.taken }),
        charge: p.charge,
      })),
      rows,
      input.gone,
    );
    const budget =
      server?.budget.total ?? input.status?.servers?.find((s) => s.name === role)?.budget ?? 0;
    const mayRaise = input.mayRaise && input.heldBack?.has(role) !== true;
    const plan = planAllotments(role, budget, rows, claims, mayRaise, input.inParts.has(role));
    if (plan.withheld) withheld.push(role);
    const why = new Map(pools.map((p) => [p.uid, reasonFor(p, drawing, server)]));
    allotments.push(
      ...plan.rows.map((row) => ({
        ...row,
        why: (why.get(row.uid) ?? whyKept(input.gone(row.uid))).slice(0, 200),
      })),
    );
    waiting.push(...plan.waiting);
    const allotted = plan.rows.reduce((total, r) => total + r.connections, 0);
    servers.push({
      name: role,
      budget,
      allotted,
      free: Math.max(0, budget - allotted),
      ...(server === undefined ? {} : { explanation: explain(server) }),
    });
  }
  return { allotments, servers, sized, short, waiting, withheld };
}

/** Of a row whose pool is not in view. */
export function whyKept(gone: Gone | undefined): string {
  return gone === undefined
    ? 'the pool is not in view: its part is kept until the API server says that nothing of it is left'
    : 'the pool is gone; something of it is still there';
}

function reasonFor(
  pool: BudgetPool,
  drawing: readonly BudgetPool[],
  server: SizedServer | undefined,
): string {
  if (pool.refused !== undefined) return pool.refused;
  if (server === undefined) return 'the Postgres is not found: what was given stays';
  return whyOf(server, drawing, pool);
}

/** Too small for a single pod, or for what the pool needs while the owner's max is what keeps it from it. */
function shortOf(
  { uid, namespace, name, namespaceMax }: BudgetPool,
  server: SizedServer,
): ShortPool[] {
  const share = server.shares.get(uid);
  const isFull = share?.groupIsFull === true && namespaceMax !== undefined;
  if (share?.shortage === undefined || (share.shortage !== 'NoPod' && !isFull)) return [];
  return [{ namespace, name, ...(isFull ? { namespaceMax } : {}) }];
}

function explain({ budget, limits, facts }: SizedServer): string {
  const asked = isAsked(facts.maxConnections) ? ` (${ASKED})` : '';
  const guard = `max_connections ${limits.maxConnections}${asked} − ${budget.reserved} reserved − ${budget.slack} slack = ${budget.guard}`;
  const cores = `${(limits.milliCores ?? 1000) / 1000} cores × ${limits.milliCoresFactor / 1000} + ${limits.spindles} = ${budget.optimum}`;
  switch (budget.decidedBy) {
    case 'owner':
      return `the owner says ${limits.total}; ${guard}`;
    case 'guard':
      return `${guard}, less than ${limits.total === undefined ? cores : `the owner's ${limits.total}`}`;
    case 'optimum':
      return budget.total > budget.active
        ? `${cores} for pools in transaction mode; ${guard} for all`
        : `${cores}; ${guard}`;
  }
}
