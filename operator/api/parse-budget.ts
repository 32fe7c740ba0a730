// A ConnectionBudget from a raw object: typed, with every default, or everything that is wrong with it.
import { connectionBudget } from './manifests.ts';
import { type FieldFault, type ParseOptions, parse } from './parse.ts';
import { objectMeta } from './parse-metadata.ts';
import type { ConnectionBudget } from './resources.ts';

export type ParsedBudget =
  | { readonly ok: true; readonly budget: ConnectionBudget }
  | { readonly ok: false; readonly faults: readonly FieldFault[] };

/** Judges as the API server does (all rules but those about a change). Total. */
export function parseBudget(raw: unknown, options?: ParseOptions): ParsedBudget {
  const parsed = parse(connectionBudget, raw, options);
  if (!parsed.ok) return parsed;
  const { metadata, spec, status = {} } = parsed.value;
  return { ok: true, budget: { metadata: objectMeta(metadata), spec, status } };
}
