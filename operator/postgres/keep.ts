// What a store keeps of an object that an adapter reads: the paths that the adapter names, and who the object is.
import type { ObjectKind, RawObject } from './adapter.ts';
import { asMap, at } from './raw.ts';

/** The object without what the adapter does not read; as it is for a kind that names no paths. */
export function keepRead(kind: ObjectKind, object: RawObject): RawObject {
  if (kind.reads === undefined) return object;
  const { name, namespace, uid, resourceVersion, deletionTimestamp } = object.metadata ?? {};
  const said = { name, namespace, uid, resourceVersion, deletionTimestamp };
  const metadata = Object.fromEntries(Object.entries(said).filter(([, v]) => v !== undefined));
  const kept: Record<string, unknown> = { metadata };
  if (object.apiVersion !== undefined) kept.apiVersion = object.apiVersion;
  if (object.kind !== undefined) kept.kind = object.kind;
  for (const path of kind.reads) put(kept, path, at(object, ...path));
  return kept;
}

function put(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  if (value === undefined) return;
  let inner = target;
  for (const key of path.slice(0, -1)) {
    const next = { ...asMap(inner[key]) };
    inner[key] = next;
    inner = next;
  }
  const last = path.at(-1);
  if (last !== undefined) inner[last] = value;
}
