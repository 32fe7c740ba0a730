// What is generated from the schemas: that it is checked in, deterministic and readable by others, and
// that the conversion refuses what a CRD cannot say.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { load } from 'js-yaml';
import * as z from 'zod';
import { DEFAULT_MAX_CLIENTS } from '../../operator/api/clients.ts';
import { connectionPoolSpec } from '../../operator/api/connection-pool.ts';
import { resources, schemaOf } from '../../operator/api/generate/crd.ts';
import { generatedFiles } from '../../operator/api/generate/files.ts';
import { assertRe2, type JsonSchema, structural } from '../../operator/api/generate/structural.ts';
import { poolTexts } from '../../operator/api/manifests.ts';
import { described, fields } from '../../operator/api/meta.ts';

const root = join(import.meta.dirname, '../..');

test('The checked-in files are what the schemas generate: npm run generate', () => {
  for (const [path, text] of generatedFiles()) {
    assert.equal(readFileSync(join(root, path), 'utf8'), text, path);
  }
});

test('Two runs give the same bytes', () => {
  assert.deepEqual([...generatedFiles()], [...generatedFiles()]);
});

test("The chart's CRDs differ from the others only in that Helm keeps them", () => {
  const files = generatedFiles();
  for (const [path, text] of files) {
    if (!path.startsWith('crds/')) continue;
    const kept = load(files.get(`charts/spillway/files/${path}`) ?? '') as {
      metadata: { annotations?: unknown };
    };
    assert.deepEqual(kept.metadata.annotations, { 'helm.sh/resource-policy': 'keep' });
    delete kept.metadata.annotations;
    assert.deepEqual(kept, load(text));
    // Helm hands it out as it is; an action in it would be run by other tools that template files.
    assert.doesNotMatch(text, /\{\{/);
  }
});

test('No string of a CRD is one that a YAML 1.1 parser reads as something else', () => {
  for (const [path, text] of generatedFiles()) {
    if (!path.endsWith('.yaml')) continue;
    const plain = /^\s*(?:- |[\w-]+: )(y|n|yes|no|on|off|~|[0-9]+:[0-9:]+|0o?[0-9]+)$/im.exec(text);
    assert.equal(plain, null, path);
  }
});

const conversions: Readonly<Record<string, { from: JsonSchema; to: object }>> = {
  'A bounded integer gets the smallest format': {
    from: { type: 'integer', minimum: 0, maximum: 10 },
    to: { type: 'integer', format: 'int32', minimum: 0, maximum: 10 },
  },
  "An unbounded integer loses zod's bounds and is an int64": {
    from: {
      type: 'integer',
      minimum: Number.MIN_SAFE_INTEGER,
      maximum: Number.MAX_SAFE_INTEGER,
    },
    to: { type: 'integer', format: 'int64' },
  },
  'An int-or-string is the one union, with the bounds of both beside it': {
    from: {
      'x-kubernetes-int-or-string': true,
      anyOf: [
        { type: 'integer', minimum: 0, maximum: 9 },
        { type: 'string', pattern: '^x$', maxLength: 3 },
      ],
    },
    to: {
      anyOf: [{ type: 'integer' }, { type: 'string' }],
      pattern: '^x$',
      minimum: 0,
      maximum: 9,
      maxLength: 3,
      'x-kubernetes-int-or-string': true,
    },
  },
  'A strict object loses additionalProperties: false, which a CRD does not know': {
    from: {
      type: 'object',
      properties: { a: { type: 'string', description: 'A.' } },
      required: ['a'],
      additionalProperties: false,
    },
    to: {
      type: 'object',
      required: ['a'],
      properties: { a: { description: 'A.', type: 'string' } },
    },
  },
  'A map keeps the schema of its values and loses that of its keys': {
    from: {
      type: 'object',
      propertyNames: { type: 'string' },
      additionalProperties: { type: 'string' },
      maxProperties: 3,
    },
    to: { type: 'object', maxProperties: 3, additionalProperties: { type: 'string' } },
  },
  'A default has the defaults of its fields in it, because rules judge it as it stands': {
    from: {
      type: 'object',
      default: { b: 2 },
      properties: {
        a: { type: 'string', default: 'x', description: 'A.' },
        b: { type: 'string', default: 'y', description: 'B.' },
        c: { type: 'string', description: 'C.' },
      },
    },
    to: {
      type: 'object',
      default: { a: 'x', b: 2 },
      properties: {
        a: { description: 'A.', type: 'string', default: 'x' },
        b: { description: 'B.', type: 'string', default: 'y' },
        c: { description: 'C.', type: 'string' },
      },
    },
  },
};
for (const [name, { from, to }] of Object.entries(conversions)) {
  test(name, () => assert.equal(JSON.stringify(structural(from)), JSON.stringify(to)));
}

const refusals: Readonly<Record<string, { from: JsonSchema; why: RegExp }>> = {
  'A union is refused': {
    from: { anyOf: [{ type: 'string' }, { type: 'boolean' }] },
    why: /^Error: spec: a union has no structural form/,
  },
  'A field without a description is refused, by its path': {
    from: { type: 'object', properties: { a: { type: 'string' } } },
    why: /^Error: spec\.a: a field needs a description/,
  },
  'A list without a bound is refused': {
    from: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
    why: /maxItems/,
  },
  'A list that does not say how it merges is refused': {
    from: { type: 'array', items: { type: 'string' }, maxItems: 1 },
    why: /x-kubernetes-list-type/,
  },
  'A map without a bound is refused': {
    from: { type: 'object', additionalProperties: { type: 'string' } },
    why: /maxProperties/,
  },
  'A map with fields of its own is refused': {
    from: {
      type: 'object',
      properties: {},
      additionalProperties: { type: 'string' },
      maxProperties: 1,
    },
    why: /cannot also have fields/,
  },
  'A float is refused': { from: { type: 'number' }, why: /floats do not belong/ },
  'A reference is refused': { from: { $ref: '#/x' }, why: /no keyword \$ref/ },
  'Look-around in a pattern is refused': {
    from: { type: 'string', pattern: '^(?!a)' },
    why: /RE2 cannot read/,
  },
};
for (const [name, { from, why }] of Object.entries(refusals)) {
  test(name, () => assert.throws(() => structural(from), why));
}

test('A schema in zod comes out with its description, bounds and default', () => {
  const schema = fields({
    port: described(z.int().min(1).max(65535).default(5432), 'The port.'),
  });
  const json = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }) as JsonSchema;
  assert.deepEqual(structural(json).properties, {
    port: {
      description: 'The port.',
      type: 'integer',
      format: 'int32',
      default: 5432,
      minimum: 1,
      maximum: 65535,
    },
  });
});

