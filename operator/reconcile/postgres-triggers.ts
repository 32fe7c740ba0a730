// Which change of a Postgres cluster, of what it refers to, or of its Secrets wakes whom: the pools that read it,
// their budgets, and no others.
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import { MANAGED_BY_LABEL } from '../core/pool/labels.ts';
import type { Change } from '../kube/change.ts';
import { type KubeObject, keyOf } from '../kube/types.ts';
import type { ObjectKind, PostgresRef, ServerFacts } from '../postgres/adapter.ts';
import { findPostgres } from '../postgres/find.ts';
import { adapters } from '../postgres/table.ts';
import { sameJson } from './same.ts';
import type { World } from './world.ts';

export interface PostgresTriggerOptions {
  readonly world: World;
  /** Of a pool whose Postgres has changed. */
  readonly onPostgres: (pool: KubeObject) => void;
  /** Of a pool for which a Secret of its Postgres has changed. */
  readonly onSecret: (pool: KubeObject) => void;
}

export function connectPostgresTriggers(options: PostgresTriggerOptions): void {
  const { world, onPostgres, onSecret } = options;
  for (const { kind, shelf } of world.postgres.watched) {
    shelf.onChange((change) => {
      if (!isNews(kind, change)) return;
      const { namespace = '', name } = (change.new ?? change.old).metadata;
      const ref = { apiGroup: kind.apiGroup, kind: kind.kind, namespace, name };
      for (const pool of poolsOf(world, `${nameOf(kind)}/${change.key}`)) onPostgres(pool);
      if (isOurs(change.new ?? change.old)) return;
      for (const pool of relatedPools(world, kind, ref)) onPostgres(pool);
    });
  }
  world.instances.onChange(({ apiGroup, kind, namespace, name }) => {
    for (const pool of poolsOf(world, `${apiGroup}/${kind}/${namespace}/${name}`)) onPostgres(pool);
  });
  world.postgres.definitions.onChange((change) => {
    if (change.type === 'updated') return;
    const kinds = world.postgres.watched.filter(
      ({ kind }) => `${kind.plural}.${kind.apiGroup}` === change.key,
    );
    for (const { kind } of kinds) {
      for (const pool of poolsOf(world, nameOf(kind))) onPostgres(pool);
    }
  });
  world.secrets.onChange((change) => {
    if (isOurs(change.new ?? change.old)) return;
    const { namespace = '', name } = (change.new ?? change.old).metadata;
    for (const pool of poolsOfNamespace(world, namespace)) {
      if (readsSecret(world, pool, namespace, name)) onSecret(pool);
    }
  });
}

/** Nothing that an adapter reads is in a change of the rest; of kinds that are kept whole the spec is what counts. */
function isNews(kind: ObjectKind, change: Change): boolean {
  if (change.type !== 'updated') return true;
  if (kind.reads === undefined) {
    return change.new.metadata.generation !== change.old.metadata.generation;
  }
  const without = ({ metadata, ...rest }: KubeObject) => ({
    ...rest,
    metadata: { ...metadata, resourceVersion: undefined },
  });
  return !sameJson(without(change.new), without(change.old));
}

/** Pools whose Postgres refers to the object, as its adapter reads it now. */
function relatedPools(
  world: World,
  { apiGroup, kind }: ObjectKind,
  ref: PostgresRef,
): KubeObject[] {
  return adapters
    .filter(({ related = [] }) => related.some((r) => r.apiGroup === apiGroup && r.kind === kind))
    .flatMap((adapter) => poolsOf(world, `${nameOf(adapter)}/${ref.namespace}`))
    .filter((pool) => {
      let asked = false;
      factsOf(world, pool, (one) => {
        if (one.kind === ref.kind && one.apiGroup === ref.apiGroup && one.name === ref.name) {
          asked = true;
        }
      });
      return asked;
    });
}

/** A pool that leaves users or TLS to what is found reads the Secrets that its Postgres names. */
function readsSecret(world: World, pool: KubeObject, namespace: string, name: string): boolean {
  const { users, tls } = pool.spec as ConnectionPoolSpec;
  if (users !== undefined && tls?.server?.mode !== undefined) return false;
  const facts = factsOf(world, pool);
  return (
    (facts?.tls?.namespace === namespace && facts.tls.caSecret === name) ||
    (users === undefined &&
      facts?.users?.some((u) => u.namespace === namespace && u.secret === name) === true)
  );
}

function factsOf(
  world: World,
  pool: KubeObject,
  onLookup: (ref: PostgresRef) => void = () => undefined,
): ServerFacts | undefined {
  const { postgres } = pool.spec as ConnectionPoolSpec;
  const lookup = (ref: PostgresRef) => {
    onLookup(ref);
    return world.find(ref);
  };
  // No name of a host is looked at here, so any domain will do.
  const found = findPostgres(postgres, pool.metadata.namespace ?? '', lookup, {
    clusterDomain: 'cluster.local',
    pods: world.instances.pods,
  });
  return found.ok ? found.facts : undefined;
}

function poolsOf(world: World, value: string): KubeObject[] {
  return world.pools.byIndex('postgres', value);
}

function poolsOfNamespace(world: World, namespace: string): KubeObject[] {
  const pools = adapters.flatMap((adapter) => poolsOf(world, `${nameOf(adapter)}/${namespace}`));
  return [...new Map(pools.map((pool) => [keyOf(pool.metadata), pool])).values()];
}

function nameOf({ apiGroup, kind }: ObjectKind): string {
  return `${apiGroup}/${kind}`;
}

function isOurs(object: KubeObject): boolean {
  return object.metadata.labels?.[MANAGED_BY_LABEL] === 'spillway';
}
