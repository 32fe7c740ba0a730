// Which change may show that two ConnectionBudgets are of one server, or concerns all that are: the budgets are woken.
import type { ConnectionBudgetSpec, ConnectionBudgetStatus } from '../api/connection-budget.ts';
import { drawnServers } from '../core/identity/server-id.ts';
import { MANAGED_BY_LABEL, poolKeyOf } from '../core/pool/labels.ts';
import type { Change } from '../kube/change.ts';
import { type KubeObject, keyOf } from '../kube/types.ts';
import { childrenOf, namesOfServer, ROLES, rootOf } from './groups.ts';
import type { World } from './world.ts';

export interface LinkWake {
  budget(key: string): void;
  budgetSoon(key: string): void;
}

/** All budgets of the servers that a budget is of, itself included. */
export function budgetsOfGroup(world: World, budgetKey: string): string[] {
  const keys = ROLES.flatMap((role) =>
    namesOfServer(world, rootOf(world, { budgetKey, role })).map((one) => one.budgetKey),
  );
  return [...new Set([budgetKey, ...keys])];
}

export function connectLinkTriggers(world: World, wake: LinkWake): void {
  world.budgets.onChange((change) => onBudget(world, wake, change));
  world.services.onChange((change) => {
    const service = change.new ?? change.old;
    // Our own in front of poolers: nobody's Postgres.
    if (poolKeyOf(service.metadata) !== undefined) return;
    for (const key of endpointBudgets(world)) wake.budgetSoon(key);
  });
  for (const { shelf } of world.postgres.watched) {
    shelf.onChange((change) => {
      const { metadata } = change.new ?? change.old;
      if (metadata.labels?.[MANAGED_BY_LABEL] === 'spillway') return;
      if (change.type !== 'updated') {
        for (const key of endpointBudgets(world)) wake.budgetSoon(key);
      }
      // Pools that reach a cluster under another name are not found by its reference.
      for (const key of drawnFrom(world, metadata.namespace ?? '')) {
        for (const one of budgetsOfGroup(world, key)) wake.budgetSoon(one);
      }
    });
  }
}

function onBudget(world: World, wake: LinkWake, change: Change): void {
  const { old, new: next } = change;
  // What it holds is a part of what those above count.
  for (const key of above(old)) wake.budgetSoon(key);
  for (const key of above(next)) wake.budgetSoon(key);
  if (change.type !== 'updated') return;
  for (const key of rowsOfBudgets(change.old, change.new)) wake.budgetSoon(key);
  const said = (budget: KubeObject) => JSON.stringify(observedOf(budget));
  const isSaid = said(change.new) !== said(change.old);
  if (isSaid || change.new.metadata.generation !== change.old.metadata.generation) {
    for (const key of budgetsOfGroup(world, keyOf(change.new.metadata))) wake.budgetSoon(key);
  }
  if (isSaid) for (const key of ofSystem(world, change.new)) wake.budgetSoon(key);
}

function above(budget: KubeObject | undefined): string[] {
  return budget === undefined
    ? []
    : drawnServers(budget.status as ConnectionBudgetStatus | undefined).map((key) =>
        key.slice(0, key.lastIndexOf('/')),
      );
}

/** Budgets whose row in this one has changed. */
function rowsOfBudgets(old: KubeObject, next: KubeObject): string[] {
  const rows = (budget: KubeObject) =>
    new Map(
      (((budget.status ?? {}) as ConnectionBudgetStatus).allotments ?? [])
        .filter((row) => row.of === 'ConnectionBudget')
        .map((row) => [`${row.namespace}/${row.name}`, JSON.stringify(row)]),
    );
  const before = rows(old);
  return [...rows(next)].filter(([key, text]) => before.get(key) !== text).map(([key]) => key);
}

function observedOf(budget: KubeObject) {
  return ((budget.status ?? {}) as ConnectionBudgetStatus).observed ?? [];
}

/** Others whose server said the same of itself. */
function ofSystem(world: World, budget: KubeObject): string[] {
  const systems = new Set(observedOf(budget).map((one) => one.systemIdentifier));
  return world.budgets
    .list()
    .filter((other) => other.metadata.uid !== budget.metadata.uid)
    .filter((other) =>
      observedOf(other).some(({ systemIdentifier: id }) => id !== undefined && systems.has(id)),
    )
    .map((other) => keyOf(other.metadata));
}

function endpointBudgets(world: World): string[] {
  return world.budgets
    .list()
    .filter((budget) => (budget.spec as ConnectionBudgetSpec).postgres.endpoint !== undefined)
    .map((budget) => keyOf(budget.metadata));
}

/** Budgets of a namespace from which others draw. */
function drawnFrom(world: World, namespace: string): string[] {
  return world.budgets
    .list()
    .filter((budget) => budget.metadata.namespace === namespace)
    .map((budget) => keyOf(budget.metadata))
    .filter((budgetKey) => ROLES.some((role) => childrenOf(world, { budgetKey, role }).length > 0));
}
