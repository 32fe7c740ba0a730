// Watches the pods of Postgres clusters, and the nodes that they run on, where facts are read from them: who is the
// primary, and how many cores there are. A kind's pods are watched from when somebody asks for those of one cluster until
// no pool refers to that kind any more; the nodes from when somebody asks for one, while pods are watched.
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import type { Client } from '../kube/client.ts';
import { isForbidden } from '../kube/errors.ts';
import type { ReflectorObserver } from '../kube/reflector.ts';
import {
  type KubeObject,
  nodes as nodeType,
  pods as podType,
  type ResourceType,
} from '../kube/types.ts';
import type { PodKind, PodLookup, PostgresAdapter, PostgresRef } from '../postgres/adapter.ts';
import { findPostgres, type Lookup } from '../postgres/find.ts';
import { keepRead } from '../postgres/keep.ts';
import { keepPod, nodeKind, nodeOf } from '../postgres/pods.ts';
import { adapterFor, adapters } from '../postgres/table.ts';
import type { Source } from '../runtime/manager.ts';
import { sameJson } from './same.ts';
import { Shelf, type ShelfOptions } from './shelf.ts';

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
/** More nodes than are removed under Postgres clusters at a time. */
const MAX_GONE = 1000;

interface Watch {
  readonly shelf: Shelf;
  readonly abort: AbortController;
  /** Resolves when it is complete, or nothing is to be expected of it. */
  readonly settled: Promise<void>;
  reading: boolean;
}

interface PodWatch extends Watch {
  /** The kinds that have their pods in it. */
  readonly adapters: readonly PostgresAdapter[];
  /** By cluster, the pods that ran last: a cluster that restarts has none for a moment. */
  readonly last: Map<string, readonly KubeObject[]>;
}

