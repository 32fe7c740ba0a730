// From the stores to the question whether a ConnectionBudget is of a server that another one is of already
// (core/identity), and to what its plan needs to know of the others.
import type { ConnectionBudgetSpec, ConnectionBudgetStatus } from '../api/connection-budget.ts';
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import type { ClusterRef } from '../api/postgres-target.ts';
import { budgetName } from '../core/budget-name.ts';
import { type Route, routeOf } from '../core/identity/alias.ts';
import { type ClusterAt, clusterBehind } from '../core/identity/found-cluster.ts';
import { type ChildBudget, childBudgetOf, type ServerGroup } from '../core/identity/group.ts';
import { type FoundCluster, linkOf, type NamedServer } from '../core/identity/same-server.ts';
import { idOf, type ServerId } from '../core/identity/server-id.ts';
import type { KubeObject } from '../kube/types.ts';
import { keyOf } from '../kube/types.ts';
import { adapterFor } from '../postgres/table.ts';
import type { Context } from './context.ts';
import { findFacts } from './facts.ts';
import {
  childrenOf,
  namesOfServer,
  ownerOf,
  poolsOfServer,
  ROLES,
  recordOf,
  rootOf,
  rowAbove,
  type ServerRole,
} from './groups.ts';
import { isReady } from './pods.ts';
import type { ServerPools } from './servers.ts';
import type { World } from './world.ts';

type Ground = Pick<Context, 'world' | 'settings'>;

/** So long after its first pod became ready a server that could not be asked counts as one by itself; milliseconds. */
const PATIENCE_MS = 30_000;

/** The roles of a budget that somebody draws from, here or in a budget below. */
export function rolesOf(world: World, budgetKey: string): ServerRole[] {
  return ROLES.filter(
    (role) =>
      poolsOfServer(world, { budgetKey, role }).length > 0 ||
      childrenOf(world, { budgetKey, role }).length > 0,
  );
}

/** What the plan of a budget needs to know of one of its servers; undefined for one that has no other name. */
export function groupOf(
  context: Ground & Pick<Context, 'newServers'>,
  live: KubeObject,
  role: ServerRole,
  together: ServerPools | undefined,
  now: number,
): { readonly group: ServerGroup | undefined; readonly againSeconds?: number } {
  const { world } = context;
  const own: ServerId = { budgetKey: keyOf(live.metadata), role };
  const record = recordOf(live, role);
  const sameAs = record?.sameAs ?? newLink(context, live, role);
  const children = childrenOf(world, own).map((child) => childBudget(world, child));
  const isNew = sameAs === undefined && children.length === 0;
  const patience = isNew ? newServer(context, live, role, now) : undefined;
  if (isNew && patience === undefined) return { group: undefined };
  const ownUids = new Set(poolsOfServer(world, own).map((pool) => pool.metadata.uid));
  const group: ServerGroup = {
    others: (together?.pools ?? []).filter((pool) => !ownUids.has(pool.uid)),
    owner: sameAs === undefined ? ownerOf(world, own).spec : ownerOf(world, idOf(sameAs)).spec,
    children,
    ...(sameAs === undefined
      ? {}
      : { parent: { sameAs, row: rowAbove(world, own), taken: record?.taken } }),
    isUnknown: patience !== undefined,
  };
  return { group, ...(patience === undefined ? {} : { againSeconds: patience }) };
}

function childBudget(world: World, child: ServerId): ChildBudget {
  const budget = world.budgets.getKey(child.budgetKey);
  const { namespace = '', name = '', uid = '' } = budget?.metadata ?? {};
  const pools = poolsOfGroup(world, child).map((pool) => pool.metadata.uid ?? '');
  const status = (budget?.status ?? {}) as ConnectionBudgetStatus;
  return childBudgetOf({ uid, namespace, name }, child.role, status, pools);
}

