// What the ledger and sizing have for one pool: its row, whether it may attach, its share in numbers and words.
import type { ConnectionBudgetSpec, ConnectionBudgetStatus } from '../api/connection-budget.ts';
import type { ConnectionPoolStatus } from '../api/connection-pool.ts';
import type { ConnectionPool } from '../api/resources.ts';
import type { PoolLedgerPlan } from '../core/ledger/pool.ts';
import { attachFault } from '../core/pool/attach.ts';
import { explanationOf } from '../core/pool/explanation.ts';
import { type Finding, shareGranted, unknown } from '../core/pool/findings.ts';
import { ASSUMED_MILLI_CORES } from '../core/sizing/server-budget.ts';
import { podSizes, type SizedPool, sizingNumbers } from '../core/sizing/size-server.ts';
import { sourcesOf } from '../core/sizing/sources.ts';
import type { ServerFacts } from '../postgres/adapter.ts';
import { type CountedClients, clientsOf } from './clients.ts';
import type { Context } from './context.ts';

export function rowOf(context: Context, budgetKey: string | undefined, pool: ConnectionPool) {
  const budget = budgetKey === undefined ? undefined : context.world.budgets.getKey(budgetKey);
  const status = (budget?.status ?? {}) as ConnectionBudgetStatus;
  return status.allotments?.find(
    (r) => r.uid === pool.metadata.uid && r.server === pool.spec.postgres.role,
  );
}

export function refusal(
  context: Context,
  budgetKey: string | undefined,
  pool: ConnectionPool,
): { finding: Finding } | undefined {
  const budget = budgetKey === undefined ? undefined : context.world.budgets.getKey(budgetKey);
  if (budget === undefined || budgetKey === undefined) return undefined;
  const owner = budget.spec as ConnectionBudgetSpec;
  const fault = attachFault(pool.metadata.namespace, budgetKey, owner);
  if (fault === undefined) return undefined;
  return { finding: { type: 'ShareGranted', status: 'False', ...fault, effect: 'stalled' } };
}

export interface Share {
  readonly finding: Finding;
  readonly sizing?: ConnectionPoolStatus['sizing'];
  readonly counted?: CountedClients;
}

/** What sizing says about the pool, from all pools of its server. */
export function shareOf(
  context: Context,
  budgetKey: string | undefined,
  pool: ConnectionPool,
  entries: number,
  axis: 'database' | 'user',
  ledger: PoolLedgerPlan,
  facts: ServerFacts | undefined,
): Share {
  if (facts === undefined || budgetKey === undefined) {
    return { finding: unknown('ShareGranted', 'The Postgres has to be found first.') };
  }
  const { world } = context;
  const budget = world.budgets.getKey(budgetKey)?.spec as ConnectionBudgetSpec | undefined;
  const { role } = pool.spec.postgres;
  const { pools, server } = context.servers.of(context, budgetKey, role, facts);
  const own = pools.find((p) => p.uid === pool.metadata.uid);
  if (own === undefined) return { finding: unknown('ShareGranted', 'The pool is being read.') };
  const explanation = explanationOf(server, pools, own, axis, ASSUMED_MILLI_CORES);
  const share = server.shares.get(own.uid);
  const held = ledger.grants.reduce((total, g) => total + g.connections, 0);
  const sized: SizedPool = { ...own, entries };
  const perPod = podSizes(share?.connections ?? 0, pool.spec, entries);
  const counted = clientsOf(context, pool, share?.connections ?? 0, perPod, pool.status);
  return {
    finding: shareGranted({
      share: share?.connections ?? 0,
      held: Math.min(held, ledger.allotment.connections),
      ...(share?.shortage === undefined ? {} : { shortage: share.shortage }),
      ...(share?.groupIsFull === undefined ? {} : { groupIsFull: share.groupIsFull }),
      namespace: pool.metadata.namespace,
      budget: budgetKey,
      explanation,
    }),
    sizing: {
      ...sizingNumbers(server, sized, counted.limit.max),
      explanation,
      sources: sourcesOf({
        server,
        owner: budget,
        budgetName: budgetKey,
        pools,
        pool: sized,
        maxClientConn: counted.limit,
      }),
    },
    counted,
  };
}
