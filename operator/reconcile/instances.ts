// Watches the pods of Postgres clusters, for the kinds whose facts are read from them: who is the primary. A kind's pods
// are watched from when somebody asks for those of one cluster until no pool refers to that kind any more.
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import type { Client } from '../kube/client.ts';
import { isForbidden } from '../kube/errors.ts';
import type { ReflectorObserver } from '../kube/reflector.ts';
import { type KubeObject, pods as podType, type ResourceType } from '../kube/types.ts';
import type { PodKind, PodLookup, PostgresAdapter, PostgresRef } from '../postgres/adapter.ts';
import { findPostgres, type Lookup } from '../postgres/find.ts';
import { keepPod, nodeOf } from '../postgres/pods.ts';
import { adapterFor, adapters } from '../postgres/table.ts';
import type { Source } from '../runtime/manager.ts';
import { sameJson } from './same.ts';
import { Shelf } from './shelf.ts';

export interface InstancesOptions {
  readonly client: Client;
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[];
  readonly pools: Shelf;
  /** Finds what pools refer to. */
  readonly lookup: Lookup;
  /** What has to be known before it is known whose pods are asked for. */
  readonly after: readonly Source[];
  readonly observer?: (type: ResourceType) => ReflectorObserver;
}

/** Without the right to see them, which somebody may give later; seconds. */
const MAX_BACKOFF_SECONDS = 600;

interface Watch {
  /** The kinds that have their pods in it. */
  readonly adapters: readonly PostgresAdapter[];
  readonly shelf: Shelf;
  readonly abort: AbortController;
  /** Resolves when it is complete, or nothing is to be expected of it. */
  readonly settled: Promise<void>;
  reading: boolean;
  /** By cluster, the pods that ran last: a cluster that restarts has none for a moment. */
  readonly last: Map<string, readonly KubeObject[]>;
}

export class Instances implements Source {
  readonly name = 'pods of Postgres clusters';
  readonly #options: InstancesOptions;
  readonly #ready = Promise.withResolvers<void>();
  readonly #bySelector = new Map<string, Watch>();
  readonly #listeners: ((cluster: PostgresRef) => void)[] = [];
  #signal: AbortSignal | undefined;
  #isReady = false;

  constructor(options: InstancesOptions) {
    this.#options = options;
    options.pools.onChange((change) => {
      if (change.type === 'deleted') this.#endUnwanted();
      else if (change.new.metadata.generation !== change.old?.metadata.generation) {
        this.#askFor(change.new);
      }
    });
  }

  get ready(): boolean {
    return this.#isReady;
  }

  get whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  get lastError(): string | undefined {
    const failing = this.#watches().flatMap(({ shelf }) => shelf.reflectors);
    return failing.find(({ lastError }) => lastError !== undefined)?.lastError;
  }

