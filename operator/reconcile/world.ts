// Everything that the operator watches, in one place: the stores, their indexes, and questions to them.
import type { ConnectionBudgetStatus } from '../api/connection-budget.ts';
import type { ConnectionPoolSpec, ConnectionPoolStatus } from '../api/connection-pool.ts';
import type { Pause } from '../api/pause.ts';
import { GROUP, VERSION } from '../api/resources.ts';
import { budgetName, type PostgresTarget } from '../core/budget-name.ts';
import { addressesOf } from '../core/identity/alias.ts';
import { drawnServers } from '../core/identity/server-id.ts';
import { POOL_LABEL } from '../core/pool/labels.ts';
import type { Client } from '../kube/client.ts';
import type { ReflectorObserver } from '../kube/reflector.ts';
import {
  configMaps,
  deployments,
  horizontalPodAutoscalers,
  type KubeObject,
  keyOf,
  networkPolicies,
  podDisruptionBudgets,
  pods,
  type ResourceType,
  secrets,
  serviceAccounts,
  services,
  statefulSets,
} from '../kube/types.ts';
import type { PostgresRef, RawObject } from '../postgres/adapter.ts';
import { nodeKind } from '../postgres/pods.ts';
import type { Source } from '../runtime/manager.ts';
import { Instances } from './instances.ts';
import { startedAfter } from './late-source.ts';
import { PostgresKinds } from './postgres-kinds.ts';
import { Shelf, type ShelfOptions } from './shelf.ts';
import {
  poolUidOf,
  trimDeployment,
  trimOwned,
  trimPod,
  trimPool,
  trimSecret,
  trimService,
  trimStatefulSet,
} from './trim.ts';

export const connectionPools: ResourceType = {
  group: GROUP,
  version: VERSION,
  plural: 'connectionpools',
  kind: 'ConnectionPool',
  namespaced: true,
};
export const connectionBudgets: ResourceType = {
  group: GROUP,
  version: VERSION,
  plural: 'connectionbudgets',
  kind: 'ConnectionBudget',
  namespaced: true,
};

const OURS = 'app.kubernetes.io/managed-by=spillway';

export interface WorldOptions {
  readonly client: Client;
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[];
  readonly operatorNamespace: string;
  readonly observer?: (type: ResourceType) => ReflectorObserver;
  /** For the kinds of Postgres clusters, none of which has to be installed. */
  readonly postgresObserver?: (type: ResourceType) => ReflectorObserver;
}

export class World {
  readonly pools: Shelf;
  readonly budgets: Shelf;
  readonly configMaps: Shelf;
  readonly secrets: Shelf;
  readonly services: Shelf;
  readonly serviceAccounts: Shelf;
  readonly disruptionBudgets: Shelf;
  readonly autoscalers: Shelf;
  readonly networkPolicies: Shelf;
  readonly statefulSets: Shelf;
  readonly deployments: Shelf;
  readonly pods: Shelf;
  readonly postgres: PostgresKinds;
  readonly instances: Instances;

  constructor(options: WorldOptions) {
    const { client, namespaces, operatorNamespace, observer, postgresObserver } = options;
    // Budgets of endpoints live in the operator's namespace, whichever are watched.
    const withOwn =
      namespaces.length === 0 || namespaces.includes(operatorNamespace)
        ? namespaces
        : [...namespaces, operatorNamespace];
    const shelf = (
      type: ResourceType,
      transform: ShelfOptions['transform'],
      labelSelector?: string,
    ) =>
      new Shelf({
        client,
        type,
        namespaces: type === connectionBudgets ? withOwn : namespaces,
        ...(transform === undefined ? {} : { transform }),
        ...(labelSelector === undefined ? {} : { labelSelector }),
        ...(observer === undefined ? {} : { observer: observer(type) }),
      });
    this.pools = shelf(connectionPools, trimPool);
    this.budgets = shelf(connectionBudgets, trimPool);
    this.configMaps = shelf(configMaps, trimOwned, OURS);
    // All of them, but of those that no pool refers to only the names and versions: a password that was missing must
    // wake its pool when it comes.
    this.secrets = shelf(secrets, (object, ours) =>
      trimSecret(object, ours, this.pools.byIndex('secret', keyOf(object.metadata)).length > 0),
    );
    // All of them: an endpoint may be a name of one.
    this.services = shelf(services, trimService);
    this.serviceAccounts = shelf(serviceAccounts, trimOwned, OURS);
    this.disruptionBudgets = shelf(podDisruptionBudgets, trimOwned, OURS);
    this.autoscalers = shelf(horizontalPodAutoscalers, trimOwned, OURS);
    this.networkPolicies = shelf(networkPolicies, trimOwned, OURS);
    // A Postgres may be one.
    this.statefulSets = shelf(statefulSets, trimStatefulSet);
    this.deployments = shelf(deployments, trimDeployment, OURS);
    this.pods = shelf(pods, trimPod, OURS);
    this.postgres = new PostgresKinds({
      client,
      namespaces,
      shelves: [this.statefulSets],
      ...(postgresObserver === undefined ? {} : { observer: postgresObserver }),
    });
    this.instances = new Instances({
      client,
      namespaces,
      pools: this.pools,
      lookup: (ref) => this.find(ref),
      after: [...this.pools.reflectors, ...this.statefulSets.reflectors, ...this.postgres.sources],
      ...(observer === undefined ? {} : { observer }),
    });

    this.pools.addIndex('budget', (pool) => {
      const name = this.budgetOf(pool, operatorNamespace);
      return name === undefined ? [] : [name];
    });
    this.pools.addIndex('secret', (pool) => secretsOf(pool));
    this.pools.addIndex('postgres', (pool) => postgresOf(pool));
    this.budgets.addIndex('sameAs', (budget) =>
      drawnServers(budget.status as ConnectionBudgetStatus | undefined),
    );
    this.budgets.addIndex('rowUid', (budget) =>
      ((budget.status as ConnectionBudgetStatus | undefined)?.allotments ?? []).map((r) => r.uid),
    );
    for (const held of [
      this.pods,
      this.configMaps,
      this.statefulSets,
      this.deployments,
      this.secrets,
    ]) {
      held.addIndex('poolUid', (object) => (poolUidOf(object) === '' ? [] : [poolUidOf(object)]));
    }
    this.services.addIndex('address', addressesOf);
    this.pods.addIndex('pool', (pod) => {
      const name = pod.metadata.labels?.[POOL_LABEL];
      return name === undefined ? [] : [`${pod.metadata.namespace}/${name}`];
    });
  }

