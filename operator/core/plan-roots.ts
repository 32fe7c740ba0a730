// Which of the servers that pools in files name are one, as far as the files say: the same questions that the controller
// asks of its stores (core/identity).
import type { ConnectionBudgetSpec } from '../api/connection-budget.ts';
import type { ConnectionPool } from '../api/resources.ts';
import { type FindContext, findPostgres, type Lookup } from '../postgres/find.ts';
import { budgetName, budgetTarget, type PostgresTarget } from './budget-name.ts';
import { routeOf, type ServiceLookup } from './identity/alias.ts';
import { type ClusterAt, clusterBehind } from './identity/found-cluster.ts';
import { type FoundCluster, linkOf, type NamedServer } from './identity/same-server.ts';
import { idOf, type ServerId, textOf } from './identity/server-id.ts';

export interface RootsInput {
  readonly pools: readonly ConnectionPool[];
  readonly budgets: ReadonlyMap<string, ConnectionBudgetSpec>;
  readonly lookup: Lookup;
  readonly services?: ServiceLookup;
  readonly clusters?: readonly ClusterAt[];
  readonly links?: ReadonlyMap<string, ServerId>;
  readonly settings: FindContext & { readonly operatorNamespace: string };
}

export interface Root {
  readonly root: ServerId;
  /** spec.postgres of its budget. */
  readonly target: PostgresTarget;
}

interface Named {
  readonly server: NamedServer;
  readonly found: FoundCluster | undefined;
}

/** By `namespace/name/role`; a server that draws from nobody is not in it. Pure. */
export function rootsOf(input: RootsInput): ReadonlyMap<string, Root> {
  const named = new Map<string, Named>();
  for (const pool of input.pools) {
    const one = namedOf(input, pool);
    named.set(keyOf(one.server), one);
  }
  const servers = [...named.values()].map(({ server }) => server);
  const roots = new Map<string, Root>();
  for (const [key, { server, found }] of named) {
    const link = linkOf(server, found, servers);
    const above = input.links?.get(key) ?? (link === undefined ? undefined : idOf(link));
    if (above === undefined) continue;
    const other = servers.find((one) => keyOf(one) === textOf(above));
    const target = found?.target ?? other?.target ?? input.budgets.get(above.budgetKey)?.postgres;
    roots.set(key, { root: above, target: target ?? server.target });
  }
  return new Map([...roots].map(([key, root]) => [key, last(roots, root)]));
}

/** Budgets draw from earlier ones, so there is an end. */
function last(roots: ReadonlyMap<string, Root>, from: Root): Root {
  let at = from;
  for (let hop = 0; hop < roots.size; hop++) at = roots.get(textOf(at.root)) ?? at;
  return at;
}

function namedOf(input: RootsInput, pool: ConnectionPool): Named {
  const { settings, services, lookup } = input;
  const { namespace, creationTimestamp } = pool.metadata;
  const { postgres } = pool.spec;
  const { clusterDomain, operatorNamespace } = settings;
  const home = budgetName(postgres, namespace, operatorNamespace);
  const route =
    postgres.endpoint === undefined || services === undefined
      ? undefined
      : routeOf(postgres.endpoint.host, namespace, clusterDomain, services);
  const server: NamedServer = {
    ...home,
    role: postgres.role,
    target: budgetTarget(postgres),
    // A budget is as old as the first pool that draws from it, and not much younger.
    createdAt: creationTimestamp ?? '',
    ...(route === undefined ? {} : { route }),
  };
  if (route === undefined) return { server, found: undefined };
  const found = clusterBehind(postgres.endpoint?.host ?? '', route, {
    clusters: [...(input.clusters ?? []), ...namedClusters(input.pools)],
    factsOf: ({ ref, namespace: at }, role) => {
      const facts = findPostgres(
        { clusterRef: { ...ref, namespace: at }, role },
        at,
        lookup,
        settings,
      );
      return facts.ok ? facts.facts : undefined;
    },
    clusterDomain,
    operatorNamespace,
  });
  return { server, found };
}

function namedClusters(pools: readonly ConnectionPool[]): ClusterAt[] {
  return pools.flatMap(({ metadata, spec }) => {
    const { clusterRef } = spec.postgres;
    if (clusterRef === undefined) return [];
    const { namespace = metadata.namespace, ...ref } = clusterRef;
    return [{ ref, namespace }];
  });
}

function keyOf({ namespace, name, role }: NamedServer): string {
  return textOf({ budgetKey: `${namespace}/${name}`, role });
}
