// The state of a pretended API server: objects, one growing revision, and the history that watches
// are fed from, which can be compacted.
import type { KubeObject } from '../../operator/kube/types.ts';

export interface HistoryEntry {
  readonly revision: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly path: string;
  readonly object: KubeObject;
}

/** Objects are kept by the path of their collection and their name. */
export class FakeState {
  revision = 100;
  /** Watches from before this revision are refused with 410. */
  compacted = 0;
  readonly history: HistoryEntry[] = [];
  readonly #objects = new Map<string, KubeObject>();
  readonly #listeners = new Set<(entry: HistoryEntry) => void>();
  #uid = 0;

  get(path: string): KubeObject | undefined {
    return this.#objects.get(path);
  }

  /** `collection` ends with the plural; a collection of all namespaces holds those of each. */
  list(collection: string): { path: string; object: KubeObject }[] {
    return [...this.#objects]
      .filter(([path]) => isIn(path, collection))
      .map(([path, object]) => ({ path, object }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  put(path: string, object: KubeObject): KubeObject {
    const old = this.#objects.get(path);
    const stored = structuredClone(object);
    stored.metadata.uid = old?.metadata.uid ?? `uid-${++this.#uid}`;
    stored.metadata.resourceVersion = String(++this.revision);
    this.#objects.set(path, stored);
    this.#emit({
      revision: this.revision,
      type: old === undefined ? 'ADDED' : 'MODIFIED',
      path,
      object: stored,
    });
    return stored;
  }

  delete(path: string): KubeObject | undefined {
    const old = this.#objects.get(path);
    if (old === undefined) return undefined;
    this.#objects.delete(path);
    const object = structuredClone(old);
    object.metadata.resourceVersion = String(++this.revision);
    this.#emit({ revision: this.revision, type: 'DELETED', path, object });
    return object;
  }

  /** Forgets the history up to now: older watches get 410. */
  compact(): void {
    this.compacted = this.revision;
    this.history.length = 0;
  }

  onEntry(listener: (entry: HistoryEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #emit(entry: HistoryEntry): void {
    this.history.push(entry);
    for (const listener of this.#listeners) listener(entry);
  }
}

/** Is the object at `path` in `collection` (of one namespace, or of all)? */
export function isIn(path: string, collection: string): boolean {
  const cut = path.lastIndexOf('/');
  const parent = path.slice(0, cut);
  return parent === collection || parent.replace(/\/namespaces\/[^/]+/, '') === collection;
}
