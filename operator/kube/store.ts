// The local picture of one type of object: filled by a reflector, read by everyone, never written
// to by hand except with the answers of our own writes.
//
// Guarantees: a reader sees either the whole old list or the whole new one; an object never goes
// back to an older version; an object that was deleted and made again under its name is reported as
// deleted and added, never as updated. Listeners run after the store and its indexes are changed.
import type { Change, ChangeSource } from './change.ts';
import { Echoes } from './echoes.ts';
import { compareResourceVersions, type KubeObject, keyOf } from './types.ts';

export interface StoreOptions<T extends KubeObject> {
  /** Drops what nobody reads, to save memory; may change its argument in place. `ours`: the answer of our own write. */
  transform?: (object: T, ours: boolean) => T;
  /** Told of listeners and indexes that throw; such an error never stops the store. */
  onError?: (error: unknown) => void;
}

interface Index<T> {
  readonly of: (object: T) => readonly string[];
  readonly keys: Map<string, Set<string>>;
}

export class Store<T extends KubeObject = KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #transform: (object: T, ours: boolean) => T;
  readonly #onError: (error: unknown) => void;
  /** Our own writes that the watch has not shown yet: key → resourceVersion. */
  readonly #written = new Map<string, string>();
  readonly #echoes = new Echoes<T>();
  #position: string | undefined;
  #synced = false;
  #whenSynced = Promise.withResolvers<void>();

  constructor(options: StoreOptions<T> = {}) {
    this.#transform = options.transform ?? withoutManagedFields;
    this.#onError = options.onError ?? crash;
  }

  /** True after the first complete list, and from then on. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Resolves with the first complete list. */
  get whenSynced(): Promise<void> {
    return this.#whenSynced.promise;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** The resourceVersion up to which the store is complete. */
  get position(): string | undefined {
    return this.#position;
  }

  /** `key` is `namespace/name`, or `name` for types without a namespace. */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  /** All objects, in no promised order. */
  list(): T[] {
    return [...this.#objects.values()];
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  /** Also indexes what is there already. Adding a name twice is an error. */
  addIndex(name: string, of: (object: T) => readonly string[]): void {
    if (this.#indexes.has(name)) throw new Error(`index ${name} exists already`);
    const index: Index<T> = { of, keys: new Map() };
    this.#indexes.set(name, index);
    for (const [key, object] of this.#objects) this.#enter(index, key, object);
  }

  /** The objects for which the index function returned `value`, in no promised order. */
  byIndex(name: string, value: string): T[] {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`index ${name} does not exist; add it first`);
    const found: T[] = [];
    for (const key of index.keys.get(value) ?? []) {
      const object = this.#objects.get(key);
      if (object !== undefined) found.push(object);
    }
    return found;
  }

  /** Calls `listener` for each later change; returns the way to stop that. */
  onChange(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Takes in the answer of our own write, so that the next reconcile does not act on what was there
   * before it. Ignored (false) where the store knows something as new or newer, or is not synced.
   */
  observeWrite(object: T): boolean {
    const version = object.metadata.resourceVersion;
    const known = compareResourceVersions(this.#position, version);
    // What the position has passed, the watch has shown: perhaps even the deletion.
    if (!this.#synced || version === undefined || known === undefined || known >= 0) return false;
    const key = keyOf(object.metadata);
    const old = this.#objects.get(key);
    const age = compareResourceVersions(old?.metadata.resourceVersion, version);
    if (old !== undefined && (age === undefined || age >= 0)) return false;
    this.#written.delete(key);
    this.#written.set(key, version);
    this.#emit(this.#put(key, this.#transform(object, true), 'write'));
    return true;
  }

  /**
   * Carries out a write of ours to the object and takes in its answer. Until then listeners hear nothing of what the
   * watch says of the object; then they hear of it with its source: our own write, or somebody else's.
   */
  async writing(key: string, write: () => Promise<T>): Promise<T> {
    this.#echoes.begin(key);
    let version: string | undefined;
    try {
      const object = await write();
      version = object.metadata.resourceVersion;
      this.observeWrite(object);
      return object;
    } finally {
      this.#tell(this.#echoes.end(key, version));
    }
  }

  // What follows is for the reflector alone.

  /** Transforms; gives back the object that is stored where that is the same version. */
  intern(object: T): T {
    const old = this.#objects.get(keyOf(object.metadata));
    return old !== undefined && sameVersion(old, object) ? old : this.#transform(object, false);
  }

  /**
   * The complete list at `position`: swapped in at once. Our own writes that are newer than the list
   * stay, except where time went backwards (a restored etcd): then the list alone is true.
   */
  replace(items: readonly T[], position: string): void {
    const backwards = (compareResourceVersions(position, this.#position) ?? -1) < 0;
    if (backwards) this.#written.clear();
    // What the list covers, it covers for good; only newer writes of ours are still to be shown.
    for (const [key, version] of this.#written) {
      if ((compareResourceVersions(version, position) ?? -1) <= 0) this.#written.delete(key);
    }
    const gone = new Map(this.#objects);
    const changes: Change<T>[] = [];
    for (const item of items) {
      const key = keyOf(item.metadata);
      gone.delete(key);
      if (!this.#written.has(key)) changes.push(...this.#put(key, item, 'list'));
    }
    for (const key of gone.keys()) {
      if (!this.#written.has(key)) changes.push(...this.#remove(key, 'list'));
    }
    this.#position = position;
    this.#synced = true;
    this.#emit(changes);
    this.#whenSynced.resolve();
  }

  /** An ADDED, MODIFIED or DELETED line of the watch. */
  applyEvent(type: 'put' | 'delete', object: T): void {
    const key = keyOf(object.metadata);
    const version = object.metadata.resourceVersion ?? '';
    const written = this.#written.get(key);
    // Where our own, newer write is there already, this line is history.
    if ((compareResourceVersions(written, version) ?? -1) <= 0) {
      this.#written.delete(key);
      if (type === 'delete') this.#emit(this.#remove(key, 'watch'));
      else this.#emit(this.#put(key, this.intern(object), 'watch'));
    }
    if (version !== '') this.advance(version);
  }

  /**
   * A line that brings this version of the object: true, and done with, where the store has it already, as it has after
   * most of our own writes.
   */
  applyEcho(key: string, uid: string, version: string): boolean {
    const { metadata } = this.#objects.get(key) ?? {};
    if (metadata?.uid !== uid || metadata.resourceVersion !== version) return false;
    this.#written.delete(key);
    this.advance(version);
    return true;
  }

  /** All changes up to `position` have been applied (a bookmark says so, or the line itself). */
  advance(position: string): void {
    this.#position = position;
    this.#settle(position);
  }

  /** The type itself is gone: everything is. */
  clear(): void {
    this.#written.clear();
    const changes: Change<T>[] = [];
    for (const key of [...this.#objects.keys()]) changes.push(...this.#remove(key, 'list'));
    this.#emit(changes);
  }

  /**
   * Writes that the position has passed without the watch having shown them are not part of what this
   * store selects (or never happened): they go.
   */
  #settle(position: string): void {
    for (const [key, version] of this.#written) {
      if ((compareResourceVersions(version, position) ?? -1) > 0) return;
      this.#written.delete(key);
      const stored = this.#objects.get(key);
      if (stored?.metadata.resourceVersion === version) this.#emit(this.#remove(key, 'watch'));
    }
  }

  #put(key: string, object: T, source: ChangeSource): Change<T>[] {
    const old = this.#objects.get(key);
    if (old !== undefined && sameVersion(old, object)) return [];
    this.#objects.set(key, object);
    for (const index of this.#indexes.values()) this.#move(index, key, old, object);
    if (old === undefined) return [{ type: 'added', key, new: object, source }];
    if (old.metadata.uid === object.metadata.uid) {
      return [{ type: 'updated', key, new: object, old, source }];
    }
    return [
      { type: 'deleted', key, old, source },
      { type: 'added', key, new: object, source },
    ];
  }

  #remove(key: string, source: ChangeSource): Change<T>[] {
    const old = this.#objects.get(key);
    if (old === undefined) return [];
    for (const index of this.#indexes.values()) this.#leave(index, key, old);
    this.#objects.delete(key);
    return [{ type: 'deleted', key, old, source }];
  }

  #enter(index: Index<T>, key: string, object: T): void {
    for (const value of this.#valuesOf(index, object)) {
      const keys = index.keys.get(value);
      if (keys === undefined) index.keys.set(value, new Set([key]));
      else keys.add(key);
    }
  }

  #leave(index: Index<T>, key: string, object: T): void {
    for (const value of this.#valuesOf(index, object)) {
      const keys = index.keys.get(value);
      keys?.delete(key);
      if (keys?.size === 0) index.keys.delete(value);
    }
  }

  /** Most changes of an object leave it where it is in every index. */
  #move(index: Index<T>, key: string, old: T | undefined, object: T): void {
    if (old !== undefined) {
      const before = this.#valuesOf(index, old);
      const after = this.#valuesOf(index, object);
      if (before.length === after.length && before.every((v, i) => v === after[i])) return;
      this.#leave(index, key, old);
    }
    this.#enter(index, key, object);
  }

  #valuesOf(index: Index<T>, object: T): readonly string[] {
    try {
      return index.of(object);
    } catch (error) {
      this.#onError(error);
      return [];
    }
  }

  #emit(changes: readonly Change<T>[]): void {
    this.#tell(changes.filter((change) => !this.#echoes.hold(change)));
  }

  #tell(changes: readonly Change<T>[]): void {
    for (const change of changes) {
      for (const listener of this.#listeners) {
        try {
          listener(change);
        } catch (error) {
          this.#onError(error);
        }
      }
    }
  }
}

/** Drops metadata.managedFields, often the larger part of an object, which nobody here reads. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  delete object.metadata.managedFields;
  return object;
}

function sameVersion(a: KubeObject, b: KubeObject): boolean {
  return (
    a.metadata.resourceVersion !== undefined &&
    a.metadata.resourceVersion === b.metadata.resourceVersion &&
    a.metadata.uid === b.metadata.uid
  );
}

/** A listener that throws is a fault of the program; it must be seen, outside of the reflector. */
function crash(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
