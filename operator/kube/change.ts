// What a store tells its listeners.
import type { KubeObject } from './types.ts';

/** `source` says how we know: told by the API server, or by the answer of our own write. */
export type Change<T extends KubeObject = KubeObject> =
  | { type: 'added'; key: string; new: T; old?: undefined; source: ChangeSource }
  | { type: 'updated'; key: string; new: T; old: T; source: ChangeSource }
  | { type: 'deleted'; key: string; new?: undefined; old: T; source: ChangeSource };
export type ChangeSource = 'list' | 'watch' | 'write';
