// The whole plan without a cluster: what the controller would have made of these objects once everything has
// settled. `spillway plan` prints it. It runs the controller's own functions, one after the other.
import type { ConnectionBudgetSpec, ObservedServer } from '../api/connection-budget.ts';
import type { PoolSizing } from '../api/connection-pool.ts';
import type { ConnectionPool } from '../api/resources.ts';
import type { Engine } from '../engines/engine.ts';
import type { Fault } from '../postgres/adapter.ts';
import { findPostgres, type Lookup } from '../postgres/find.ts';
import { budgetName, budgetTarget } from './budget-name.ts';
import type { ClientLookup } from './clients/count.ts';
import { type ClientsPlan, planClients } from './clients/plan.ts';
import { type HolderPlan, planHolders } from './ledger/holders.ts';
import type { HolderState, WorkloadState } from './ledger/state.ts';
import { axisOf, viewOf } from './plan-pool.ts';
import { accessOf, type PoolUser } from './pool/access.ts';
import { type Attachable, attachFault, namespaceMax } from './pool/attach.ts';
import { explanationOf } from './pool/explanation.ts';
import { shortageReason } from './pool/findings.ts';
import { holderName, podName } from './pool/names.ts';
import { type Rendered, renderPool } from './pool/render.ts';
import type { ConsoleCredential, RenderSettings, UserCredential } from './pool/view.ts';
import { entrySizes } from './sizing/entries.ts';
import { withObserved } from './sizing/observed.ts';
import { ASSUMED_MILLI_CORES } from './sizing/server-budget.ts';
import {
  podSizes,
  type SizedPool,
  type SizedServer,
  sizeServer,
  sizingNumbers,
} from './sizing/size-server.ts';
import { sourcesOf } from './sizing/sources.ts';

export interface PlanInput {
  readonly pools: readonly ConnectionPool[];
  /** spec of the owner's ConnectionBudget, by `namespace/name`. */
  readonly budgets: ReadonlyMap<string, ConnectionBudgetSpec>;
  /** What servers said of themselves, by `namespace/name` of their ConnectionBudget. */
  readonly observed?: ReadonlyMap<string, readonly ObservedServer[]>;
  readonly lookup: Lookup;
  /** The workloads that pools may name, and what scales them. */
  readonly clients: ClientLookup;
  /** The users with their passwords; a placeholder stands for one that is not known. */
  readonly usersOf: (users: readonly PoolUser[]) => readonly UserCredential[];
  /** Stands for the credentials that the controller generates. */
  readonly console: ConsoleCredential;
  readonly settings: RenderSettings;
  readonly engine: Engine;
}

export interface PlannedPool {
  readonly pool: ConnectionPool;
  /** `namespace/name` of the ConnectionBudget that it draws from. */
  readonly budget: string;
  /** What `status.sizing` would say; absent when the Postgres was not found. */
  readonly sizing?: PoolSizing;
  /** What follows for the applications; absent with sizing. */
  readonly clients?: ClientsPlan;
  /** The whole server, with the shares of all its pools; absent with sizing. */
  readonly server?: SizedServer;
  /** In the order of application; empty when the pool cannot run. */
  readonly objects: readonly Rendered[];
  /** Why it cannot run, or runs smaller than asked. */
  readonly faults: readonly Fault[];
}

