// The upper half of the ledger: the rows of one server in its ConnectionBudget, and what a pool takes of its row.
//
// Two objects share one number, and several writers may be at work with old views, so every raise has a serial:
//   raise: row {connections: 8, serial: 6}  → pool takes {8, 6}    (the pool takes a serial once only)
//   lower: pool takes {4, 6}                → row {4, 6}           (only when the pool has taken the row's serial)
// When a row is lowered, the pool has been rewritten since the row was raised, so a write of the raise that is
// still under way fails on the resourceVersion that it carries. And a stale view of the row cannot raise the
// pool, because its serial has been taken.
import type { AllotmentRecord } from '../../api/connection-budget.ts';
import type { PoolAllotment } from '../../api/connection-pool.ts';

/** One pool as the budget sees it. */
export interface AllotmentClaim {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** What sizing gives the pool now; 0 when the pool is gone or refused. */
  readonly target: number;
  /** What the pool has taken; absent when it has taken nothing or its object is gone. */
  readonly taken?: PoolAllotment;
  /** Sum of the charges of its holders; infinite when one is unknown. */
  readonly charge: number;
  /**
   * Pods, a workload or files of the pool exist. While they do, a row is not given up. False only when the API server
   * itself was asked, for workload and files first and then for pods: a cache may not have seen them yet.
   */
  readonly remains: boolean;
  /** The ConnectionPool itself exists. False only when the API server said so: by an answer, or by its deletion. */
  readonly exists: boolean;
}

export interface AllotmentPlan {
  readonly rows: readonly AllotmentRecord[];
  /** Pools that wait for connections which others still hold. */
  readonly waiting: readonly {
    readonly uid: string;
    readonly connections: number;
    readonly target: number;
  }[];
  /** Something free is kept until a raise can be made whole: in parts it would be given. */
  readonly withheld: boolean;
}

/**
 * The next rows of one server, from the rows as they are written now. `budget` in server connections.
 * `mayRaise` is false until every store is in sync and every live holder was asked once. While others give back, a
 * raise waits until it can be made whole, because a part of a share would only be written to be written again;
 * `inParts` is for those who have waited long (a node is lost, a client in session mode stays): whatever is free then
 * goes to those who lack it.
 *
 * A row without a claim stays as it is. Guarantees: no row is raised beyond `budget − Σ held of the others`; no row falls below what its pool has
 * taken or is charged; the same input gives the same rows, whatever its order.
 */
export function planAllotments(
  server: string,
  budget: number,
  rows: readonly AllotmentRecord[],
  claims: readonly AllotmentClaim[],
  mayRaise: boolean,
  inParts: boolean,
): AllotmentPlan {
  const plan = planWith(server, budget, rows, claims, mayRaise, inParts);
  if (inParts || plan.waiting.length === 0) return { ...plan, withheld: false };
  const further = planWith(server, budget, rows, claims, mayRaise, true);
  return { ...plan, withheld: !isSame(plan.rows, further.rows) };
}