  get shelves(): readonly Shelf[] {
    return [
      this.pools,
      this.budgets,
      this.configMaps,
      this.secrets,
      this.services,
      this.serviceAccounts,
      this.disruptionBudgets,
      this.autoscalers,
      this.networkPolicies,
      this.statefulSets,
      this.deployments,
      this.pods,
    ];
  }

  get sources(): readonly Source[] {
    return [
      ...this.shelves.flatMap((shelf): readonly Source[] =>
        // Which Secrets are read is known when the pools are.
        shelf === this.secrets
          ? shelf.reflectors.map((one) => startedAfter(this.pools.reflectors, one))
          : shelf.reflectors,
      ),
      ...this.postgres.sources,
      this.instances,
    ];
  }

  /** Type and store of the kinds that a pool owns. Throws for another kind. */
  ownedKind(kind: string): { readonly type: ResourceType; readonly shelf: Shelf } {
    const shelf = this.shelves.find((s) => s.type.kind === kind);
    if (shelf === undefined) throw new Error(`${kind} is not a kind that a pool owns`);
    return { type: shelf.type, shelf };
  }

  /** What a Postgres cluster is, refers to, or runs on. */
  find(ref: PostgresRef): RawObject | undefined {
    const onNode = ref.apiGroup === nodeKind.apiGroup && ref.kind === nodeKind.kind;
    return onNode ? this.instances.node(ref.name) : this.postgres.get(ref);
  }

  podsOf(namespace: string, pool: string): KubeObject[] {
    return this.pods.byIndex('pool', `${namespace}/${pool}`);
  }

  /** Anything in view by which a pool of this uid, gone or not, may still hold connections; no proof that there is nothing. */
  remainsOf(uid: string): boolean {
    return [this.pods, this.statefulSets, this.deployments, this.configMaps].some(
      (shelf) => shelf.byIndex('poolUid', uid).length > 0,
    );
  }

  /** `namespace/name` of the ConnectionBudget that a pool draws from. */
  budgetOf(pool: KubeObject, operatorNamespace: string): string | undefined {
    const target = (pool.spec as { postgres?: PostgresTarget } | undefined)?.postgres;
    if (target?.clusterRef === undefined && target?.endpoint === undefined) return undefined;
    return keyOf(budgetName(target, pool.metadata.namespace ?? '', operatorNamespace));
  }

  pauseOf(namespace: string, pool: string): Pause | undefined {
    return (this.pools.get(namespace, pool)?.spec as ConnectionPoolSpec | undefined)?.pause;
  }

  /** What the pool of a pod asks for; undefined when it has gone. */
  specOf(pod: KubeObject): ConnectionPoolSpec | undefined {
    const { namespace = '', labels } = pod.metadata;
    const pool = this.pools.get(namespace, labels?.[POOL_LABEL] ?? '');
    return pool?.spec as ConnectionPoolSpec | undefined;
  }

  requiresTls(namespace: string, pool: string): boolean {
    const spec = this.pools.get(namespace, pool)?.spec as ConnectionPoolSpec | undefined;
    return spec?.tls?.client?.mode === 'require';
  }
}

export function statusOf(pool: KubeObject): ConnectionPoolStatus {
  return (pool.status ?? {}) as ConnectionPoolStatus;
}

function secretsOf(pool: KubeObject): string[] {
  const spec = pool.spec as Partial<ConnectionPoolSpec> | undefined;
  const names = (spec?.users ?? []).map((user) => user.secretRef?.name);
  return [...new Set(names.filter((name) => name !== undefined))].map(
    (name) => `${pool.metadata.namespace}/${name}`,
  );
}

/** Under which a pool is found by its Postgres: the object, the kind in its namespace, the kind. */
function postgresOf(pool: KubeObject): string[] {
  const ref = (pool.spec as Partial<ConnectionPoolSpec> | undefined)?.postgres?.clusterRef;
  if (ref === undefined) return [];
  const kind = `${ref.apiGroup}/${ref.kind}`;
  const namespace = `${kind}/${ref.namespace ?? pool.metadata.namespace}`;
  return [kind, namespace, `${namespace}/${ref.name}`];
}
