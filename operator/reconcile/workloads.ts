// Watches the workloads that pools name (spec.clients.workloads), and what scales them. A kind is watched only while
// some pool names it: most clusters have many Deployments and no pool that counts them.
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import { type ClientKind, type ClientLookup, kindsOf } from '../core/clients/count.ts';
import { countedText, keepCounted } from '../core/clients/keep.ts';
import type { Client } from '../kube/client.ts';
import type { Reflector, ReflectorObserver } from '../kube/reflector.ts';
import {
  cronJobs,
  daemonSets,
  deployments,
  horizontalPodAutoscalers,
  type KubeObject,
  keyOf,
  type ResourceType,
  statefulSets,
} from '../kube/types.ts';
import type { RawObject } from '../postgres/adapter.ts';
import type { Source } from '../runtime/manager.ts';
import { Shelf } from './shelf.ts';

export const clientTypes: Readonly<Record<ClientKind, ResourceType>> = {
  CronJob: cronJobs,
  DaemonSet: daemonSets,
  Deployment: deployments,
  HorizontalPodAutoscaler: horizontalPodAutoscalers,
  StatefulSet: statefulSets,
};

export interface WorkloadsOptions {
  readonly client: Client;
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[];
  readonly pools: Shelf;
  readonly observer?: (type: ResourceType) => ReflectorObserver;
  /** Called with the key of a pool whose workloads have changed, or are known at last. */
  readonly onChange: (poolKey: string) => void;
}

interface Watch {
  readonly shelf: Shelf;
  readonly abort: AbortController;
}

/**
 * Never in the way of the operator's start: while a kind is not known (yet, or because the operator may not read it),
 * the pools that name it keep the numbers that they have.
 */
export class Workloads implements Source {
  readonly name = 'workloads';
  readonly whenReady = Promise.resolve();
  readonly ready = true;
  readonly #options: WorkloadsOptions;
  readonly #watches = new Map<ClientKind, Watch>();
  /** How many pools name each kind. */
  readonly #wanted = new Map<ClientKind, number>();
  #signal: AbortSignal | undefined;

  constructor(options: WorkloadsOptions) {
    this.#options = options;
    const { pools } = options;
    pools.addIndex('clientsIn', (pool) =>
      kindsOfPool(pool).length === 0 ? [] : [pool.metadata.namespace ?? ''],
    );
    pools.onChange((change) => {
      const before = change.old === undefined ? [] : kindsOfPool(change.old);
      const after = change.new === undefined ? [] : kindsOfPool(change.new);
      if (before.join() === after.join()) return;
      for (const kind of before) this.#want(kind, -1);
      for (const kind of after) this.#want(kind, 1);
      this.#adjust();
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#adjust();
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    for (const { abort } of this.#watches.values()) abort.abort();
  }

  /** All objects of a kind in a namespace, as far as they are watched. */
  readonly lookup: ClientLookup = (kind, namespace): readonly RawObject[] =>
    this.#watches.get(kind)?.shelf.byIndex('namespace', namespace) ?? [];

  /** Whether what a pool names is on its way into the stores: a moment's wait spares two writes. */
  reading(pool: ConnectionPoolSpec): boolean {
    return this.#reflectors(pool).some((one) => one === undefined || isOnItsWay(one));
  }

  /** Why what a pool names is not known; undefined when it is. */
  unknown(pool: ConnectionPoolSpec): string | undefined {
    const failed = this.#reflectors(pool).find((one) => one?.ready !== true);
    return failed === undefined
      ? undefined
      : `${failed.name} cannot be read (${failed.lastError ?? 'not yet'})`;
  }

  /** Undefined for a kind whose watch has not begun. */
  #reflectors({ clients }: ConnectionPoolSpec): readonly (Reflector | undefined)[] {
    const none: readonly (Reflector | undefined)[] = [undefined];
    return kindsOf(clients.workloads ?? []).flatMap(
      (kind) => this.#watches.get(kind)?.shelf.reflectors ?? none,
    );
  }

  #want(kind: ClientKind, more: number): void {
    this.#wanted.set(kind, (this.#wanted.get(kind) ?? 0) + more);
  }

  /** Starts the watches that are wanted and ends the others. */
  #adjust(): void {
    const signal = this.#signal;
    if (signal === undefined || signal.aborted) return;
    for (const kind of Object.keys(clientTypes) as ClientKind[]) {
      const wanted = (this.#wanted.get(kind) ?? 0) > 0;
      const watch = this.#watches.get(kind);
      if (wanted && watch === undefined) this.#watches.set(kind, this.#start(kind));
      if (!wanted && watch !== undefined) {
        watch.abort.abort();
        this.#watches.delete(kind);
      }
    }
  }

  #start(kind: ClientKind): Watch {
    const { client, namespaces, observer } = this.#options;
    const type = clientTypes[kind];
    const shelf = new Shelf({
      client,
      type,
      namespaces,
      transform: (object) => keepCounted(kind, object) as KubeObject,
      ...(observer === undefined ? {} : { observer: observer(type) }),
    });
    shelf.addIndex('namespace', (object) => [object.metadata.namespace ?? '']);
    shelf.onChange((change) => {
      if (countedText(kind, change.new) === countedText(kind, change.old)) return;
      this.#wake((change.new ?? change.old).metadata.namespace ?? '', kind);
    });
    const abort = new AbortController();
    for (const reflector of shelf.reflectors) {
      void reflector.run(abort.signal);
      // A kind of which there is nothing brings no change, and is known all the same.
      void reflector.whenReady.then(() => this.#wakeAll(kind));
    }
    return { shelf, abort };
  }

  #wake(namespace: string, kind: ClientKind): void {
    for (const pool of this.#options.pools.byIndex('clientsIn', namespace)) {
      if (kindsOfPool(pool).includes(kind)) this.#options.onChange(keyOf(pool.metadata));
    }
  }

  #wakeAll(kind: ClientKind): void {
    for (const pool of this.#options.pools.list()) {
      if (kindsOfPool(pool).includes(kind)) this.#options.onChange(keyOf(pool.metadata));
    }
  }
}

function isOnItsWay(reflector: Reflector): boolean {
  return !reflector.ready && reflector.lastError === undefined;
}

function kindsOfPool(pool: KubeObject): readonly ClientKind[] {
  const spec = pool.spec as Partial<ConnectionPoolSpec> | undefined;
  return kindsOf(spec?.clients?.workloads ?? []);
}