function planWith(
  server: string,
  budget: number,
  rows: readonly AllotmentRecord[],
  claims: readonly AllotmentClaim[],
  mayRaise: boolean,
  inParts: boolean,
): Omit<AllotmentPlan, 'withheld'> {
  const byUid = new Map(rows.map((r) => [r.uid, r]));
  const known = new Set(claims.map((c) => c.uid));
  // A row without a claim is of a pool that is not in view, perhaps only not yet: it keeps what it has.
  const unseen = rows
    .filter((r) => !known.has(r.uid))
    .map((row) => ({ row, claim: undefined, held: row.connections }));
  const entries = claims
    .map((claim) => lowered(server, byUid.get(claim.uid), claim))
    .filter((entry) => entry !== undefined)
    .concat(unseen)
    .sort((a, b) => (key(a.row) < key(b.row) ? -1 : 1));
  const waiting: { uid: string; connections: number; target: number }[] = [];
  let free = budget - sum(entries.map((e) => e.held));
  const onlyWhole = !inParts && entries.some((e) => e.held > e.row.target);
  const next = entries.map((entry) => {
    const { row, claim, held } = entry;
    const taken = claim?.taken?.connections ?? 0;
    if (claim?.exists !== true || row.target <= taken) return row;
    const pending = row.connections >= row.target && row.serial > (claim.taken?.serial ?? 0);
    if (pending) return row;
    const wanted = Math.max(0, row.target - held);
    const given = onlyWhole ? (wanted <= free ? wanted : 0) : Math.min(wanted, Math.max(0, free));
    // What is counted as held may be an old view of what the pool has given back, and others may have it by now: the
    // row follows it only while all that is held fits.
    const most = free >= 0 ? held + given : row.connections;
    const connections = Math.min(row.target, most);
    if (
      !mayRaise ||
      !Number.isFinite(held) ||
      connections <= taken ||
      connections < row.connections
    ) {
      waiting.push({ uid: row.uid, connections: row.connections, target: row.target });
      return row;
    }
    // The row may be there already and its serial taken, when a pool gave back and is to have it again.
    const unchanged = connections === row.connections && row.serial > (claim.taken?.serial ?? 0);
    if (unchanged) return row;
    free -= given;
    if (connections < row.target) waiting.push({ uid: row.uid, connections, target: row.target });
    return { ...row, connections, serial: Math.max(row.serial, claim.taken?.serial ?? 0) + 1 };
  });
  return { rows: next, waiting };
}

function isSame(a: readonly AllotmentRecord[], b: readonly AllotmentRecord[]): boolean {
  return a.length === b.length && a.every((row, i) => row.connections === b[i]?.connections);
}

interface Entry {
  readonly row: AllotmentRecord;
  /** Undefined: its pool is not in view. */
  readonly claim: AllotmentClaim | undefined;
  readonly held: number;
}

/** The row after every permitted lowering, with what must be counted as held; undefined when it can go. */
function lowered(
  server: string,
  row: AllotmentRecord | undefined,
  claim: AllotmentClaim,
): Entry | undefined {
  const taken = claim.taken ?? { connections: 0, serial: 0 };
  const { uid, namespace, name } = claim;
  const target = claim.exists ? claim.target : 0;
  const used = Math.max(taken.connections, claim.charge);
  if (row === undefined) {
    if (!claim.exists && !claim.remains) return undefined;
    // The status was lost, or the pool is new: what it holds is written down before anything else. A charge
    // that is unknown cannot be written; it stops every raise instead (held is infinite).
    const connections = Number.isFinite(used) ? used : taken.connections;
    return {
      row: { server, uid, namespace, name, connections, target, serial: taken.serial },
      claim,
      held: used,
    };
  }
  if (!claim.exists) {
    if (!claim.remains) return undefined;
    return { row: withTarget(row, 0), claim, held: Math.max(row.connections, claim.charge) };
  }
  const floor = Math.max(target, used);
  const returned = taken.serial >= row.serial;
  const connections = returned && floor < row.connections ? floor : row.connections;
  const next =
    connections === row.connections ? withTarget(row, target) : { ...row, target, connections };
  return { row: next, claim, held: Math.max(connections, used) };
}

function withTarget(row: AllotmentRecord, target: number): AllotmentRecord {
  return row.target === target ? row : { ...row, target };
}

/**
 * What a pool takes of its row: a raise when its serial is new, a lower target at once. To be written into the
 * pool's status, against the resourceVersion that was read, before anything is made of it.
 */
export function takeAllotment(
  taken: PoolAllotment | undefined,
  row: AllotmentRecord | undefined,
): PoolAllotment {
  const now = taken ?? { connections: 0, serial: 0 };
  if (row === undefined) return now;
  const ceiling = Math.min(row.connections, row.target);
  if (row.serial > now.serial) return { connections: ceiling, serial: row.serial };
  return ceiling < now.connections ? { ...now, connections: ceiling } : now;
}

function key(row: AllotmentRecord): string {
  return `${row.namespace}/${row.name}/${row.uid}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