export class Instances implements Source {
  readonly name = 'pods of Postgres clusters';
  readonly #options: InstancesOptions;
  readonly #ready = Promise.withResolvers<void>();
  readonly #bySelector = new Map<string, PodWatch>();
  #nodes: Watch | undefined;
  /** Nodes that were removed under pods of Postgres clusters. */
  readonly #gone = new Map<string, KubeObject>();
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
    for (;;) {
      this.#askForAll();
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

  /** By name; one that is gone as it was last, because its pods may be named for a while before they run elsewhere. */
  node(name: string): KubeObject | undefined {
    if (this.#nodes === undefined && this.#isRunning()) this.#nodes = this.#startNodes();
    return this.#nodes?.shelf.getKey(name) ?? this.#gone.get(name);
  }

  /** Whether the pods of a kind, or the nodes, are still on their way into the stores. */
  reading({ apiGroup, kind }: Pick<PostgresRef, 'apiGroup' | 'kind'>): boolean {
    if (kind === nodeKind.kind && apiGroup === nodeKind.apiGroup) {
      return this.#nodes?.reading === true;
    }
    const pods = adapterFor(apiGroup, kind)?.pods;
    return pods !== undefined && this.#bySelector.get(pods.selector)?.reading === true;
  }

  /** Called with a cluster of whose pods something that is read has changed. */
  onChange(listener: (cluster: PostgresRef) => void): void {
    this.#listeners.push(listener);
  }

  #watches(): Watch[] {
    return [...this.#bySelector.values(), ...(this.#nodes === undefined ? [] : [this.#nodes])];
  }

  #isRunning(): boolean {
    return this.#signal?.aborted === false;
  }

  #askForAll(): void {
    for (const pool of this.#options.pools.list()) this.#askFor(pool);
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
  #watchOf({ apiGroup, kind }: PostgresRef): PodWatch | undefined {
    const pods = adapterFor(apiGroup, kind)?.pods;
    if (pods === undefined || !this.#isRunning()) return undefined;
    const known = this.#bySelector.get(pods.selector);
    if (known !== undefined) return known;
    const watch = this.#startPods(pods);
    this.#bySelector.set(pods.selector, watch);
    return watch;
  }

  #startPods(kind: PodKind): PodWatch {
    const { namespaces } = this.#options;
    const of = adapters.filter(({ pods }) => pods?.selector === kind.selector);
    const watch = this.#start(podType, {
      namespaces,
      labelSelector: kind.selector,
      transform: (object) => keepPod(kind, object) as KubeObject,
    });
    watch.shelf.addIndex('cluster', (pod) => clustersOf(of, pod).map(keyOf));
    watch.shelf.addIndex('node', (pod) => [nodeOf(pod) ?? '']);
    watch.shelf.onChange((change) => {
      if (change.type === 'updated' && sameJson(read(change.new), read(change.old))) return;
      this.#tell([change.old, change.new].flatMap((pod) => clustersOf(of, pod)));
    });
    return Object.assign(watch, { adapters: of, last: new Map() });
  }

  #startNodes(): Watch {
    const watch = this.#start(nodeType, {
      namespaces: [],
      transform: (object) => keepRead(nodeKind, object) as KubeObject,
    });
    watch.shelf.onChange((change) => {
      // Its kubelet reports all the time that it lives.
      if (change.type === 'updated' && sameJson(read(change.new), read(change.old))) return;
      this.#gone.delete(change.key);
      for (const { shelf, adapters: of } of this.#bySelector.values()) {
        const pods = shelf.byIndex('node', change.key);
        if (change.type === 'deleted' && pods.length > 0) this.#remember(change.old);
        this.#tell(pods.flatMap((pod) => clustersOf(of, pod)));
      }
    });
    return watch;
  }

  #start(
    type: ResourceType,
    options: Pick<ShelfOptions, 'namespaces' | 'labelSelector' | 'transform'>,
  ): Watch {
    const { client, observer } = this.#options;
    const settled = Promise.withResolvers<void>();
    const observed = observer?.(type) ?? {};
    let refused = false;
    const shelf = new Shelf({
      ...options,
      client,
      type,
      timing: { maxBackoffSeconds: MAX_BACKOFF_SECONDS },
      observer: {
        ...observed,
        failed: (error, waitSeconds) => {
          // A right that is missing stays so: one line in the log is enough.
          if (!refused || !isForbidden(error)) observed.failed?.(error, waitSeconds);
          refused ||= isForbidden(error);
          if (refused) settled.resolve();
        },
      },
    });
    const abort = new AbortController();
    const watch: Watch = { shelf, abort, settled: settled.promise, reading: true };
    for (const reflector of shelf.reflectors) void reflector.run(abort.signal);
    void Promise.all(shelf.reflectors.map((one) => one.whenReady)).then(() => settled.resolve());
    void settled.promise.then(() => {
      watch.reading = false;
      // What is found in it may ask for another.
      if (this.#isReady) this.#askForAll();
    });
    return watch;
  }

  #remember(node: KubeObject): void {
    const [oldest] = this.#gone.keys();
    if (oldest !== undefined && this.#gone.size >= MAX_GONE) this.#gone.delete(oldest);
    this.#gone.set(node.metadata.name, node);
  }

  #tell(clusters: readonly PostgresRef[]): void {
    for (const cluster of new Map(clusters.map((one) => [keyOf(one), one])).values()) {
      for (const listener of this.#listeners) listener(cluster);
    }
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
    if (this.#bySelector.size > 0) return;
    this.#nodes?.abort.abort();
    this.#nodes = undefined;
    this.#gone.clear();
  }
}

function clustersOf(of: readonly PostgresAdapter[], pod: KubeObject | undefined): PostgresRef[] {
  if (pod === undefined) return [];
  const { namespace = '' } = pod.metadata;
  return of.flatMap(({ apiGroup, kind, pods }) => {
    const name = pods?.clusterOf(pod);
    return name === undefined ? [] : [{ apiGroup, kind, namespace, name }];
  });
}

function keyOf({ apiGroup, kind, namespace, name }: PostgresRef): string {
  return `${apiGroup}/${kind}/${namespace}/${name}`;
}

/** Everything that is kept but the version. */
function read({ metadata, ...rest }: KubeObject) {
  return { ...rest, metadata: { ...metadata, resourceVersion: undefined } };
}
