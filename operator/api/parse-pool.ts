// A ConnectionPool from a raw object: typed, with every default, or everything that is wrong with it.
import { connectionPool } from './manifests.ts';
import { type FieldFault, type ParseOptions, parse } from './parse.ts';
import { objectMeta } from './parse-metadata.ts';
import type { ConnectionPool } from './resources.ts';

export type ParsedPool =
  | { readonly ok: true; readonly pool: ConnectionPool }
  | { readonly ok: false; readonly faults: readonly FieldFault[] };

/** Judges as the API server does (all rules but those about a change). Total. */
export function parsePool(raw: unknown, options?: ParseOptions): ParsedPool {
  const parsed = parse(connectionPool, raw, options);
  if (!parsed.ok) return parsed;
  const { metadata, spec, status = {} } = parsed.value;
  return { ok: true, pool: { metadata: objectMeta(metadata), spec, status } };
}
