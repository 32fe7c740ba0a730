// Which change wakes whom: any object → keys. Keys only; what is to be done is decided from the stores.
import type { ConnectionBudgetStatus } from '../api/connection-budget.ts';
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import { drainingSince } from '../core/drain/read-pod.ts';
import { POOL_LABEL, poolKeyOf } from '../core/pool/labels.ts';
import { namesOf } from '../core/pool/names.ts';
import { containerName } from '../core/pool/paths.ts';
import { numbersOf, processAddress } from '../core/pool/read.ts';
import type { Change } from '../kube/change.ts';
import type { KubeObject } from '../kube/types.ts';
import type { Consoles } from './consoles.ts';
import type { Drains } from './drains.ts';
import type { Inquiries, ServerRole } from './inquiries.ts';
import { budgetsOfGroup, connectLinkTriggers } from './link-triggers.ts';
import type { Passwords } from './passwords.ts';
import { isReady } from './pods.ts';
import { poolsConcerned } from './pools-concerned.ts';
import { connectPostgresTriggers } from './postgres-triggers.ts';
import { statusOf, type World } from './world.ts';

export interface Wake {
  /** Keys are `namespace/name` of a ConnectionPool or of a ConnectionBudget. */
  pool(key: string): void;
  budget(key: string): void;
  /** The same in a moment: for what comes in bursts, as when the pools of a budget take their rows. */
  budgetSoon(key: string): void;
  /** A ConnectionPool all of whose consoles to ask. */
  console(key: string): void;
  /** A ConnectionPool all of whose pods may have clients to lose. */
  drain(key: string): void;
  /** A server, by its ConnectionBudget and role, that may be asked about itself. */
  ask(budgetKey: string, role: ServerRole): void;
}

export interface TriggerOptions {
  readonly world: World;
  readonly consoles: Consoles;
  readonly drains: Drains;
  readonly inquiries: Inquiries;
  readonly passwords: Passwords;
  readonly operatorNamespace: string;
  readonly wake: Wake;
}

export function connectTriggers(options: TriggerOptions): void {
  const { world, wake, consoles, drains, inquiries, passwords } = options;
  const budgetOf = (pool: KubeObject) => world.budgetOf(pool, options.operatorNamespace);
  const wakeBudgetOf = (pool: KubeObject) => {
    const key = budgetOf(pool);
    // By whatever name: all pools of a server share what it has.
    if (key !== undefined) for (const one of budgetsOfGroup(world, key)) wake.budget(one);
  };
  const wakeBudgetOfSoon = (pool: KubeObject) => {
    const key = budgetOf(pool);
    if (key !== undefined) wake.budgetSoon(key);
  };
  const wakePoolsOf = (budgetKey: string) => {
    for (const key of budgetsOfGroup(world, budgetKey)) {
      for (const pool of world.pools.byIndex('budget', key)) wake.pool(keyOf(pool));
    }
  };
  connectLinkTriggers(world, wake);

  world.pools.onChange((change) => {
    if (change.type !== 'updated') {
      const pool = change.new ?? change.old;
      wake.pool(change.key);
      wakeBudgetOf(pool);
      return;
    }
    const changed = change.new.metadata.generation !== change.old.metadata.generation;
    const leaving = change.new.metadata.deletionTimestamp !== change.old.metadata.deletionTimestamp;
    if ((statusOf(change.new).leaving ?? []).length > 0) wake.drain(change.key);
    // Our own status writes come back here: only what the ledger above reads is news.
    if (changed || leaving || change.source !== 'write') wake.pool(change.key);
    if (changed && pauseText(change.new) !== pauseText(change.old)) wake.console(change.key);
    if (changed || leaving) wakeBudgetOf(change.new);
    else if (ledgerText(change.new) !== ledgerText(change.old)) wakeBudgetOfSoon(change.new);
  });

  world.budgets.onChange((change) => {
    if (change.type === 'updated' && change.source === 'write') wake.budgetSoon(change.key);
    else wake.budget(change.key);
    // What we have just made has no row yet; each pool is woken by its own.
    if (change.type === 'added' && change.source === 'write') return;
    if (change.type !== 'updated') {
      wakePoolsOf(change.key);
      return;
    }
    if (change.new.metadata.generation !== change.old.metadata.generation) {
      wakePoolsOf(change.key);
      return;
    }
    // Everybody's size comes from what the server said.
    if (observedText(change.new) !== observedText(change.old)) wakePoolsOf(change.key);
    const { keys, roles } = poolsConcerned(statusOfBudget(change.old), statusOfBudget(change.new));
    for (const key of keys) wake.pool(key);
    if (roles.size === 0) return;
    for (const pool of world.pools.byIndex('budget', change.key)) {
      if (roles.has(roleOf(pool))) wake.pool(keyOf(pool));
    }
  });

  for (const shelf of [
    world.configMaps,
    world.services,
    world.serviceAccounts,
    world.disruptionBudgets,
    world.autoscalers,
    world.networkPolicies,
  ]) {
    shelf.onChange((change) => wakeOwner(change, wake));
  }
  world.configMaps.onChange((change) => wakeConsole(world, change, wake));

  world.secrets.onChange((change) => {
    if (change.type === 'deleted') passwords.forget(change.key);
    wakeOwner(change, wake);
    wakeConsole(world, change, wake);
    for (const pool of world.pools.byIndex('secret', change.key)) wake.pool(keyOf(pool));
  });

  world.statefulSets.onChange((change) => wakeOwner(change, wake));
  world.deployments.onChange((change) => wakeOwner(change, wake));
  connectPostgresTriggers({
    world,
    onPostgres: (pool) => {
      wake.pool(keyOf(pool));
      // Another pod may be the primary: its old sessions are to leave.
      if ((pool.spec as ConnectionPoolSpec).postgres.role === 'replicas') wake.console(keyOf(pool));
      wakeBudgetOf(pool);
      const budget = budgetOf(pool);
      if (budget === undefined) return;
      inquiries.expect(budget, roleOf(pool));
      wake.ask(budget, roleOf(pool));
    },
    onSecret: (pool) => wake.pool(keyOf(pool)),
  });

  world.pods.onChange((change) => {
    const pod = change.new ?? change.old;
    const name = pod.metadata.labels?.[POOL_LABEL];
    if (name === undefined) return;
    const key = `${pod.metadata.namespace}/${name}`;
    wake.pool(key);
    if (change.type === 'deleted') {
      consoles.forget(pod);
      drains.forget(pod);
      // The last pod of a pool that is gone: its share can go to others.
      for (const budget of budgetsWithRowOf(
        world,
        pod.metadata.labels?.['spillway.dev/pool-uid'],
      )) {
        wake.budget(budget);
      }
    } else {
      if (addressOf(change.new) !== addressOf(change.old)) {
        wake.console(key);
        // Nothing has left before each process was asked whether it has clients of it.
        wake.drain(key);
      }
      if (isReady(change.new) && (change.old === undefined || !isReady(change.old))) {
        const pool = world.pools.getKey(key);
        const budget = pool === undefined ? undefined : budgetOf(pool);
        if (pool !== undefined && budget !== undefined) wake.ask(budget, roleOf(pool));
      }
      const { old } = change;
      if (isGoing(change.new)) wake.drain(key);
      // It closes idle clients still.
      else if (old !== undefined && drainingSince(old) !== undefined) wake.console(key);
    }
  });
  for (const shelf of [world.configMaps, world.statefulSets, world.deployments]) {
    shelf.onChange((change) => {
      if (change.type !== 'deleted') return;
      const uid = change.old.metadata.labels?.['spillway.dev/pool-uid'];
      for (const budget of budgetsWithRowOf(world, uid)) wake.budget(budget);
    });
  }
}

