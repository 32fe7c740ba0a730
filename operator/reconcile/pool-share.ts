// What the ledger and sizing have for one pool: its row, whether it may attach, its share in numbers and words.
import type { ConnectionBudgetStatus } from '../api/connection-budget.ts';
import type { ConnectionPoolStatus } from '../api/connection-pool.ts';
import type { ConnectionPool } from '../api/resources.ts';
import { isWholeOf } from '../core/ledger/bounded.ts';
import type { PoolLedgerPlan } from '../core/ledger/pool.ts';
import { ASKED_FIRST } from '../core/plan-budget.ts';
import { explanationOf } from '../core/pool/explanation.ts';
import { type Finding, shareGranted, unknown } from '../core/pool/findings.ts';
import { lateFault } from '../core/pool/late.ts';
import { ASSUMED_MILLI_CORES } from '../core/sizing/server-budget.ts';
import { podSizes, type SizedPool, sizingNumbers } from '../core/sizing/size-server.ts';
import { sourcesOf } from '../core/sizing/sources.ts';
import type { KubeObject } from '../kube/types.ts';
import type { Fault, ServerFacts } from '../postgres/adapter.ts';
import { type CountedClients, clientsOf } from './clients.ts';
import type { Context } from './context.ts';
import { asPool, isLate } from './gather.ts';
import { attachFaultAt, ownerOf } from './groups.ts';

export function rowOf(context: Context, budgetKey: string | undefined, pool: ConnectionPool) {
  const budget = budgetKey === undefined ? undefined : context.world.budgets.getKey(budgetKey);
  const status = (budget?.status ?? {}) as ConnectionBudgetStatus;
  return status.allotments?.find(
    (r) => r.uid === pool.metadata.uid && r.server === pool.spec.postgres.role,
  );
}

/** The budget of the pool's server, while it is less than what pools hold; as the ConnectionBudget says it. */
export function shrunkBudget(
  context: Context,
  budgetKey: string | undefined,
  pool: ConnectionPool,
): number | undefined {
  const budget = budgetKey === undefined ? undefined : context.world.budgets.getKey(budgetKey);
  const { servers = [] } = (budget?.status ?? {}) as ConnectionBudgetStatus;
  const server = servers.find((s) => s.name === pool.spec.postgres.role);
  return (server?.over ?? 0) > 0 ? server?.budget : undefined;
}

/** Why the pool may not draw from its budget. */
export function refusal(
  context: Context,
  budgetKey: string | undefined,
  object: KubeObject,
): { finding: Finding } | undefined {
  if (budgetKey === undefined) return undefined;
  const refused = (fault: Fault, effect: Finding['effect']) => ({
    finding: { type: 'ShareGranted', status: 'False', ...fault, effect } as const,
  });
  const { namespace = '' } = object.metadata;
  const { role } = asPool(object).spec.postgres;
  const fault = attachFaultAt(context.world, namespace, { budgetKey, role });
  if (fault !== undefined) return refused(fault, 'stalled');
  const budget = context.world.budgets.getKey(budgetKey);
  return isLate(object, budget) ? refused(lateFault(budgetKey), 'waiting') : undefined;
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
  const ledgerObject = context.world.budgets.getKey(budgetKey);
  const { role } = pool.spec.postgres;
  const { budgetKey: ownerKey, spec: owner } = ownerOf(context.world, { budgetKey, role });
  const { pools, server } = context.servers.of(context, budgetKey, role, facts);
  const own = pools.find((p) => p.uid === pool.metadata.uid);
  if (own === undefined) return { finding: unknown('ShareGranted', 'The pool is being read.') };
  const explanation = explanationOf(server, pools, own, axis, ASSUMED_MILLI_CORES);
  const share = server.shares.get(own.uid);
  const granted = ledger.grants.reduce((total, g) => total + g.connections, 0);
  // What cannot be divided over the pods of a Deployment is there all the same.
  const held = isWholeOf(ledger.holders) ? ledger.allotment.connections : granted;
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
      budget: ownerKey,
      ...(ledgerObject?.metadata.deletionTimestamp === undefined ? {} : { budgetIsDeleted: true }),
      explanation,
      ...(rowOf(context, budgetKey, pool)?.why === ASKED_FIRST ? { waitsFor: ASKED_FIRST } : {}),
    }),
    sizing: {
      ...sizingNumbers(server, sized, counted.limit.max),
      explanation,
      sources: sourcesOf({
        server,
        owner,
        budgetName: ownerKey,
        pools,
        pool: sized,
        maxClientConn: counted.limit,
      }),
    },
    counted,
  };
}
