// Building blocks of the resources' schemas. Keys that start with `x-kubernetes-` pass through zod's
// JSON schema into the CRD unchanged, so a rule stands beside the field that it guards.
import * as z from 'zod';
import { nearest } from '../engines/nearest.ts';
import { celRule, matching, type Rule } from './rules.ts';

/** Adds the description, for `kubectl explain` and the reference page. Every field needs one. */
export function described<T extends z.ZodType>(schema: T, description: string): T {
  return schema.meta({ description }) as T;
}

/** Adds rules, after those that the schema has. Before `.optional()` and `.default()`, never after. */
export function ruled<T extends z.ZodType>(schema: T, ...rules: Rule<z.output<T>>[]): T {
  const before = schema.meta()?.['x-kubernetes-validations'] as object[] | undefined;
  return schema
    .superRefine((value, context) => {
      for (const { holds, message, at } of rules) {
        if (holds === undefined || holds(value)) continue;
        context.addIssue({ code: 'custom', message, path: at?.split('.').slice(1) ?? [] });
      }
    })
    .meta({ 'x-kubernetes-validations': [...(before ?? []), ...rules.map(celRule)] }) as T;
}

/** An object with these fields and no others; a misspelt one is told what it should be. */
export function fields<S extends z.core.$ZodLooseShape>(shape: S) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? unknownFields(issue.keys, Object.keys(shape))
        : undefined,
  });
}

/** One line for each key, in their order. */
function unknownFields(keys: readonly string[], known: readonly string[]): string {
  return keys
    .map((key) => {
      const near = nearest(key, known);
      return near === undefined
        ? `there is no such field: remove it (there are ${known.join(', ')})`
        : `there is no such field: did you mean ${near}?`;
    })
    .join('\n');
}

/**
 * An object whose fields belong to Kubernetes itself: those given here are judged, the others passed on
 * as they are, so that fields of a newer Kubernetes can be used at once.
 */
export function passedOn<S extends z.core.$ZodLooseShape>(shape: S) {
  return z.looseObject(shape).meta({ 'x-kubernetes-preserve-unknown-fields': true });
}

/** A list whose items are merged by key, so that two appliers can each own an item. */
export function listMap<T extends z.ZodType>(item: T, keys: readonly string[], maxItems: number) {
  const keyOf = (value: unknown) =>
    JSON.stringify(keys.map((key) => (value as Record<string, unknown>)[key]));
  return z
    .array(item)
    .max(maxItems)
    .superRefine((items, context) => {
      // The API server refuses these by itself.
      const seen = new Set<string>();
      for (const [index, value] of items.entries()) {
        const key = keyOf(value);
        if (seen.has(key)) {
          const message = `${keys.join(' and ')} must be unique, and an entry before has the same: remove one of them`;
          context.addIssue({ code: 'custom', message, path: [index] });
        }
        seen.add(key);
      }
    })
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys });
}

/** A list that one applier owns as a whole. */
export function atomicList<T extends z.ZodType>(item: T, maxItems: number) {
  return z.array(item).max(maxItems).meta({ 'x-kubernetes-list-type': 'atomic' });
}

/** A list of different strings, each owned by who applied it. */
export function setOf<T extends z.ZodType<string>>(item: T, maxItems: number) {
  return z
    .array(item)
    .max(maxItems)
    .refine((items) => new Set(items).size === items.length, {
      error: 'an entry stands twice: remove one of them',
    })
    .meta({ 'x-kubernetes-list-type': 'set' });
}

/** A map from any string; what a key may be is for a rule to say. */
export function mapOf<T extends z.ZodType>(value: T, maxProperties: number) {
  return z
    .record(z.string(), value)
    .refine((map) => Object.keys(map).length <= maxProperties, {
      error: `at most ${maxProperties} entries: remove some`,
    })
    .meta({ maxProperties });
}

/**
 * A string of `min` to `max` characters, counted as the API server does (code points), while
 * JavaScript's own length counts a character beyond U+FFFF twice.
 */
export function text(max: number, min = 1) {
  return z
    .string()
    .refine((value) => value.isWellFormed(), {
      error: 'is not valid Unicode: it has half of a surrogate pair',
    })
    .refine((value) => value.length >= min, {
      error: 'must not be empty: give it a value, or remove it',
    })
    .refine((value) => value.length <= max || [...value.slice(0, 2 * max + 1)].length <= max, {
      error: `must have at most ${max} characters: shorten it`,
      // As at the API server no rule sees it then, so that no pattern runs over megabytes.
      abort: true,
    })
    .meta({ ...(min > 0 ? { minLength: min } : {}), maxLength: max });
}

/**
 * Text of one form. The pattern goes into the CRD for editors and linters, and once more as a rule,
 * because the API server's own word on a pattern is only the pattern.
 */
export function patterned(max: number, pattern: RegExp, message: string) {
  return ruled(text(max), matching(pattern, message)).meta({ pattern: pattern.source });
}

/** A number of things. */
export const counted = (description: string) => described(z.int().min(0), description);