/** Pure; pools come back in the order in which they were given. */
export function plan(input: PlanInput): PlannedPool[] {
  const { engine, settings, lookup } = input;
  const read = input.pools.map((asked) => {
    const { namespace } = asked.metadata;
    const { postgres } = asked.spec;
    const home = budgetName(postgres, namespace, settings.operatorNamespace);
    const name = keyOf(home);
    const owner: Attachable = input.budgets.get(name) ?? { postgres: budgetTarget(postgres) };
    const found = findPostgres(postgres, namespace, lookup, settings);
    const access = accessOf(asked.spec, namespace, found.ok ? found.facts : undefined);
    const pool: ConnectionPool = { ...asked, spec: access.spec };
    const axis = axisOf(pool.spec, engine);
    const max = namespaceMax(namespace, home.namespace, owner);
    const sized: SizedPool = {
      uid: pool.metadata.uid,
      namespace,
      name: pool.metadata.name,
      createdAt: '',
      spec: pool.spec,
      entries: axis.ok ? axis.entries.length : 1,
      ...(max === undefined ? {} : { namespaceMax: max }),
    };
    return {
      pool,
      axis,
      sized,
      budget: name,
      found,
      access,
      refused: attachFault(namespace, name, owner),
    };
  });
  return read.map(({ pool, axis, sized, budget, found, access, refused }): PlannedPool => {
    const failed = (fault: Fault) => ({ pool, budget, objects: [], faults: [fault] });
    if (!found.ok) return failed(found.fault);
    if (access.fault !== undefined) return failed(access.fault);
    if (!axis.ok) return failed(axis.fault);
    if (refused !== undefined) return failed(refused);
    const together = read
      .filter((other) => other.axis.ok && other.access.users.length > 0 && other.budget === budget)
      .filter((other) => other.refused === undefined)
      .filter((other) => other.pool.spec.postgres.role === pool.spec.postgres.role)
      .map((other) => other.sized);
    const { role } = pool.spec.postgres;
    const words = input.observed?.get(budget)?.find((one) => one.server === role);
    const facts = withObserved(found.facts, words, role);
    const server = sizeServer(facts, input.budgets.get(budget), together);
    const explanation = explanationOf(server, together, sized, axis.axis, ASSUMED_MILLI_CORES);
    const share = server.shares.get(sized.uid);
    const perPod = podSizes(share?.connections ?? 0, pool.spec, sized.entries);
    const clients = planClients({
      spec: pool.spec,
      namespace: pool.metadata.namespace,
      lookup: input.clients,
      share: share?.connections ?? 0,
      perPod,
    });
    const owner = input.budgets.get(budget);
    const sizing = {
      ...sizingNumbers(server, sized, clients.limit.max),
      explanation,
      sources: sourcesOf({
        server,
        owner,
        budgetName: budget,
        pools: together,
        pool: sized,
        maxClientConn: clients.limit,
      }),
    };
    const rendered = renderPool(
      viewOf(
        {
          pool,
          ledger: settled(pool, share?.connections ?? 0, axis.entries),
          objects: { ...pool.metadata, grants: [], pods: [], consoles: new Map() },
          axis: axis.axis,
          entries: axis.entries,
          server: found.facts,
          settings,
          users: input.usersOf(access.users),
          revoked: [],
          console: input.console,
          maxClientConn: clients.limit.max,
          podEpochs: [],
        },
        engine,
      ),
      engine,
    );
    const known = { sizing, clients, server };
    if (!rendered.ok) return { ...failed(rendered.fault), ...known };
    const shortage =
      share?.shortage === undefined
        ? []
        : [{ reason: shortageReason(share), message: explanation }];
    const unbound = rendered.bindingFault === undefined ? [] : [rendered.bindingFault];
    const faults = [...shortage, ...(clients.faults ?? []), ...unbound];
    const objects = [...rendered.objects, ...rendered.bindings];
    return { pool, budget, ...known, objects, faults };
  });
}

/** The ledger's steps for a new pool, each taken as soon as it is permitted, until nothing is left to do. */
function settled(pool: ConnectionPool, allotment: number, entries: readonly string[]): HolderPlan {
  let holders: HolderState[] = [];
  let workload: WorkloadState = { replicas: 0, epoch: 0, seen: true };
  for (;;) {
    const next = planHolders({
      allotment,
      pods: pool.spec.pooler.replicas,
      entries,
      sizes: entrySizes(pool.spec),
      holders,
      workload,
      fileEpoch: 0,
      nameOf: (ordinal) => holderName(podName(pool.metadata.name, ordinal)),
      mayRaise: true,
      live: true,
      inParts: false,
    });
    if (next.settled) return next;
    const grants = new Map(next.grants.map((g) => [g.holder, g]));
    const files = new Map(next.files.map((f) => [f.holder, f.grant]));
    const names = [...new Set([...grants.keys(), ...files.keys()])];
    holders = names.map((name, i) => {
      const grant = grants.get(name);
      const file = files.get(name);
      return {
        name,
        ordinal: next.files.find((f) => f.holder === name)?.ordinal ?? i,
        asked: true,
        ...(grant === undefined ? {} : { grant }),
        ...(file === undefined
          ? {}
          : {
              file: {
                generation: file.generation,
                revision: undefined,
                caps: file.caps,
                connections: file.caps.reduce((total, c) => total + c.connections, 0),
              },
            }),
      };
    });
    workload = { replicas: next.replicas, epoch: next.epoch, seen: true };
  }
}

function keyOf({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`;
}
