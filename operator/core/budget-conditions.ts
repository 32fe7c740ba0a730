// What a ConnectionBudget says of itself: whether all is shared, whether pools hold more than there is now, and whether
// every pool has enough.
import type { BudgetPlan } from './plan-budget.ts';
import type { Judged } from './pool/conditions.ts';
import { holdersOf } from './pool/late.ts';

/** `deleting`: somebody has deleted it, and it is held by those who have a row in it. */
export function budgetConditions(plan: BudgetPlan, deleting = false): Judged[] {
  const within = withinBudget(plan);
  const waiting = plan.waiting.length;
  const first: Judged = deleting
    ? {
        type: 'Ready',
        status: 'False',
        reason: 'BeingDeleted',
        message: `It is deleted, and held until its pools are gone: ${holdersOf(plan.allotments)}. They keep what they have; a new pool gets nothing of it`,
      }
    : within.status === 'False'
      ? { ...within, type: 'Ready' }
      : waiting > 0
        ? {
            type: 'Ready',
            status: 'False',
            reason: 'Sharing',
            message: `${waiting} pools wait for connections that others still hold`,
          }
        : { type: 'Ready', status: 'True', reason: 'Shared', message: summary(plan) };
  return [first, within, sufficient(plan)];
}

/**
 * Whether pools hold no more than there is now. `BudgetShrank`: the server, or what the owner says, became smaller than
 * what they have in use. `GivingBack`: only until what is left of a pool that is gone has gone too. Sharing anew, as
 * when a pool joins, is neither: the sum stays within the budget all the time.
 */
function withinBudget({ servers }: BudgetPlan): Judged {
  const type = 'WithinBudget';
  const shrunk = servers.filter((s) => s.over !== undefined);
  if (shrunk.length > 0) {
    const message = shrunk
      .map(
        ({ name, budget, over = 0, explanation }) =>
          `${name}: the budget is ${budget} now${explanation === undefined ? '' : ` (${explanation})`}, and pools hold ${budget + over} connections: they close ${over} of them as clients release them`,
      )
      .join('; ');
    return { type, status: 'False', reason: 'BudgetShrank', message };
  }
  const leaving = servers.find((s) => s.allotted > s.budget);
  if (leaving !== undefined) {
    const message = `${leaving.name}: ${leaving.allotted} connections can be open and the budget is ${leaving.budget} now, until what is left of pools that are gone has gone too`;
    return { type, status: 'False', reason: 'GivingBack', message };
  }
  return {
    type,
    status: 'True',
    reason: 'Within',
    message: 'Pools hold no more than there is.',
  };
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

/** That its server is one of another ConnectionBudget, from which it draws; nothing where it is not. */
export function sameServerCondition({ servers }: BudgetPlan): Judged[] {
  const linked = servers.flatMap(({ name, sameAs }) =>
    sameAs === undefined ? [] : [{ name, sameAs }],
  );
  const [first] = linked;
  if (first === undefined) return [];
  const message = linked
    .map(
      ({ name, sameAs }) =>
        `${name}: this is ${sameAs.server} of ConnectionBudget ${sameAs.namespace}/${sameAs.name}, because ${sameAs.why}; its pools share what that one has, and its owner's word counts`,
    )
    .join('; ');
  return [{ type: 'SameServer', status: 'True', reason: first.sameAs.reason, message }];
}

function summary(plan: BudgetPlan): string {
  if (plan.servers.length === 0) return 'No pool draws from this budget.';
  return plan.servers
    .map((s) => `${s.name}: ${s.allotted} of ${s.budget} connections are with pools`)
    .join('; ');
}