/** What the process of a pod is asked for wakes its pool, and the pool's budget, which counts its charge. */
export function onConsoleChange(
  world: World,
  operatorNamespace: string,
  wake: Wake,
): (poolKey: string) => void {
  return (poolKey) => {
    wake.pool(poolKey);
    // A user whom a process has just learnt to refuse may have clients.
    wake.drain(poolKey);
    const pool = world.pools.getKey(poolKey);
    const budget = pool === undefined ? undefined : world.budgetOf(pool, operatorNamespace);
    if (budget === undefined || pool === undefined) return;
    wake.budget(budget);
    wake.ask(budget, roleOf(pool));
  };
}

function roleOf(pool: KubeObject): ServerRole {
  return (pool.spec as ConnectionPoolSpec).postgres.role;
}

function wakeOwner(change: Change, wake: Wake): void {
  // Our own write: whoever made it goes on by itself.
  if (change.source === 'write') return;
  const key = poolKeyOf((change.new ?? change.old).metadata);
  if (key !== undefined) wake.pool(key);
}

/** A new file or list of users is followed at once, also when it is our own write. */
function wakeConsole(world: World, change: Change, wake: Wake): void {
  const object = change.new ?? change.old;
  const pool = object.metadata.labels?.[POOL_LABEL];
  if (pool === undefined) return;
  const { namespace = '', name } = object.metadata;
  const { configMap, consoleSecret, userListSecret } = namesOf(pool);
  if (![configMap, consoleSecret, userListSecret].includes(name)) return;
  // A pod that comes later wakes it by itself.
  if (world.podsOf(namespace, pool).length > 0) wake.console(`${namespace}/${pool}`);
}

function addressOf(pod: KubeObject | undefined): string {
  if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return '';
  const processes = numbersOf(pod);
  const { containerStatuses = [] } = (pod.status ?? {}) as {
    containerStatuses?: { name?: string; restartCount?: number }[];
  };
  const statusOfProcess = (process: number) =>
    processes.length === 1
      ? containerStatuses[0]
      : containerStatuses.find(({ name }) => name === containerName(process));
  return processes
    .map((process) => {
      const address = processAddress(pod, process) ?? '';
      return `${address} ${statusOfProcess(process)?.restartCount ?? 0}`;
    })
    .join();
}

function pauseText(pool: KubeObject): string {
  return JSON.stringify((pool.spec as { pause?: unknown } | undefined)?.pause ?? null);
}

/** Its clients are to leave, or may be. */
function isGoing(pod: KubeObject): boolean {
  return pod.metadata.deletionTimestamp !== undefined || drainingSince(pod) !== undefined;
}

function ledgerText(pool: KubeObject): string {
  const { allotment, grants, topology } = statusOf(pool);
  return JSON.stringify([allotment, grants, topology]);
}

function statusOfBudget(budget: KubeObject): ConnectionBudgetStatus {
  return (budget.status ?? {}) as ConnectionBudgetStatus;
}

function observedText(budget: KubeObject): string {
  return JSON.stringify(statusOfBudget(budget).observed ?? []);
}

function budgetsWithRowOf(world: World, uid: string | undefined): string[] {
  return uid === undefined ? [] : world.budgets.byIndex('rowUid', uid).map(keyOf);
}

function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace}/${object.metadata.name}`;
}
