// One server under several names: which ConnectionBudgets are of it, as their statuses say. Every question about a server
// (its facts, its owner's word, its pools) is asked of the budget from which the others draw.
import type {
  ConnectionBudgetSpec,
  ConnectionBudgetStatus,
  ServerRecord,
} from '../api/connection-budget.ts';
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import { rowUidOf } from '../core/identity/group.ts';
import { idOf, type ServerId, textOf } from '../core/identity/server-id.ts';
import { type Attachable, attachFault } from '../core/pool/attach.ts';
import type { KubeObject } from '../kube/types.ts';
import type { Fault } from '../postgres/adapter.ts';
import { isLate } from './gather.ts';
import type { World } from './world.ts';

export type ServerRole = ConnectionPoolSpec['postgres']['role'];
export const ROLES: readonly ServerRole[] = ['primary', 'replicas'];

/** Budgets draw from older ones only, so a chain ends; this is a guard against what somebody wrote by hand. */
const MOST_HOPS = 16;

export function recordOf(
  budget: KubeObject | undefined,
  role: ServerRole,
): ServerRecord | undefined {
  const status = budget?.status as ConnectionBudgetStatus | undefined;
  return status?.servers?.find((one) => one.name === role);
}

/** The server from which all its names draw; itself where it draws from nobody. */
export function rootOf(world: World, server: ServerId): ServerId {
  let at = server;
  for (let hop = 0; hop < MOST_HOPS; hop++) {
    const sameAs = recordOf(world.budgets.getKey(at.budgetKey), at.role)?.sameAs;
    if (sameAs === undefined) break;
    at = idOf(sameAs);
  }
  return at;
}

/** All names of one server, the given one first. */
export function namesOfServer(world: World, root: ServerId): ServerId[] {
  const found = [root];
  for (const at of found) {
    if (found.length > MOST_HOPS * MOST_HOPS) break;
    for (const child of childrenOf(world, at)) {
      if (!found.some((one) => isSame(one, child))) found.push(child);
    }
  }
  return found;
}

/** Those that draw from a server directly, in the order of their names. */
export function childrenOf(world: World, { budgetKey, role }: ServerId): ServerId[] {
  return world.budgets
    .byIndex('sameAs', `${budgetKey}/${role}`)
    .flatMap((budget) =>
      ROLES.flatMap((one) => {
        const sameAs = recordOf(budget, one)?.sameAs;
        if (sameAs === undefined || !isSame(idOf(sameAs), { budgetKey, role })) return [];
        return [{ budgetKey: `${budget.metadata.namespace}/${budget.metadata.name}`, role: one }];
      }),
    )
    .sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1));
}

/** Live pools that draw from a server by this very name. */
export function poolsOfServer(world: World, { budgetKey, role }: ServerId): KubeObject[] {
  return poolsOfBudget(world, budgetKey).filter(
    (pool) => (pool.spec as ConnectionPoolSpec).postgres.role === role,
  );
}

/** Live pools that draw from a budget, of any role; those that wait for its successor are none. */
export function poolsOfBudget(world: World, budgetKey: string): KubeObject[] {
  const budget = world.budgets.getKey(budgetKey);
  return world.pools
    .byIndex('budget', budgetKey)
    .filter((pool) => pool.metadata.deletionTimestamp === undefined && !isLate(pool, budget));
}

/** The owner's word on a server, and the budget that has it. */
export function ownerOf(
  world: World,
  server: ServerId,
): { readonly budgetKey: string; readonly spec: ConnectionBudgetSpec | undefined } {
  const { budgetKey } = rootOf(world, server);
  const budget = world.budgets.getKey(budgetKey);
  return { budgetKey, spec: budget?.spec as ConnectionBudgetSpec | undefined };
}

/** Why a pool may not draw from a server, by whatever name; undefined: it may, or the budget is not made yet. */
export function attachFaultAt(world: World, pool: string, server: ServerId): Fault | undefined {
  const { budgetKey, spec } = ownerOf(world, server);
  return spec === undefined ? undefined : attachFault(pool, budgetKey, spec satisfies Attachable);
}

/** The row that a server has in the one that it draws from. */
export function rowAbove(world: World, { budgetKey, role }: ServerId) {
  const budget = world.budgets.getKey(budgetKey);
  const sameAs = recordOf(budget, role)?.sameAs;
  if (budget === undefined || sameAs === undefined) return undefined;
  const above = world.budgets.getKey(idOf(sameAs).budgetKey)?.status as
    | ConnectionBudgetStatus
    | undefined;
  const uid = rowUidOf(budget.metadata.uid ?? '', role);
  return above?.allotments?.find((row) => row.uid === uid && row.server === sameAs.server);
}

function isSame(a: ServerId, b: ServerId): boolean {
  return a.budgetKey === b.budgetKey && a.role === b.role;
}
