// Our own writes come back in the watch, and often before their answer: whether a change is ours is known only when
// the answer is there. So while a write to an object is under way, what the watch tells of that object is held back.
import type { Change } from './change.ts';
import type { KubeObject } from './types.ts';

interface Writing<T extends KubeObject> {
  count: number;
  readonly held: Change<T>[];
  /** resourceVersions that our writes have made. */
  readonly ours: Set<string>;
}

export class Echoes<T extends KubeObject> {
  readonly #writing = new Map<string, Writing<T>>();

  /** A write to the object begins; each needs its `end`. */
  begin(key: string): void {
    const writing = this.#writing.get(key);
    if (writing !== undefined) writing.count++;
    else this.#writing.set(key, { count: 1, held: [], ours: new Set() });
  }

  /** Whether the change was taken to be told later. */
  hold(change: Change<T>): boolean {
    if (change.source !== 'watch') return false;
    const writing = this.#writing.get(change.key);
    writing?.held.push(change);
    return writing !== undefined;
  }

  /**
   * The write has ended; `version` is what it has made, left out when it failed. Returns what has to be told now:
   * everything that was held, and what is ours as such.
   */
  end(key: string, version: string | undefined): readonly Change<T>[] {
    const writing = this.#writing.get(key);
    if (writing === undefined) return [];
    if (version !== undefined) writing.ours.add(version);
    writing.count--;
    if (writing.count > 0) return [];
    this.#writing.delete(key);
    return writing.held.map((change) =>
      writing.ours.has(change.new?.metadata.resourceVersion ?? '')
        ? { ...change, source: 'write' }
        : change,
    );
  }
}
