// A server by one of its names: a ConnectionBudget and a role.
import type { ConnectionBudgetStatus, SameServer } from '../../api/connection-budget.ts';

export interface ServerId {
  /** `namespace/name` of the ConnectionBudget. */
  readonly budgetKey: string;
  readonly role: 'primary' | 'replicas';
}

export function idOf({ namespace, name, server }: SameServer): ServerId {
  return {
    budgetKey: `${namespace}/${name}`,
    role: server === 'replicas' ? 'replicas' : 'primary',
  };
}

/** For an index: `namespace/name/role`. */
export function textOf({ budgetKey, role }: ServerId): string {
  return `${budgetKey}/${role}`;
}

/** From which servers those of a budget draw, as texts. */
export function drawnServers(status: ConnectionBudgetStatus | undefined): string[] {
  return (status?.servers ?? []).flatMap(({ sameAs }) =>
    sameAs === undefined ? [] : [textOf(idOf(sameAs))],
  );
}