  /** Ready when everything is there that the pools ask for at the start. */
  async run(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([Promise.all(this.#options.after.map((one) => one.whenReady)), aborted]);
    this.#signal = signal;
    // What is found in one watch may ask for another.
    for (;;) {
      for (const pool of this.#options.pools.list()) this.#askFor(pool);
      const reading = this.#watches().filter((watch) => watch.reading);
      if (reading.length === 0 || signal.aborted) break;
      await Promise.race([Promise.all(reading.map(({ settled }) => settled)), aborted]);
    }
    this.#isReady = true;
    this.#ready.resolve();
    await aborted;
    for (const { abort } of this.#watches()) abort.abort();
  }

  /** Of the cluster, by name; while none of them runs anywhere, those that did last. */
  readonly pods: PodLookup = (cluster) => {
    const watch = this.#watchOf(cluster);
    if (watch === undefined) return [];
    const key = keyOf(cluster);
    const now = watch.shelf
      .byIndex('cluster', key)
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    if (!now.some((pod) => nodeOf(pod) !== undefined)) return watch.last.get(key) ?? now;
    watch.last.set(key, now);
    return now;
  };

  /** Whether what there is of the cluster's pods is still on its way into the stores. */
  reading({ apiGroup, kind }: Pick<PostgresRef, 'apiGroup' | 'kind'>): boolean {
    const pods = adapterFor(apiGroup, kind)?.pods;
    return pods !== undefined && this.#bySelector.get(pods.selector)?.reading === true;
  }

  /** Called with a cluster of whose pods something that is read has changed. */
  onChange(listener: (cluster: PostgresRef) => void): void {
    this.#listeners.push(listener);
  }

  #watches(): Watch[] {
    return [...this.#bySelector.values()];
  }

  /** Asks as reconciles do, also in a process that only waits for its turn. */
  #askFor(pool: KubeObject): void {
    if (this.#signal === undefined) return;
    const { postgres } = pool.spec as ConnectionPoolSpec;
    const { lookup } = this.#options;
    // No name of a host is looked at here, so any domain will do.
    const context = { clusterDomain: 'cluster.local', pods: this.pods };
    findPostgres(postgres, pool.metadata.namespace ?? '', lookup, context);
  }

  /** Begins it where it does not run yet. */
  #watchOf({ apiGroup, kind }: PostgresRef): Watch | undefined {
    const pods = adapterFor(apiGroup, kind)?.pods;
    const signal = this.#signal;
    if (pods === undefined || signal === undefined || signal.aborted) return undefined;
    const known = this.#bySelector.get(pods.selector);
    if (known !== undefined) return known;
    const watch = this.#start(pods);
    this.#bySelector.set(pods.selector, watch);
    return watch;
  }

  #start(kind: PodKind): Watch {
    const { client, namespaces, observer } = this.#options;
    const settled = Promise.withResolvers<void>();
    const observed = observer?.(podType) ?? {};
    const shelf = new Shelf({
      client,
      type: podType,
      namespaces,
      labelSelector: kind.selector,
      transform: (object) => keepPod(kind, object) as KubeObject,
      timing: { maxBackoffSeconds: MAX_BACKOFF_SECONDS },
      observer: {
        ...observed,
        failed: (error, waitSeconds) => {
          observed.failed?.(error, waitSeconds);
          if (isForbidden(error)) settled.resolve();
        },
      },
    });
    const of = adapters.filter(({ pods }) => pods?.selector === kind.selector);
    const clustersOf = (pod: KubeObject): PostgresRef[] =>
      of.flatMap(({ apiGroup, kind: name, pods }) => {
        const cluster = pods?.clusterOf(pod);
        const { namespace = '' } = pod.metadata;
        return cluster === undefined ? [] : [{ apiGroup, kind: name, namespace, name: cluster }];
      });
    shelf.addIndex('cluster', (pod) => clustersOf(pod).map(keyOf));
    shelf.onChange((change) => {
      if (change.type === 'updated' && sameJson(read(change.new), read(change.old))) return;
      const pods = [change.old, change.new].filter((pod) => pod !== undefined);
      const clusters = new Map(pods.flatMap(clustersOf).map((one) => [keyOf(one), one]));
      for (const cluster of clusters.values()) {
        for (const listener of this.#listeners) listener(cluster);
      }
    });
    const abort = new AbortController();
    const watch: Watch = {
      adapters: of,
      shelf,
      abort,
      settled: settled.promise,
      reading: true,
      last: new Map(),
    };
    for (const reflector of shelf.reflectors) void reflector.run(abort.signal);
    void Promise.all(shelf.reflectors.map((one) => one.whenReady)).then(() => settled.resolve());
    void settled.promise.then(() => {
      watch.reading = false;
    });
    return watch;
  }

  #endUnwanted(): void {
    for (const [selector, { adapters: kinds, abort }] of this.#bySelector) {
      const wanted = kinds.some(
        (one) => this.#options.pools.byIndex('postgres', `${one.apiGroup}/${one.kind}`).length > 0,
      );
      if (wanted) continue;
      abort.abort();
      this.#bySelector.delete(selector);
    }
  }
}

function keyOf({ apiGroup, kind, namespace, name }: PostgresRef): string {
  return `${apiGroup}/${kind}/${namespace}/${name}`;
}

/** Everything of a kept pod but its version. */
function read({ metadata, ...rest }: KubeObject) {
  return { ...rest, metadata: { ...metadata, resourceVersion: undefined } };
}
