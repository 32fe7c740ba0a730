// The whole plan without a cluster: what the controller would have made of these objects once everything has
// settled. `spillway plan` prints it. It runs the controller's own functions, one after the other.
import type { ConnectionBudgetSpec, ObservedServer } from '../api/connection-budget.ts';
import type { PoolSizing } from '../api/connection-pool.ts';
import type { ConnectionPool } from '../api/resources.ts';
import type { Engine } from '../engines/engine.ts';
import type { Fault, Found } from '../postgres/adapter.ts';
import { type FindContext, findPostgres, type Lookup, type PodLookup } from '../postgres/find.ts';
import { budgetName, budgetTarget, type PostgresTarget } from './budget-name.ts';
import type { ClientLookup } from './clients/count.ts';
import { type ClientsPlan, planClients } from './clients/plan.ts';
import type { ServiceLookup } from './identity/alias.ts';
import type { ClusterAt } from './identity/found-cluster.ts';
import { type ServerId, textOf } from './identity/server-id.ts';
import { type AxisOf, axisOf, viewOf } from './plan-pool.ts';
import { type Root, rootsOf } from './plan-roots.ts';
import { settled } from './plan-settled.ts';
import { type Access, accessOf, type PoolUser, sharedFault } from './pool/access.ts';
import { type Attachable, attachFault, namespaceMax } from './pool/attach.ts';
import { explanationOf } from './pool/explanation.ts';
import { shareTooSmall } from './pool/findings.ts';
import { type Rendered, renderPool } from './pool/render.ts';
import type { ConsoleCredential, RenderSettings, UserCredential } from './pool/view.ts';
import { declaredFacts } from './sizing/declared.ts';
import { leastOf, withObserved } from './sizing/observed.ts';
import { ASSUMED_MILLI_CORES } from './sizing/server-budget.ts';
import {
  fleetOf,
  podSizes,
  processesOf,
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
  readonly pods?: PodLookup;
  /** Services, which an endpoint may be a name of, and the cluster objects that they may be in front of. */
  readonly services?: ServiceLookup;
  readonly clusters?: readonly ClusterAt[];
  /** What statuses say: from which server another one draws, by `namespace/name/role` of its budget. */
  readonly links?: ReadonlyMap<string, ServerId>;
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
  /** Processes in each pod, as far as the share feeds them. */
  readonly processes: number;
  /** The whole server, with the shares of all its pools; absent with sizing. */
  readonly server?: SizedServer;
  /** In the order of application; empty when the pool cannot run. */
  readonly objects: readonly Rendered[];
  /** Why it cannot run, or runs smaller than asked. */
  readonly faults: readonly PlanFault[];
}

export interface PlanFault extends Fault {
  /** What it is about, where the message does not begin with it: `spec.postgres.clusterRef`. */
  readonly field?: string;
}

/** After every time that an API server has written: a pool that is still to be created will be the youngest. */
const NOT_CREATED = '9999-12-31T23:59:59Z';

/** Pure; pools come back in the order in which they were given. */
export function plan(input: PlanInput): PlannedPool[] {
  const { engine, settings } = input;
  const roots = rootsOf(input);
  const read = input.pools.map((asked) => readPool(input, asked, roots));
  const servers = new Map<string, PlannedServer>();
  const serverOf = (one: ReadPool): PlannedServer => {
    const key = textOf(one.root);
    const server = servers.get(key) ?? planServer(input, read, one);
    servers.set(key, server);
    return server;
  };
  return read.map((one): PlannedPool => {
    const { pool, axis, sized, budget, found, access, refused } = one;
    const asked = processesOf(pool.spec);
    const failed = (fault: PlanFault) => ({
      pool,
      budget,
      processes: asked,
      objects: [],
      faults: [fault],
    });
    if (!found.ok) return failed({ ...found.fault, field: targetField(pool) });
    if (access.fault !== undefined) return failed(access.fault);
    if (!axis.ok) return failed(axis.fault);
    if (refused !== undefined) return failed(refused);
    const planned = serverOf(one);
    if (!planned.ok) return failed({ ...planned.fault, field: targetField(pool) });
    const { server, together } = planned;
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
    const owner = input.budgets.get(one.root.budgetKey);
    const sizing = {
      ...sizingNumbers(server, sized, clients.limit.max),
      explanation,
      sources: sourcesOf({
        server,
        owner,
        budgetName: one.root.budgetKey,
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
        },
        engine,
      ),
      engine,
    );
    const known = { sizing, clients, server };
    // As with the controller, it draws its share, and no pod of it starts.
    const unshared = sharedFault(access, pool.metadata.namespace, owner, budget);
    if (unshared !== undefined) return { ...failed(unshared), ...known };
    if (!rendered.ok) return { ...failed(rendered.fault), ...known };
    const shortage =
      share?.shortage === undefined
        ? []
        : [
            shareTooSmall(
              {
                ...(share.groupIsFull === undefined ? {} : { groupIsFull: share.groupIsFull }),
                namespace: pool.metadata.namespace,
                budget: one.root.budgetKey,
                explanation,
              },
              share.shortage,
            ),
          ];
    const unbound = rendered.bindingFault === undefined ? [] : [rendered.bindingFault];
    const faults = [...shortage, ...(clients.faults ?? []), ...unbound];
    const objects = [...rendered.objects, ...rendered.bindings];
    const { processes } = fleetOf(share?.connections ?? 0, pool.spec, sized.entries);
    return { pool, budget, ...known, processes, objects, faults };
  });
}

