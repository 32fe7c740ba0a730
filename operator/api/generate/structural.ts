// From zod's JSON schema to the structural OpenAPI v3 schema that a CRD takes. Strict: a keyword that
// Kubernetes would refuse or read in another way is an error that names its path, never passed on.

/** A JSON schema as `z.toJSONSchema` gives it: any keyword. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** A schema of a CRD, with its keywords in the order in which they are written. */
export interface StructuralSchema {
  readonly description?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly format?: string;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: StructuralSchema;
  readonly items?: StructuralSchema;
  readonly anyOf?: readonly { readonly type: string }[];
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: string;
  readonly 'x-kubernetes-validations'?: readonly object[];
}

/** Also the order in which they are written. */
const keywords = [
  'description',
  'type',
  'format',
  'anyOf',
  'default',
  'enum',
  'pattern',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'required',
  'properties',
  'additionalProperties',
  'items',
  'x-kubernetes-int-or-string',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-validations',
] as const;
const known: ReadonlySet<string> = new Set(keywords);

/** Throws, with the path and the reason, for what a CRD cannot say. */
export function structural(schema: JsonSchema, path = 'spec'): StructuralSchema {
  const out: Record<string, unknown> = { ...schema };
  // Keys of a map are strings in Kubernetes; more about them must be said by a rule.
  delete out.propertyNames;
  if (out['x-kubernetes-int-or-string'] === true) intOrString(out, path);
  if (Array.isArray(out.anyOf) && out['x-kubernetes-int-or-string'] !== true) {
    throw fault(path, 'a union has no structural form: use one type and a pattern or a rule');
  }
  object(out, path);
  if (out.type === 'array') {
    if (!isSchema(out.items)) throw fault(path, 'a list needs one schema for its items');
    if (out['x-kubernetes-list-type'] === undefined) {
      throw fault(path, 'say how lists merge: x-kubernetes-list-type map, set or atomic');
    }
    if (out.maxItems === undefined) throw fault(path, 'a list needs a bound: maxItems');
    out.items = structural(out.items, `${path}[]`);
  }
  if (out.type === 'integer') integer(out);
  if (out.type === 'number') throw fault(path, 'floats do not belong in an API: use a quantity');
  if (typeof out.pattern === 'string') assertRe2(out.pattern, path);
  if (out.default !== undefined) out.default = filled(out.default, out);
  for (const keyword of Object.keys(out)) {
    if (!known.has(keyword)) throw fault(path, `a CRD has no keyword ${keyword}`);
  }
  return Object.fromEntries(
    keywords.filter((k) => out[k] !== undefined).map((k) => [k, out[k]]),
  ) as StructuralSchema;
}

function object(out: Record<string, unknown>, path: string): void {
  if (out.type !== 'object') return;
  if (out['x-kubernetes-preserve-unknown-fields'] === true || out.additionalProperties === false) {
    delete out.additionalProperties;
  }
  if (isSchema(out.additionalProperties)) {
    if (out.properties !== undefined) {
      throw fault(path, 'a map cannot also have fields of its own');
    }
    if (out.maxProperties === undefined) throw fault(path, 'a map needs a bound: maxProperties');
    out.additionalProperties = structural(out.additionalProperties, `${path}{}`);
  }
  if (out.properties === undefined) return;
  const properties = Object.entries(out.properties as Record<string, JsonSchema>);
  out.properties = Object.fromEntries(
    properties.map(([name, child]) => {
      const at = `${path}.${name}`;
      if (typeof child.description !== 'string') throw fault(at, 'a field needs a description');
      return [name, structural(child, at)];
    }),
  );
}

/**
 * A default with the defaults of its fields: the API server applies them too, but judges the default by
 * the rules as it stands here.
 */
function filled(value: unknown, schema: StructuralSchema | Record<string, unknown>): unknown {
  const properties = schema.properties as Readonly<Record<string, StructuralSchema>> | undefined;
  if (properties === undefined || !isSchema(value)) return value;
  const defaults = Object.entries(properties).flatMap(([name, child]) =>
    child.default === undefined ? [] : [[name, child.default] as const],
  );
  return { ...Object.fromEntries(defaults), ...value };
}

/**
 * The one union that Kubernetes has. The bounds of both branches go beside it: minimum and maximum
 * judge only numbers, pattern and maxLength only strings.
 */
function intOrString(out: Record<string, unknown>, path: string): void {
  const branches = Array.isArray(out.anyOf) ? (out.anyOf as JsonSchema[]) : [];
  const types = branches.map((branch) => branch.type);
  if (types.join() !== 'integer,string') {
    throw fault(path, 'an int-or-string is the union of an integer and a string, in this order');
  }
  for (const { type: _, ...bounds } of branches) Object.assign(out, bounds);
  out.anyOf = [{ type: 'integer' }, { type: 'string' }];
}

/** zod writes the bounds of a safe integer where the schema has none. */
function integer(out: Record<string, unknown>): void {
  if (out.maximum === Number.MAX_SAFE_INTEGER) delete out.maximum;
  if (out.minimum === Number.MIN_SAFE_INTEGER) delete out.minimum;
  out.format = Number(out.maximum ?? Number.POSITIVE_INFINITY) < 2 ** 31 ? 'int32' : 'int64';
}

/** The API server reads patterns by RE2, which has no look-around and no references back. */
export function assertRe2(pattern: string, path: string): void {
  if (/\(\?([=!]|<[=!])|\\[1-9]|\\k</.test(pattern)) {
    throw fault(path, `RE2 cannot read the pattern ${pattern}: it has no look-around, no \\1`);
  }
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fault(path: string, reason: string): Error {
  return new Error(`${path}: ${reason}`);
}
