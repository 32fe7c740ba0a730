// What a renderer returns: a plain JSON object with only the fields that Spillway owns, for
// server-side apply. Also the canonical form, which makes the same input the same bytes.
import { hash } from 'node:crypto';
import { labelsOf, ownerOf } from './labels.ts';
import type { PoolIdentity } from './view.ts';

export type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly [key: string]: Json;
  };
  readonly [key: string]: Json;
}

/** Name, namespace, labels, owner: the same for each object of a pool. */
export function metadataOf(
  pool: PoolIdentity,
  name: string,
  annotations?: Readonly<Record<string, string>>,
): Manifest['metadata'] {
  return {
    name,
    namespace: pool.namespace,
    labels: labelsOf(pool),
    ...(annotations !== undefined && Object.keys(annotations).length > 0
      ? { annotations: sortedKeys(annotations) }
      : {}),
    ownerReferences: [{ ...ownerOf(pool) }],
  };
}

/** The entries in the order of their keys, by code unit: the order of a user's map causes no write. */
export function sortedKeys<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => compare(a, b)));
}

/**
 * A value that a user passes on to Kubernetes, as canonical JSON: keys sorted at every depth, null and
 * undefined left out (in server-side apply a null would claim the field).
 */
export function canonical(value: unknown): Json {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return value;
  }
  if (Array.isArray(value)) return value.filter(isPresent).map(canonical);
  if (typeof value === 'object' && value !== null) {
    const map = value as Readonly<Record<string, unknown>>;
    const entries: [string, Json][] = [];
    for (const key of Object.keys(map).sort()) {
      const item = map[key];
      if (isPresent(item)) entries.push([key, canonical(item)]);
    }
    return Object.fromEntries(entries);
  }
  throw new TypeError(`not JSON: ${typeof value}`);
}

/** Text as the API server wants it in a Secret's data. */
export function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

/**
 * A short hash of an object's bytes, to skip a write that would change nothing. It stays in memory: of a
 * Secret it would let anyone who reads it try passwords.
 */
export function hashOf(manifest: Manifest): string {
  return hash('sha256', JSON.stringify(manifest), 'base64url');
}

/** Code-unit order, which no locale changes. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
