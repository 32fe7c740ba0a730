// What a ConnectionBudget writes down of what its servers said when they were asked: the words that sizes are made from,
// kept over restarts of the operator, and a condition.
import type { ConnectionBudgetStatus, ObservedServer } from '../api/connection-budget.ts';
import type { Judged } from '../core/pool/conditions.ts';
import type { KubeObject } from '../kube/types.ts';
import type { ServerAnswer } from '../postgres/ask.ts';
import type { Context } from './context.ts';
import { asPool } from './gather.ts';
import type { ServerRole } from './inquiries.ts';

export interface Asked {
  readonly observed: readonly ObservedServer[];
  readonly judged: readonly Judged[];
}

const CONDITION = 'ServerAsked';

/** What was written is written again unless the server has said something else since: it does not expire. */
export function askedOf(
  context: Pick<Context, 'inquiries' | 'now'>,
  budgetKey: string,
  pools: readonly KubeObject[],
  status: ConnectionBudgetStatus,
): Asked {
  const known = (status.observed ?? []).map((one) => one.server as ServerRole);
  const roles = [
    ...new Set([...known, ...pools.map((pool) => asPool(pool).spec.postgres.role)]),
  ].sort();
  const observed: ObservedServer[] = [];
  const failures: string[] = [];
  for (const role of roles) {
    const before = status.observed?.find((one) => one.server === role);
    const inquiry = context.inquiries.of(budgetKey, role);
    const now =
      inquiry !== undefined && 'answer' in inquiry
        ? record(role, inquiry.answer, before, context.now())
        : before;
    if (now !== undefined) observed.push(now);
    else if (inquiry !== undefined && 'failure' in inquiry) failures.push(inquiry.failure);
  }
  return { observed, judged: judge(observed, failures, status) };
}

/** Of a server that says what it said before, the time stays too, so that nothing is written. */
function record(
  role: ServerRole,
  answer: ServerAnswer,
  before: ObservedServer | undefined,
  now: string,
): ObservedServer {
  const { address, ...rest } = answer;
  // Of several replicas another one answers each time.
  const own = role === 'primary' && address !== undefined ? { address } : {};
  const made = { server: role, ...rest, ...own, since: before?.since ?? now };
  const said = (one: ObservedServer) => JSON.stringify(Object.entries(one).sort());
  return before !== undefined && said(made) === said(before) ? before : { ...made, since: now };
}

function judge(
  observed: readonly ObservedServer[],
  failures: readonly string[],
  status: ConnectionBudgetStatus,
): Judged[] {
  const [failure] = failures;
  if (failure !== undefined) {
    const message = `${failure}; sizes are made from what the specs say`;
    return [{ type: CONDITION, status: 'False', reason: 'NotAnswered', message }];
  }
  if (observed.length > 0) {
    const message = observed.map(inWords).join('; ');
    return [{ type: CONDITION, status: 'True', reason: 'Answered', message }];
  }
  // Not asked yet, perhaps only by this process.
  return (status.conditions ?? []).filter((one) => one.type === CONDITION);
}

function inWords(one: ObservedServer): string {
  const { server, version, maxConnections, superuserReserved, reserved, inRecovery } = one;
  const recovery = inRecovery ? ', in recovery' : '';
  return `${server}: PostgreSQL ${version}, max_connections ${maxConnections}, ${superuserReserved + reserved} of them reserved${recovery}`;
}
