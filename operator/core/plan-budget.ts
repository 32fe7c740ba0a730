// The plan of one ConnectionBudget: what each server of the Postgres cluster gives to each pool.
import type {
  AllotmentRecord,
  ConnectionBudgetSpec,
  ConnectionBudgetStatus,
  SameServer,
  ServerRecord,
} from '../api/connection-budget.ts';
import type { PoolAllotment } from '../api/connection-pool.ts';
import type { Found } from '../postgres/adapter.ts';
import { claimOfBudget, type ServerGroup } from './identity/group.ts';
import { planAllotments, takeAllotment } from './ledger/allotments.ts';
import { claimsOf, type Gone } from './ledger/claims.ts';
import { ASKED, isAsked } from './sizing/observed.ts';
import { ownersTotal, ownersWords } from './sizing/server-budget.ts';
import { type SizedPool, type SizedServer, sizeServer } from './sizing/size-server.ts';
import { serverSources, whyOf } from './sizing/sources.ts';

export type Role = 'primary' | 'replicas';

/** Why a new pool has a pod's worth, or nothing, at first. */
export const ASKED_FIRST =
  'the server is asked first whether it is one that other pools use under another name';

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
  /** Servers that other ConnectionBudgets are of too, or may be. */
  readonly groups?: ReadonlyMap<Role, ServerGroup>;
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
    const group = input.groups?.get(role);
    const children = group?.children ?? [];
    if (pools.length === 0 && rows.length === 0 && children.length === 0) continue;
    const byUid = new Map(rows.map((r) => [r.uid, r]));
    const drawing = pools.filter((p) => p.refused === undefined);
    const all = [...drawing, ...(group?.others ?? [])];
    const owner = group === undefined ? input.spec : group.owner;
    const server = found?.ok === true ? sizeServer(found.facts, owner, all) : undefined;
    if (server !== undefined) {
      sized.set(role, server);
      short.push(...drawing.flatMap((p) => shortOf(p, server)));
    }
    const probe = group?.isUnknown === true ? probeOf(drawing, rows) : undefined;
    const target = (p: BudgetPool) =>
      p.refused !== undefined || server === undefined
        ? (byUid.get(p.uid)?.target ?? p.taken?.connections ?? 0)
        : Math.min(server.shares.get(p.uid)?.connections ?? 0, probe?.get(p.uid) ?? Infinity);
    const ofPools = (row: AllotmentRecord) => !children.some((child) => child.uid === row.uid);
    const claims = claimsOf(
      pools.map((p) => ({
        uid: p.uid,
        namespace: p.namespace,
        name: p.name,
        target: target(p),
        ...(p.taken === undefined ? {} : { taken: p.taken }),
        charge: p.charge,
      })),
      rows.filter(ofPools),
      input.gone,
    ).concat(children.map((child) => claimOfBudget(child, byUid.get(child.uid), server?.shares)));
    const parent = group?.parent;
    const taken = parent && takeAllotment(parent.taken, parent.row);
    const budget =
      taken?.connections ??
      server?.budget.total ??
      input.status?.servers?.find((s) => s.name === role)?.budget ??
      0;
    const mayRaise = input.mayRaise && input.heldBack?.has(role) !== true;
    const plan = planAllotments(role, budget, rows, claims, mayRaise, input.inParts.has(role));
    if (plan.withheld) withheld.push(role);
    const why = new Map([
      ...pools.map((p) => [p.uid, reasonFor(p, all, server, probe)] as const),
      ...children.map((child) => [child.uid, child.why] as const),
    ]);
    const budgets = new Set(children.map((child) => child.uid));
    allotments.push(
      ...plan.rows.map((row) => ({
        ...row,
        why: (why.get(row.uid) ?? whyKept(input.gone(row.uid))).slice(0, 200),
        ...(budgets.has(row.uid) ? { of: 'ConnectionBudget' as const } : {}),
      })),
    );
    waiting.push(...plan.waiting);
    const sumOf = (some: readonly AllotmentRecord[]) =>
      some.reduce((total, r) => total + r.connections, 0);
    const allotted = sumOf(plan.rows);
    // What a pool that is gone has left is on its way back however large the budget is.
    const known = new Set([...pools, ...children].map((one) => one.uid));
    const over = sumOf(plan.rows.filter((r) => known.has(r.uid))) - budget;
    servers.push({
      name: role,
      budget,
      allotted,
      free: Math.max(0, budget - allotted),
      ...(over > 0 ? { over } : {}),
      ...(parent === undefined
        ? {}
        : { sameAs: parent.sameAs, taken: taken ?? { connections: 0, serial: 0 } }),
      ...(server === undefined
        ? {}
        : {
            explanation: explanationFor(server, owner?.reserved ?? [], parent?.sameAs),
            sources: serverSources({ server, owner, pools: all }),
          }),
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

/**
 * What each pool may have of a server that may be one that others use, by uid: the oldest one has a pod's worth, through
 * which the server is asked who it is, and the others wait. Undefined where more than that is in use already.
 */
function probeOf(
  pools: readonly BudgetPool[],
  rows: readonly AllotmentRecord[],
): ReadonlyMap<string, number> | undefined {
  const age = (p: BudgetPool) => `${p.createdAt} ${p.namespace}/${p.name}`;
  const [first] = [...pools].sort((a, b) => (age(a) < age(b) ? -1 : 1));
  const inUse = rows.reduce((total, r) => total + r.connections, 0);
  if (inUse > (first?.entries ?? 0)) return undefined;
  return new Map(pools.map((p) => [p.uid, p === first ? p.entries : 0]));
}

function reasonFor(
  pool: BudgetPool,
  drawing: readonly SizedPool[],
  server: SizedServer | undefined,
  probe: ReadonlyMap<string, number> | undefined,
): string {
  if (pool.refused !== undefined) return pool.refused;
  if (server === undefined) return 'the Postgres is not found: what was given stays';
  if (probe !== undefined) return ASKED_FIRST;
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

function explanationFor(
  server: SizedServer,
  setAside: ConnectionBudgetSpec['reserved'],
  sameAs: SameServer | undefined,
): string {
  if (sameAs === undefined) return explain(server, setAside);
  const { namespace, name, why } = sameAs;
  return `a part of ConnectionBudget ${namespace}/${name}, because ${why}; ${explain(server, setAside)}`;
}

/** `setAside`: by the owner, each by its name. */
function explain(
  { budget, limits, facts }: SizedServer,
  setAside: ConnectionBudgetSpec['reserved'],
): string {
  const asked = isAsked(facts.maxConnections) ? ` (${ASKED})` : '';
  const guard = [
    `max_connections ${limits.maxConnections}${asked}`,
    `${limits.reservedConnections} reserved`,
    ...setAside.filter((r) => r.connections > 0).map((r) => `${r.connections} ${r.name}`),
    `${budget.slack} slack = ${budget.guard}`,
  ].join(' − ');
  const cores = `${(limits.milliCores ?? 1000) / 1000} cores × ${limits.milliCoresFactor / 1000} + ${limits.spindles} = ${budget.optimum}`;
  switch (budget.decidedBy) {
    case 'owner':
      return `the owner says ${ownersWords(limits)}; ${guard}`;
    case 'guard':
      return `${guard}, less than ${ownersTotal(limits) === undefined ? cores : `the owner's ${ownersWords(limits)}`}`;
    case 'optimum':
      return budget.total > budget.active
        ? `${cores} for pools in transaction mode; ${guard} for all`
        : `${cores}; ${guard}`;
  }
}
