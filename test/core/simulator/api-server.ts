// The simulated API server: every version of every object, and compare-and-swap on its resourceVersion.
import type { ApiObject } from './objects.ts';

export interface Version {
  /** 0 before the object was first made. */
  readonly resourceVersion: number;
  /** Undefined: it does not exist. */
  readonly object: ApiObject | undefined;
}

const never: Version = { resourceVersion: 0, object: undefined };
const neverMade: readonly Version[] = [never];

export class ApiServer {
  #last = 0;
  #uids = 0;
  readonly #histories = new Map<string, Version[]>();

  uid(): string {
    this.#uids += 1;
    return `u${this.#uids}`;
  }

  history(key: string): readonly Version[] {
    return this.#histories.get(key) ?? neverMade;
  }

  /** Index of the present version in its history. */
  newest(key: string): number {
    return this.history(key).length - 1;
  }

  version(key: string, index: number): Version {
    return this.history(key)[index] ?? never;
  }

  read<K extends ApiObject['kind']>(
    key: string,
    kind: K,
  ): Extract<ApiObject, { kind: K }> | undefined {
    return narrow(this.version(key, this.newest(key)).object, kind);
  }

  /** A write that carries no version: of users, controllers, the garbage collector. */
  put(key: string, object: ApiObject | undefined): true {
    this.#last += 1;
    const history = this.#histories.get(key) ?? [never];
    history.push({ resourceVersion: this.#last, object });
    this.#histories.set(key, history);
    return true;
  }

  /** Succeeds only while the present version is the one that was read. */
  swap(key: string, resourceVersion: number, object: ApiObject): boolean {
    const present = this.version(key, this.newest(key));
    if (present.resourceVersion !== resourceVersion || present.object === undefined) return false;
    return this.put(key, object);
  }

  /** A POST: fails where the object exists. */
  create(key: string, object: ApiObject): boolean {
    if (this.version(key, this.newest(key)).object !== undefined) return false;
    return this.put(key, object);
  }
}

export function narrow<K extends ApiObject['kind']>(
  object: ApiObject | undefined,
  kind: K,
): Extract<ApiObject, { kind: K }> | undefined {
  return object?.kind === kind ? (object as Extract<ApiObject, { kind: K }>) : undefined;
}
