// metadata of an object that may not have been to an API server yet.
import type { ObjectMeta } from './resources.ts';

interface Given {
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly generation?: number | undefined;
  readonly [key: string]: unknown;
}

/** What only an API server gives is empty (uid, resourceVersion) or 0 (generation) before it has. */
export function objectMeta(given: Given): ObjectMeta {
  const { namespace, uid, resourceVersion, generation } = given;
  return {
    ...given,
    namespace: namespace ?? 'default',
    uid: uid ?? '',
    resourceVersion: resourceVersion ?? '',
    generation: generation ?? 0,
  };
}