test('Every rule has a message that ends with what to do, in one line', () => {
  for (const resource of resources) {
    const text = JSON.stringify(schemaOf(resource));
    for (const [, rule] of text.matchAll(/"x-kubernetes-validations":(\[.*?\}\])/g)) {
      for (const { message } of JSON.parse(rule ?? '[]') as { message: string }[]) {
        assert.match(message, /^[^\n]{10,}$/);
      }
    }
  }
});

test('What kubectl explain says of the defaults is what an almost empty spec gets, and its example is one', () => {
  const least = {
    postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'shop-db' } },
    users: [{ name: 'shop', secretRef: { name: 'shop-app' } }],
  };
  const { mode, databases, pooler, sizing } = connectionPoolSpec.parse(least);
  for (const words of [
    'clusterRef: apiGroup apps, kind StatefulSet, name shop-db',
    'the name shop, and secretRef.name shop-app',
    `mode ${mode}`,
    `databases "${databases.map(({ name }) => name).join()}"`,
    `pooler.replicas ${pooler.replicas}`,
    `port ${pooler.service.port}`,
    `sizing.weight ${sizing.weight}`,
    `${DEFAULT_MAX_CLIENTS} clients for each pod`,
  ]) {
    assert.ok(poolTexts.spec.includes(words), words);
  }
});

test('A pattern with what RE2 does not have is found', () => {
  for (const pattern of ['(?=a)', '(?<!a)', '(a)\\1', '\\k<x>']) {
    assert.throws(() => assertRe2(pattern, 'x'));
  }
  assertRe2('^(?i)[a-z]\\.(?:x)$', 'x');
});