/** From whom a budget that draws from nobody is to draw. It stays so for as long as the budget is there. */
export function newLink(context: Ground, live: KubeObject, role: ServerRole) {
  const { world } = context;
  const own = namedServer(context, live, role);
  const others =
    own.route === undefined && own.observed?.systemIdentifier === undefined
      ? []
      : world.budgets
          .list()
          .filter((budget) => mayBeOne(own, budget))
          .filter((budget) => budget.metadata.uid !== live.metadata.uid)
          // Whoever draws from us cannot be drawn from.
          .filter((budget) => !ROLES.some((one) => drawsFrom(world, budget, one, live)))
          .flatMap((budget) =>
            rolesOf(world, keyOf(budget.metadata)).map((one) => namedServer(context, budget, one)),
          );
  const found = foundCluster(context, own);
  return linkOf(own, found, others);
}

/** Whether a look at the other one can tell anything: hundreds of budgets have nothing in common. */
function mayBeOne(own: NamedServer, budget: KubeObject): boolean {
  const { endpoint } = (budget.spec as ConnectionBudgetSpec).postgres;
  if (own.route !== undefined && endpoint !== undefined) return true;
  const id = own.observed?.systemIdentifier;
  const { observed = [] } = (budget.status ?? {}) as ConnectionBudgetStatus;
  return id !== undefined && observed.some((one) => one.systemIdentifier === id);
}

/** The cluster object that the budget `above`, which is not there, is to be of. */
export function clusterOf(context: Ground, live: KubeObject, above: string) {
  return ROLES.map((role) => foundCluster(context, namedServer(context, live, role))).find(
    (found) => found !== undefined && `${found.namespace}/${found.name}` === above,
  )?.target;
}

function drawsFrom(world: World, budget: KubeObject, role: ServerRole, from: KubeObject): boolean {
  const { budgetKey } = rootOf(world, { budgetKey: keyOf(budget.metadata), role });
  return budgetKey === keyOf(from.metadata);
}

function namedServer(context: Ground, budget: KubeObject, role: ServerRole): NamedServer {
  const { namespace = '', name, creationTimestamp = '' } = budget.metadata;
  const target = (budget.spec as ConnectionBudgetSpec).postgres;
  const status = (budget.status ?? {}) as ConnectionBudgetStatus;
  const route = routeOfEndpoint(context, budget);
  const observed = status.observed?.find((one) => one.server === role);
  return {
    namespace,
    name,
    role,
    target,
    createdAt: creationTimestamp,
    ...(route === undefined ? {} : { route }),
    ...(observed === undefined ? {} : { observed }),
  };
}

/** Where an endpoint leads to; a name without a dot is looked up in the namespace of its pools. */
function routeOfEndpoint({ world, settings }: Ground, budget: KubeObject): Route | undefined {
  const { endpoint } = (budget.spec as ConnectionBudgetSpec).postgres;
  if (endpoint === undefined) return undefined;
  const pools = world.pools.byIndex('budget', keyOf(budget.metadata));
  const home = pools[0]?.metadata.namespace ?? budget.metadata.namespace ?? '';
  return routeOf(endpoint.host, home, settings.clusterDomain, {
    byName: (namespace, name) => world.services.get(namespace, name),
    byAddress: (address) => world.services.byIndex('address', address)[0],
  });
}

/** The cluster object that an endpoint's host, or a StatefulSet's owner, is of. */
function foundCluster(context: Ground, own: NamedServer): FoundCluster | undefined {
  const { clusterRef, endpoint } = own.target;
  if (clusterRef !== undefined) return ownerCluster(context, own.namespace, clusterRef, own.role);
  if (own.route === undefined) return undefined;
  return clusterBehind(endpoint?.host ?? '', own.route, {
    clusters: clustersIn(context.world),
    factsOf: ({ ref, namespace }, role) => {
      const found = findFacts(context, { clusterRef: { ...ref, namespace }, role }, namespace);
      return found.ok ? found.facts : undefined;
    },
    clusterDomain: context.settings.clusterDomain,
    operatorNamespace: context.settings.operatorNamespace,
  });
}

