// The whole operator as one value: wires rooms together, so that main and the tests start the same thing.

import type { RenderSettings } from '../core/pool/view.ts';
import type { ClientPort, Console, Engine } from '../engines/engine.ts';
import type { Client } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import { Controller } from '../runtime/controller.ts';
import type { Logger } from '../runtime/log.ts';
import type { Source } from '../runtime/manager.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { Turns } from '../runtime/turns.ts';
import { reconcileBudget } from './budget.ts';
import { Consoles } from './consoles.ts';
import type { Context } from './context.ts';
import { Drains } from './drains.ts';
import { Proofs } from './gone.ts';
import { Health } from './health.ts';
import { Hosts } from './hosts.ts';
import { Inquiries, inquiryKey } from './inquiries.ts';
import { Passwords } from './passwords.ts';
import { Waiting } from './patience.ts';

import { podKeysOf } from './pod-keys.ts';

import { reconcilePool } from './pool.ts';
import { registerPoolMetrics } from './pool-metrics.ts';
import { Renewals } from './renewals.ts';
import { Servers } from './servers.ts';
import { connectTriggers, onConsoleChange, type Wake } from './triggers.ts';
import { Workloads } from './workloads.ts';
import { World } from './world.ts';
import { Writer } from './writer.ts';

export interface OperatorOptions {
  readonly client: Client;
  readonly engine: Engine;
  readonly console: Console;
  readonly clientPort: ClientPort;
  readonly events: EventRecorder;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly settings: RenderSettings;
  /** Empty: all namespaces. */
  readonly watchNamespaces: readonly string[];
  /** Reconciles of pools at the same time. */
  readonly workers: number;
  /** A server is asked about itself so often; seconds. */
  readonly askSeconds: number;
}

export interface Operator {
  readonly sources: readonly Source[];
  readonly controllers: readonly Controller[];
}

/** A pool that keeps failing is tried again after at most so long; seconds. */
const MAX_BACKOFF_SECONDS = 60;
/** Pods that are looked at at the same time: most of a look is waiting. */
const POD_WORKERS = 64;
/** The pools of a budget write their statuses in one burst, which takes less than that; seconds. */
const SOON_SECONDS = 0.1;

export function createOperator(options: OperatorOptions): Operator {
  const { client, engine, events, log, metrics, settings } = options;
  const { operatorNamespace } = settings;
  const world = new World({
    client,
    namespaces: options.watchNamespaces,
    operatorNamespace,
    observer: (type) => ({
      failed: (err, waitSeconds) =>
        log.warn({ err, type: type.plural, waitSeconds }, 'a watch failed'),
      notInstalled: () =>
        log.error(
          { type: type.plural },
          'the type is not installed: apply the CRDs of this version',
        ),
    }),
    postgresObserver: (type) => ({
      failed: (err, waitSeconds) =>
        log.warn({ err, type: type.plural, waitSeconds }, 'a watch failed'),
      notInstalled: () =>
        log.info({ type: type.plural }, 'the type is not installed: it is watched when it comes'),
    }),
  });
  const queues: {
    pool?: Controller;
    budget?: Controller;
    console?: Controller;
    drain?: Controller;
    ask?: Controller;
  } = {};
  const addPods = (controller: Controller | undefined, poolKey: string) => {
    for (const key of podKeysOf(world, poolKey)) controller?.queue.add(key);
  };
  const wake: Wake = {
    pool: (key) => queues.pool?.queue.add(key),
    budget: (key) => queues.budget?.queue.add(key),
    budgetSoon: (key) => queues.budget?.queue.addAfter(key, SOON_SECONDS),
    console: (key) => addPods(queues.console, key),
    drain: (key) => addPods(queues.drain, key),
    ask: (budgetKey, role) => queues.ask?.queue.add(inquiryKey(budgetKey, role)),
  };
  const health = new Health({ world, engine, onChange: wake.pool });
  registerPoolMetrics(metrics, world, health, Date.now);
  const renewals = new Renewals({ world, settings, engine });
  const turns = new Turns();
  const consoles = new Consoles({
    world,
    client,
    engine,
    console: options.console,
    onChange: onConsoleChange(world, operatorNamespace, wake),
    onLook: (...look) => health.look(...look),
    renewals,
    turns,
  });
  const drains = new Drains({
    world,
    engine,
    console: options.console,
    consoles,
    turns,
    onChange: (key) => wake.pool(key),
    onPaused: wake.console,
  });
  const inquiries = new Inquiries({
    clientPort: options.clientPort,
    everySeconds: options.askSeconds,
    onChange: wake.budget,
  });
  const passwords = new Passwords(client, world, engine);
  const workloads = new Workloads({
    client,
    namespaces: options.watchNamespaces,
    pools: world.pools,
    observer: (type) => ({
      failed: (err, waitSeconds) =>
        log.warn({ err, type: type.plural, waitSeconds }, 'a watch failed'),
    }),
    onChange: (key) => wake.pool(key),
  });
  const writer = new Writer({
    client,
    writing: (type, ref, write) => world.ownedKind(type.kind).shelf.writing(ref, write),
    stored: (type, { namespace = '', name }) =>
      world.ownedKind(type.kind).shelf.get(namespace, name),
  });
  const context: Context = {
    world,
    client,
    writer,
    engine,
    consoles,
    drains,
    passwords,
    hosts: new Hosts(),
    inquiries,
    workloads,
    servers: new Servers(),
    renewals,
    proofs: new Proofs(),
    waiting: new Waiting(() => performance.now()),
    health,
    events,
    settings,
    newcomers: new Map(),
    newServers: new Map(),
    now: secondsNow(),
  };
  const common = { log, metrics, maxBackoffSeconds: MAX_BACKOFF_SECONDS };
  queues.pool = new Controller({
    ...common,
    name: 'pool',
    workers: options.workers,
    reconcile: (key, run) => reconcilePool(context, key, run),
  });
  queues.budget = new Controller({
    ...common,
    name: 'budget',
    workers: 8,
    reconcile: (key, run) => reconcileBudget(context, key, run),
  });
  queues.console = new Controller({
    ...common,
    name: 'console',
    workers: POD_WORKERS,
    reconcile: (key, run) => consoles.reconcile(key, run),
  });
  queues.drain = new Controller({
    ...common,
    name: 'drain',
    workers: POD_WORKERS,
    reconcile: (key, run) => drains.reconcile(key, run),
  });
  queues.ask = new Controller({
    ...common,
    name: 'ask',
    workers: 4,
    reconcile: (key, run) => inquiries.reconcile(context, key, run),
  });
  connectTriggers({ world, consoles, drains, inquiries, passwords, operatorNamespace, wake });
  return {
    sources: [...world.sources, workloads],
    controllers: [queues.pool, queues.budget, queues.console, queues.drain, queues.ask],
  };
}

/** The time as Kubernetes writes it, in whole seconds: thousands of statuses ask for it in one. */
function secondsNow(): () => string {
  let [second, text] = [0, ''];
  return () => {
    const now = Math.floor(Date.now() / 1000);
    if (now !== second) {
      second = now;
      text = new Date(now * 1000).toISOString().replace('.000Z', 'Z');
    }
    return text;
  };
}
