// What the API server does to an object before it judges it: null is as no field and no entry at all, and
// (where asked) unknown fields are dropped. Not in what is passed on. The input is not changed.
import * as z from 'zod';

export interface Pruning {
  /** Drop fields that the schema does not know, as of an object that a newer API server gave. */
  readonly unknownFields: boolean;
}

export function prune(value: unknown, schema: z.core.$ZodType, pruning: Pruning): unknown {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject && isMap(value)) {
    const shape: Readonly<Record<string, z.core.$ZodType>> = inner.shape;
    // A loose object has a catch-all, and takes everything as it is.
    const drop = pruning.unknownFields && inner.def.catchall?._zod.def.type === 'never';
    return mapped(value, (key, child) => {
      const known = Object.hasOwn(shape, key) ? shape[key] : undefined;
      if (known === undefined) return drop ? undefined : child;
      return child === null ? undefined : prune(child, known, pruning);
    });
  }
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    const items = value.map((child) => prune(child, inner.element, pruning));
    return items.every((item, index) => item === value[index]) ? value : items;
  }
  if (inner instanceof z.ZodRecord && isMap(value)) {
    return mapped(value, (_, child) =>
      child === null ? undefined : prune(child, inner.valueType, pruning),
    );
  }
  return value;
}

/** The schema below `.optional()` and `.default()`. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (
    inner instanceof z.ZodOptional ||
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodPrefault
  ) {
    inner = inner.def.innerType;
  }
  return inner;
}

/** The same object while nothing changes; undefined drops an entry. */
function mapped(
  map: Readonly<Record<string, unknown>>,
  change: (key: string, value: unknown) => unknown,
): Readonly<Record<string, unknown>> {
  let out: [string, unknown][] | undefined;
  const entries = Object.entries(map);
  for (const [index, [key, value]] of entries.entries()) {
    const next = change(key, value);
    if (next !== value) out ??= entries.slice(0, index);
    if (next !== undefined) out?.push([key, next]);
  }
  return out === undefined ? map : Object.fromEntries(out);
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