/** A StatefulSet that a cluster's operator made is a part of that cluster. */
function ownerCluster(
  { world, settings }: Ground,
  namespace: string,
  clusterRef: ClusterRef,
  role: ServerRole,
): FoundCluster | undefined {
  const { apiGroup, kind, name } = clusterRef;
  const object = world.postgres.get({ apiGroup, kind, namespace, name }) as KubeObject | undefined;
  const owner = object?.metadata.ownerReferences?.find((one) => one.controller === true);
  if (owner === undefined) return undefined;
  const group = owner.apiVersion.split('/')[0] ?? '';
  if (group === apiGroup || adapterFor(group, owner.kind) === undefined) return undefined;
  const ref = { apiGroup: group, kind: owner.kind, name: owner.name };
  const home = budgetName({ clusterRef: ref }, namespace, settings.operatorNamespace);
  const why = `${kind} ${namespace}/${name} is of ${owner.kind} ${namespace}/${owner.name}`;
  return { ...home, role, target: { clusterRef: ref }, why };
}

/** Clusters of the operators that are installed, and StatefulSets that a pool or a budget names. */
function clustersIn(world: World): ClusterAt[] {
  const found = new Map<string, ClusterAt>();
  const add = (ref: ClusterRef, namespace: string) =>
    found.set(`${ref.apiGroup}/${ref.kind}/${namespace}/${ref.name}`, { ref, namespace });
  for (const { kind, shelf } of world.postgres.watched) {
    const { apiGroup } = kind;
    if (apiGroup === 'apps' || adapterFor(apiGroup, kind.kind) === undefined) continue;
    for (const { metadata } of shelf.list()) {
      add({ apiGroup, kind: kind.kind, name: metadata.name }, metadata.namespace ?? '');
    }
  }
  for (const object of [...world.pools.list(), ...world.budgets.list()]) {
    const ref = (object.spec as Pick<ConnectionPoolSpec, 'postgres'>).postgres.clusterRef;
    if (ref === undefined) continue;
    const { namespace = object.metadata.namespace ?? '', ...plain } = ref;
    add(plain, namespace);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, cluster]) => cluster);
}

/**
 * An endpoint that was never asked, while others hold connections of servers that it may be: seconds until it counts as
 * known all the same, because nobody could ask it. Undefined: it is known.
 */
function newServer(
  { world, newServers }: Pick<Context, 'world' | 'newServers'>,
  live: KubeObject,
  role: ServerRole,
  now: number,
): number | undefined {
  const key = `${keyOf(live.metadata)}/${role}`;
  const status = (live.status ?? {}) as ConnectionBudgetStatus;
  const isEndpoint = (live.spec as ConnectionBudgetSpec).postgres.endpoint !== undefined;
  const isAsked = status.observed?.some((one) => one.server === role) === true;
  const isAlone = () =>
    !world.budgets
      .list()
      .some((budget) => budget.metadata.uid !== live.metadata.uid && holdsSomething(budget));
  if (!isEndpoint || isAsked || isAlone()) {
    newServers.delete(key);
    return undefined;
  }
  const serves = poolsOfServer(world, { budgetKey: keyOf(live.metadata), role }).some(
    ({ metadata: { namespace = '', name } }) => world.podsOf(namespace, name).some(isReady),
  );
  if (!serves) return PATIENCE_MS / 1000;
  const since = newServers.get(key) ?? now;
  newServers.set(key, since);
  const left = since + PATIENCE_MS - now;
  return left > 0 ? left / 1000 : undefined;
}

function holdsSomething(budget: KubeObject): boolean {
  const rows = ((budget.status ?? {}) as ConnectionBudgetStatus).allotments ?? [];
  return rows.some((row) => row.connections > 0);
}

/** Live pools that draw from a server, by this name or one below it. */
export function poolsOfGroup(world: World, server: ServerId): KubeObject[] {
  return namesOfServer(world, server).flatMap((one) => poolsOfServer(world, one));
}
