// One server under several names, as the plan of one of its ConnectionBudgets sees it. The ledger is nested: a budget
// takes its part of a row in another one, as a pool does, and by the same rules (ledger/allotments.ts), and its own rows
// never exceed what it has taken. Sizes are made of all pools of the server at once.
import type {
  AllotmentRecord,
  ConnectionBudgetSpec,
  ConnectionBudgetStatus,
  SameServer,
} from '../../api/connection-budget.ts';
import type { PoolAllotment } from '../../api/connection-pool-status.ts';
import type { AllotmentClaim } from '../ledger/allotments.ts';
import type { PoolShare } from '../sizing/pool-shares.ts';
import type { SizedPool } from '../sizing/size-server.ts';

export interface ServerGroup {
  /** Pools of the other budgets of this server that may draw from it: they share it with ours. */
  readonly others: readonly SizedPool[];
  /** The owner's word: that of the budget from which all draw. */
  readonly owner: ConnectionBudgetSpec | undefined;
  /** From whom this one draws; absent: from nobody. */
  readonly parent?: ParentBudget;
  /** Those that draw from this one. */
  readonly children: readonly ChildBudget[];
  /** It may be a server that others use, and was not asked yet: nothing but the question is allowed for. */
  readonly isUnknown: boolean;
}

export interface ParentBudget {
  readonly sameAs: SameServer;
  /** The row there, as it is written; undefined: there is none yet. */
  readonly row: AllotmentRecord | undefined;
  /** What was taken of it before. */
  readonly taken: PoolAllotment | undefined;
}

export interface ChildBudget {
  /** Of its row: the budget's uid, and its role where that is not the first. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** uids of the pools that draw from it, and from those that draw from it in turn. */
  readonly pools: readonly string[];
  readonly taken: PoolAllotment | undefined;
  /** The sum of its own rows: what its pools may hold now. */
  readonly held: number;
  readonly why: string;
}

/** A budget that draws from another one, as its own status says. `pools` are the uids of all that draw from it. */
export function childBudgetOf(
  budget: { readonly uid: string; readonly namespace: string; readonly name: string },
  role: 'primary' | 'replicas',
  status: ConnectionBudgetStatus,
  pools: readonly string[],
): ChildBudget {
  const { uid, namespace, name } = budget;
  const record = status.servers?.find((one) => one.name === role);
  const held = (status.allotments ?? [])
    .filter((row) => row.server === role)
    .reduce((sum, row) => sum + row.connections, 0);
  return {
    uid: rowUidOf(uid, role),
    namespace,
    name,
    pools,
    taken: record?.taken,
    held,
    why: record?.sameAs === undefined ? '' : `another name of this server: ${record.sameAs.why}`,
  };
}

/** A child's claim on its row. Where the server is not found it keeps what it has. */
export function claimOfBudget(
  child: ChildBudget,
  row: AllotmentRecord | undefined,
  shares: ReadonlyMap<string, PoolShare> | undefined,
): AllotmentClaim {
  const { uid, namespace, name, taken, held } = child;
  const target =
    shares === undefined
      ? (row?.target ?? taken?.connections ?? 0)
      : child.pools.reduce((sum, pool) => sum + (shares.get(pool)?.connections ?? 0), 0);
  return {
    uid,
    namespace,
    name,
    target,
    ...(taken === undefined ? {} : { taken }),
    charge: held,
    remains: true,
    exists: true,
  };
}

/** The uid of the row that a budget has in another one. A budget's two servers may be one server there. */
export function rowUidOf(budgetUid: string, role: 'primary' | 'replicas'): string {
  return role === 'primary' ? budgetUid : `${budgetUid}/${role}`;
}
