// Raw objects judged as the API server would, with every fault at once: a path and a sentence with the fix.
import type * as z from 'zod';
import { nearest } from '../engines/nearest.ts';
import { isMap, prune } from './prune.ts';

export interface FieldFault {
  /** From the root of the object: `spec.users[0].name`. */
  readonly path: string;
  /** What is wrong, and what to write instead. */
  readonly message: string;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly faults: readonly FieldFault[] };

export interface ParseOptions {
  /**
   * Fields that this version does not know: 'refuse' for what people wrote, with the nearest name;
   * 'drop' for objects from an API server, whose CRD may be newer than this process.
   */
  readonly unknownFields?: 'refuse' | 'drop';
}

/** Total: whatever `raw` is, the answer is a value or at least one fault. */
export function parse<T extends z.ZodType>(
  schema: T,
  raw: unknown,
  { unknownFields = 'refuse' }: ParseOptions = {},
): Parsed<z.output<T>> {
  const strange = prototypeKey(raw);
  if (strange !== undefined) {
    const message = 'a key cannot be named __proto__: remove it';
    return { ok: false, faults: [{ path: formatPath(strange), message }] };
  }
  const pruned = prune(raw, schema, { unknownFields: unknownFields === 'drop' });
  // The input of each issue makes better sentences; it stays in this function.
  const result = schema.safeParse(pruned, { reportInput: true });
  if (result.success) return { ok: true, value: result.data };
  const byPath = Map.groupBy(result.error.issues, ({ path }) => formatPath(path));
  const issues = [...byPath.values()].flatMap((same) => worthSaying(same, pruned));
  return { ok: false, faults: issues.flatMap((issue) => faultsOf(issue)) };
}

/**
 * Of what is wrong with one number or text, the first thing is said, and of several bounds the tightest: it is one
 * mistake. A map or a list can have several mistakes. All issues are of one path.
 */
function worthSaying(issues: readonly z.core.$ZodIssue[], raw: unknown): z.core.$ZodIssue[] {
  const [first] = issues;
  if (first === undefined || issues.length === 1) return [...issues];
  const value = first.path.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key],
    raw,
  );
  if (typeof value === 'object') return [...issues];
  const [bound] = issues
    .filter((issue) => issue.code === 'too_big' || issue.code === 'too_small')
    .sort((a, b) => distance(a) - distance(b));
  return [bound ?? first];
}

/** How far from 0 a bound is: those of what a number can be at all are the farthest. */
function distance(issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall): number {
  return Math.abs(Number(issue.code === 'too_big' ? issue.maximum : issue.minimum));
}

function faultsOf(issue: z.core.$ZodIssue): FieldFault[] {
  if (issue.code === 'unrecognized_keys') {
    const messages = issue.message.split('\n');
    return issue.keys.map((key, index) => ({
      path: formatPath([...issue.path, key]),
      message: messages[index] ?? issue.message,
    }));
  }
  return [{ path: formatPath(issue.path), message: sentence(issue) }];
}

function sentence(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue.expected, issue.input);
    case 'invalid_value': {
      const values = issue.values.map(String);
      if (issue.input === undefined) return `is required: use ${values.join(', ')}`;
      const near = typeof issue.input === 'string' ? nearest(issue.input, values) : undefined;
      return near === undefined || values.length === 1
        ? `must be ${values.length === 1 ? '' : 'one of '}${values.join(', ')}`
        : `must be one of ${values.join(', ')}: did you mean ${near}?`;
    }
    case 'too_small':
      return issue.origin === 'array'
        ? `must have at least ${counted(Number(issue.minimum))}: add one, or remove the field`
        : `must be at least ${issue.minimum}: raise it`;
    case 'too_big':
      return issue.origin === 'array'
        ? `must have at most ${counted(Number(issue.maximum))}: remove some`
        : `must be at most ${issue.maximum}: lower it`;
    case 'invalid_union':
      // No input, no number: then it was not given at all.
      return issue.input === undefined ? 'is required: set it' : issue.message;
    default:
      return issue.message;
  }
}

const articles: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a whole number',
  string: 'a string',
  object: 'a map of fields',
  record: 'a map',
  array: 'a list',
};

function wrongType(expected: string, input: unknown): string {
  if (input === undefined) return 'is required: set it';
  const wanted = `must be ${articles[expected] ?? expected}`;
  if (expected === 'string' && ['number', 'boolean'].includes(typeof input)) {
    return `${wanted}: put it in quotes, "${String(input)}"`;
  }
  if (typeof input === 'string' && ['int', 'number'].includes(expected)) {
    return /^[0-9]+$/.test(input) ? `${wanted}: remove the quotes` : wanted;
  }
  return wanted;
}

function counted(n: number): string {
  return n === 1 ? '1 entry' : `${n} entries`;
}

/** `spec.users[0].name`; a key that is not a plain word stands in quotes. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => {
      if (typeof part === 'number') return `[${part}]`;
      const name = String(part);
      if (!/^[-_A-Za-z0-9]+$/.test(name)) return `[${JSON.stringify(name)}]`;
      return index === 0 ? name : `.${name}`;
    })
    .join('');
}

/**
 * A key that JavaScript gives another meaning, and that the schemas would pass over without a word.
 * Without recursion, because an object that nobody has judged yet may be nested without end.
 */
function prototypeKey(raw: unknown): PropertyKey[] | undefined {
  const open: Place[] = [{ value: raw }];
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const { value } = place;
    if (Array.isArray(value)) {
      for (const [index, child] of value.entries()) {
        if (typeof child === 'object') open.push({ value: child, key: index, parent: place });
      }
    } else if (isMap(value)) {
      for (const key of Object.keys(value)) {
        if (key === '__proto__') return [...pathOf(place), key];
        const child = value[key];
        if (typeof child === 'object') open.push({ value: child, key, parent: place });
      }
    }
  }
  return undefined;
}

interface Place {
  readonly value: unknown;
  readonly key?: PropertyKey;
  readonly parent?: Place;
}

function pathOf(place: Place): PropertyKey[] {
  const path: PropertyKey[] = [];
  for (let at: Place | undefined = place; at?.key !== undefined; at = at.parent) path.push(at.key);
  return path.reverse();
}
