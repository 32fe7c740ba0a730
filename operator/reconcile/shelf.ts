// All stores of one type: one for the whole cluster, or one for each watched namespace, read as one.

import type { Change } from '../kube/change.ts';
import type { Client } from '../kube/client.ts';
import { Reflector, type ReflectorObserver } from '../kube/reflector.ts';
import { Store } from '../kube/store.ts';
import { type KubeObject, keyOf, type ObjectRef, type ResourceType } from '../kube/types.ts';
import type { Timing } from '../kube/watch-state.ts';

export interface ShelfOptions {
  readonly client: Client;
  readonly type: ResourceType;
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[];
  readonly labelSelector?: string;
  /** Drops what nobody reads; may change its argument in place. `ours`: the answer of our own write. */
  readonly transform?: (object: KubeObject, ours: boolean) => KubeObject;
  readonly observer?: ReflectorObserver;
  readonly timing?: Partial<Timing>;
}

/** Objects of a page: all types are listed at the same time at the start, each with a page in memory. */
const PAGE_SIZE = 100;

export class Shelf {
  readonly type: ResourceType;
  readonly reflectors: readonly Reflector[];
  readonly #byNamespace: ReadonlyMap<string, Store>;

  constructor(options: ShelfOptions) {
    const { namespaces, type } = options;
    this.type = type;
    const whole = namespaces.length === 0 || !type.namespaced;
    this.#byNamespace = new Map(
      (whole ? [''] : namespaces).map((name) => [name, newStore(options)]),
    );
    this.reflectors = [...this.#byNamespace].map(
      ([namespace, store]) =>
        new Reflector({
          client: options.client,
          type,
          store,
          pageSize: PAGE_SIZE,
          ...(namespace === '' ? {} : { namespace }),
          ...(options.labelSelector === undefined ? {} : { labelSelector: options.labelSelector }),
          ...(options.observer === undefined ? {} : { observer: options.observer }),
          ...(options.timing === undefined ? {} : { timing: options.timing }),
        }),
    );
  }

  get(namespace: string, name: string): KubeObject | undefined {
    return this.#storeOf(namespace)?.get(`${namespace}/${name}`);
  }

  getKey(key: string): KubeObject | undefined {
    return this.#storeOf(key.slice(0, key.indexOf('/')))?.get(key);
  }

  list(): KubeObject[] {
    return [...this.#byNamespace.values()].flatMap((store) => store.list());
  }

  addIndex(name: string, of: (object: KubeObject) => readonly string[]): void {
    for (const store of this.#byNamespace.values()) store.addIndex(name, of);
  }

  byIndex(name: string, value: string): KubeObject[] {
    const [only, ...more] = this.#byNamespace.values();
    if (only !== undefined && more.length === 0) return only.byIndex(name, value);
    return [...this.#byNamespace.values()].flatMap((store) => store.byIndex(name, value));
  }

  onChange(listener: (change: Change) => void): void {
    for (const store of this.#byNamespace.values()) store.onChange(listener);
  }

  /** Takes in the answer of our own write, so that the next look does not see what was before it. */
  observeWrite(object: KubeObject): void {
    this.#storeOf(object.metadata.namespace ?? '')?.observeWrite(object);
  }

  /** Carries out a write of ours to one object and takes in its answer; see `Store.writing`. */
  writing(ref: ObjectRef, write: () => Promise<KubeObject>): Promise<KubeObject> {
    const store = this.#storeOf(ref.namespace ?? '');
    return store === undefined ? write() : store.writing(keyOf(ref), write);
  }

  #storeOf(namespace: string): Store | undefined {
    return this.#byNamespace.get('') ?? this.#byNamespace.get(namespace);
  }
}

function newStore(options: ShelfOptions): Store {
  return new Store(options.transform === undefined ? {} : { transform: options.transform });
}