/** The field that names the Postgres. */
function targetField({ spec }: ConnectionPool): string {
  return `spec.postgres.${spec.postgres.clusterRef === undefined ? 'endpoint' : 'clusterRef'}`;
}

interface ReadPool {
  /** With its users filled in. */
  readonly pool: ConnectionPool;
  readonly budget: string;
  /** The server by the name from which all of its names draw. */
  readonly root: ServerId;
  /** spec.postgres of the budget there. */
  readonly target: PostgresTarget;
  /** Where the pool itself connects to. */
  readonly found: Found;
  readonly access: Access;
  readonly axis: AxisOf;
  readonly sized: SizedPool;
  /** Why it may not draw from its budget. */
  readonly refused: Fault | undefined;
}

function readPool(
  input: PlanInput,
  asked: ConnectionPool,
  roots: ReadonlyMap<string, Root>,
): ReadPool {
  const { budgets, engine, settings, lookup } = input;
  const { uid, namespace, name, creationTimestamp } = asked.metadata;
  const { postgres } = asked.spec;
  const home = budgetName(postgres, namespace, settings.operatorNamespace);
  const budget = keyOf(home);
  const own: ServerId = { budgetKey: budget, role: postgres.role };
  const { root, target } = roots.get(textOf(own)) ?? { root: own, target: budgetTarget(postgres) };
  const [rootHome = ''] = root.budgetKey.split('/');
  const owner: Attachable = budgets.get(root.budgetKey) ?? { postgres: target };
  const found = findPostgres(postgres, namespace, lookup, findContext(input));
  const access = accessOf(asked.spec, namespace, found.ok ? found.facts : undefined);
  const pool: ConnectionPool = { ...asked, spec: access.spec };
  const axis = axisOf(pool.spec, engine);
  const max = namespaceMax(namespace, rootHome, owner);
  const sized: SizedPool = {
    uid,
    namespace,
    name,
    createdAt: creationTimestamp ?? NOT_CREATED,
    spec: pool.spec,
    entries: axis.ok ? axis.entries.length : 1,
    ...(max === undefined ? {} : { namespaceMax: max }),
  };
  const refused = attachFault(namespace, root.budgetKey, owner);
  return { pool, budget, root, target, found, access, axis, sized, refused };
}

function findContext({ settings, pods }: PlanInput): FindContext {
  return { clusterDomain: settings.clusterDomain, ...(pods === undefined ? {} : { pods }) };
}

type PlannedServer =
  | { readonly ok: true; readonly server: SizedServer; readonly together: readonly SizedPool[] }
  | { readonly ok: false; readonly fault: Fault };

/** The server of one pool, from what all of its pools say of it, by whatever name, and the pools that share it. */
function planServer(
  input: PlanInput,
  read: readonly ReadPool[],
  { root, target, pool }: ReadPool,
): PlannedServer {
  const { budgets, observed, lookup } = input;
  const { budgetKey, role } = root;
  const owner = budgets.get(budgetKey);
  const all = read.filter((other) => other.root.budgetKey === budgetKey);
  const declared = declaredFacts({
    budgetKey,
    owner: owner?.postgres ?? target,
    role,
    pools: all.map(({ pool: { metadata, spec } }) => ({ ...metadata, postgres: spec.postgres })),
    find: (postgres, namespace) => findPostgres(postgres, namespace, lookup, findContext(input)),
  });
  if (!declared.ok) return declared;
  const sharing = all.filter((other) => other.root.role === role);
  const names = new Set([textOf(root), ...sharing.map((other) => ownText(other))]);
  const words = leastOf(
    [...(observed ?? [])].flatMap(([key, said]) =>
      said.filter((one) => names.has(`${key}/${one.server}`)),
    ),
  );
  const together = sharing
    .filter((other) => other.axis.ok && other.access.users.length > 0)
    .filter((other) => other.refused === undefined)
    .map((other) => other.sized);
  const facts = withObserved(declared.facts, words, pool.spec.postgres.role);
  return { ok: true, server: sizeServer(facts, owner, together), together };
}

function ownText({ budget, pool }: ReadPool): string {
  return textOf({ budgetKey: budget, role: pool.spec.postgres.role });
}

function keyOf({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`;
}
