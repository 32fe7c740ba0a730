// What a ConnectionBudget says of itself: whether all is shared, and whether every pool has enough.
import type { BudgetPlan } from './plan-budget.ts';
import type { Judged } from './pool/conditions.ts';

export function budgetConditions(plan: BudgetPlan): Judged[] {
  const over = plan.servers.find((s) => s.allotted > s.budget);
  const waiting = plan.waiting.length;
  const first: Judged =
    over !== undefined
      ? {
          type: 'Ready',
          status: 'False',
          reason: 'GivingBack',
          message: `${over.name}: pools hold ${over.allotted} connections and the budget is ${over.budget} now; they give back what is over`,
        }
      : waiting > 0
        ? {
            type: 'Ready',
            status: 'False',
            reason: 'Sharing',
            message: `${waiting} pools wait for connections that others still hold`,
          }
        : { type: 'Ready', status: 'True', reason: 'Shared', message: summary(plan) };
  return [first, sufficient(plan)];
}

/** Whether every pool that may draw has what it needs at least. */
function sufficient({ short }: BudgetPlan): Judged {
  const type = 'Sufficient';
  if (short.length === 0) {
    return {
      type,
      status: 'True',
      reason: 'EveryPoolServed',
      message: 'Every pool has enough for its pods.',
    };
  }
  const named = (pools: BudgetPlan['short']) =>
    pools.map((p) => `${p.namespace}/${p.name}`).join(', ');
  const limited = short.filter((p) => p.namespaceMax !== undefined);
  const others = short.filter((p) => p.namespaceMax === undefined);
  const namespaces = new Map(limited.map((p) => [p.namespace, p.namespaceMax]));
  const message = [
    ...[...namespaces].map(
      ([namespace, max]) =>
        `the max of namespace ${namespace} in spec.namespaces, ${max}, is too small for ${named(limited.filter((p) => p.namespace === namespace))}: raise it, or lower what its pools ask for`,
    ),
    ...(others.length === 0
      ? []
      : [
          `there is nothing for ${named(others)}: raise total or share, give Postgres more cores, or lower what the pools ask for`,
        ]),
  ].join('; ');
  const reason = others.length === 0 ? 'NamespaceMaxTooSmall' : 'BudgetTooSmall';
  return { type, status: 'False', reason, message };
}

function summary(plan: BudgetPlan): string {
  if (plan.servers.length === 0) return 'No pool draws from this budget.';
  return plan.servers
    .map((s) => `${s.name}: ${s.allotted} of ${s.budget} connections are with pools`)
    .join('; ');
}
