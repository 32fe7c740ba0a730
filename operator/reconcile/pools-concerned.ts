// Whom a new status of a ConnectionBudget concerns. Pure: most pools of a server with many have nothing to do with a
// change of one, and each that is woken costs a look at all of its objects.
import type { ConnectionBudgetStatus, ServerRecord } from '../api/connection-budget.ts';
import { sameJson } from './same.ts';

export interface Concerned {
  /** Roles in which every pool says something else in its own status now. */
  readonly roles: ReadonlySet<string>;
  /** `namespace/name` of the pools whose rows changed. */
  readonly keys: readonly string[];
}

export function poolsConcerned(
  old: ConnectionBudgetStatus,
  next: ConnectionBudgetStatus,
): Concerned {
  const before = new Map((old.servers ?? []).map((s) => [s.name, repeated(s)]));
  const roles = (next.servers ?? []).filter((s) => !sameJson(before.get(s.name), repeated(s)));
  return { roles: new Set(roles.map((s) => s.name)), keys: changedRows(old, next) };
}

/** What pools repeat of their server. Not what is allotted, which changes with every pool that gives or takes. */
function repeated({ budget, over = 0, explanation, sources }: ServerRecord): object {
  return { budget, isOver: over > 0, explanation, sources };
}

function changedRows(old: ConnectionBudgetStatus, next: ConnectionBudgetStatus): string[] {
  const texts = ({ allotments = [] }: ConnectionBudgetStatus) =>
    new Map(
      allotments.map((r) => [
        `${r.namespace}/${r.name}`,
        `${r.uid} ${r.connections} ${r.serial} ${r.target} ${r.why}`,
      ]),
    );
  const before = texts(old);
  const after = texts(next);
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => before.get(key) !== after.get(key));
}
