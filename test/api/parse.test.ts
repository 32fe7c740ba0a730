// parsePool and parseBudget: what the API server says of an object, said offline.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FieldFault } from '../../operator/api/parse.ts';
import { parseBudget } from '../../operator/api/parse-budget.ts';
import { parsePool } from '../../operator/api/parse-pool.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import { budget, pool } from './objects.ts';
import { ruleSamples, schemaSamples } from './samples.ts';

function faultsOf(object: object): readonly FieldFault[] {
  const parsed = (object as { kind: string }).kind === 'ConnectionPool' ? parsePool : parseBudget;
  const result = parsed(object);
  return result.ok ? [] : result.faults;
}

test('Every object that breaks a rule is refused at its field, and its neighbour is accepted', () => {
  for (const { says, at, refused, accepted } of [...ruleSamples, ...schemaSamples]) {
    assert.deepEqual(faultsOf(accepted), [], `accepted beside: ${says}`);
    const faults = faultsOf(refused);
    assert.ok(
      faults.some((fault) => fault.path === at),
      `${says}\nat ${at}, not at ${JSON.stringify(faults)}`,
    );
  }
});

test('Messages say what the API server says, except for parameters, where the value is named too', () => {
  for (const { says, at, refused } of [...ruleSamples, ...schemaSamples]) {
    const messages = faultsOf(refused)
      .filter((fault) => fault.path === at)
      .map((fault) => fault.message);
    if (at.startsWith('spec.parameters.')) continue;
    if (at.startsWith('spec.parameters[')) continue;
    assert.ok(
      messages.some((message) => message.includes(says)),
      `${says}\n${messages.join('\n')}`,
    );
  }
});

test('An unknown parameter is told the nearest name, a managed one the field to use', () => {
  const faults = faultsOf(pool({ parameters: { query_timeot: '1', default_pool_size: '20' } }));
  assert.deepEqual(faults, [
    {
      path: 'spec.parameters.query_timeot',
      message: 'PgBouncer has no parameter "query_timeot": did you mean query_timeout?',
    },
    {
      path: 'spec.parameters.default_pool_size',
      message:
        'default_pool_size is set by Spillway, because it would change how many server connections there can be: use spec.sizing instead',
    },
  ]);
});

test('All faults are told at once', () => {
  const faults = faultsOf(
    pool({ mod: 'session', pooler: { replicas: 1000 }, sizing: { min: 3, max: 2 } }),
  );
  assert.deepEqual(
    faults.map((fault) => fault.path),
    ['spec.pooler.replicas', 'spec.sizing', 'spec.mod'],
  );
});

test('Null is as no field, for a field with a default and for one without', () => {
  const parsed = parsePool(pool({ sizing: null, tls: { client: null }, mode: null }));
  assert.ok(parsed.ok);
  assert.equal(parsed.pool.spec.mode, 'transaction');
  assert.deepEqual(parsed.pool.spec.sizing, { weight: 1 });
  assert.equal(parsed.pool.spec.tls.client, undefined);
});

test('Fields of a newer CRD are dropped where the object comes from an API server', () => {
  const newer = pool({ future: 1, pooler: { future: { x: 1 }, affinity: { podAffinity: {} } } });
  assert.deepEqual(
    faultsOf(newer).map((fault) => fault.path),
    ['spec.pooler.future', 'spec.future'],
  );
  const parsed = parsePool(newer, { unknownFields: 'drop' });
  assert.ok(parsed.ok);
  assert.equal('future' in parsed.pool.spec, false);
  assert.equal('future' in parsed.pool.spec.pooler, false);
  // What is passed on to the pods is of Kubernetes, and nobody's to drop.
  assert.deepEqual(parsed.pool.spec.pooler.affinity, { podAffinity: {} });
});

test('What is passed on keeps the fields that Spillway does not know', () => {
  const terms = [{ topologyKey: 'zone', newer: { x: 1 } }];
  const affinity = {
    podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms },
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { newer: [1] } },
  };
  for (const unknownFields of ['refuse', 'drop'] as const) {
    const parsed = parsePool(pool({ pooler: { affinity } }), { unknownFields });
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.pool.spec.pooler.affinity, affinity);
  }
});

test('Metadata that only an API server gives may be missing, and is kept where it is there', () => {
  const bare = parsePool(pool({}, { namespace: undefined }));
  assert.ok(bare.ok);
  assert.deepEqual(bare.pool.metadata, {
    name: 'shop',
    namespace: 'default',
    uid: '',
    resourceVersion: '',
    generation: 0,
  });
  const full = { name: 'shop', namespace: 'a', uid: 'u', resourceVersion: '7', generation: 2 };
  const labelled = { ...full, labels: { a: 'b' }, finalizers: ['x'] };
  const parsed = parsePool(pool({}, labelled));
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.pool.metadata, labelled);
});

test('An object of another kind or version is refused', () => {
  assert.deepEqual(faultsOf({ ...pool(), apiVersion: 'spillway.dev/v1' }), [
    { path: 'apiVersion', message: 'must be spillway.dev/v1alpha1' },
  ]);
  const parsed = parsePool(budget());
  assert.equal(parsed.ok, false);
});

test('__proto__ as a key is refused wherever it stands', () => {
  const raw: unknown = JSON.parse(
    JSON.stringify(pool({ parameters: { x: '1' } })).replace('"x"', '"__proto__"'),
  );
  const parsed = parsePool(raw);
  assert.ok(!parsed.ok);
  assert.equal(parsed.faults[0]?.path, 'spec.parameters.__proto__');
});

test('Half of a surrogate pair is refused', () => {
  const faults = faultsOf(pool({ users: [{ name: 'a\ud800', secretRef: { name: 'a' } }] }));
  assert.equal(faults[0]?.path, 'spec.users[0].name');
  assert.match(faults[0]?.message ?? '', /not valid Unicode/);
});

test('What is accepted here, PgBouncer can be told', () => {
  const text = fc.string({ unit: 'binary', maxLength: 64 });
  let accepted = 0;
  fc.assert(
    fc.property(text, text, (name, value) => {
      const user = { users: [{ name, secretRef: { name: 'a' } }] };
      if (faultsOf(pool(user)).length === 0) {
        accepted++;
        assert.deepEqual(pgbouncer.checkUserName(name), { ok: true });
      }
      if (faultsOf(pool({ databases: [{ name }] })).length === 0 && name !== '*') {
        assert.deepEqual(pgbouncer.checkDatabaseName(name), { ok: true });
      }
      if (faultsOf(pool({ parameters: { server_check_query: value } })).length === 0) {
        assert.deepEqual(pgbouncer.checkParameter('server_check_query', value), { ok: true });
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(accepted > 100, String(accepted));
});

const mistakes: Readonly<Record<string, readonly [Record<string, unknown>, string, RegExp]>> = {
  'a number beyond all that can be counted': [
    { sizing: { weight: 1e26 } },
    'spec.sizing.weight',
    /^must be at most 1000: /,
  ],
  'a number below all that can be counted': [
    { sizing: { weight: -1e26 } },
    'spec.sizing.weight',
    /^must be at least 1: /,
  ],
  'a quantity beyond all numbers': [
    { sizing: { coresFactor: Number.POSITIVE_INFINITY } },
    'spec.sizing.coresFactor',
    /^must be a number from 0.001 to 9999, /,
  ],
  'a parameter of two lines': [
    { parameters: { query_wait_timeout: '3\n0' } },
    'spec.parameters.query_wait_timeout',
    /^must not have a newline /,
  ],
};
for (const [what, [spec, path, says]] of Object.entries(mistakes)) {
  test(`One mistake is one fault, with the word that helps most: ${what}`, () => {
    const faults = faultsOf(pool(spec));
    assert.deepEqual(
      faults.map((fault) => fault.path),
      [path],
    );
    assert.match(faults[0]?.message ?? '', says);
  });
}

test('No number and no text has two faults, whatever it is', () => {
  const scalar = fc.oneof(fc.double(), fc.bigInt().map(Number), fc.string(), fc.boolean());
  fc.assert(
    fc.property(scalar, fc.string(), (value, name) => {
      const faults = faultsOf(
        pool({
          users: [{ name, secretRef: { name, key: value } }],
          sizing: { weight: value, coresFactor: value, spindles: value, min: value, max: value },
          pooler: { replicas: value, image: name, service: { port: value } },
          parameters: { query_wait_timeout: value, server_check_query: name },
        }),
      );
      const paths = faults.map((fault) => fault.path);
      assert.deepEqual(paths, [...new Set(paths)]);
    }),
    { numRuns: 500 },
  );
});

test('A namespace is judged as the API server would', () => {
  for (const namespace of ['Sh op', '', 'a.b', 'x'.repeat(64), 5, '-a']) {
    const faults = faultsOf(pool({}, { namespace }));
    assert.deepEqual(
      faults.map((fault) => fault.path),
      ['metadata.namespace'],
    );
  }
  assert.deepEqual(faultsOf(pool({}, { namespace: 'x'.repeat(63) })), []);
});

test('Whatever it is given, it answers, and does not change what it was given', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.jsonValue({ maxDepth: 3 }), (spec, status) => {
      const raw = { ...pool(), spec, status };
      const before = JSON.stringify(raw);
      const parsed = parsePool(raw);
      if (!parsed.ok) assert.ok(parsed.faults.length > 0);
      assert.equal(JSON.stringify(raw), before);
      parseBudget(spec);
    }),
    { numRuns: 500 },
  );
});

test('An object that is nested without end is judged without a stack overflow', () => {
  let deep: unknown = 1;
  for (let i = 0; i < 200_000; i++) deep = { x: deep };
  const parsed = parsePool(pool({ postgres: deep, pooler: { affinity: deep } }));
  assert.equal(parsed.ok, false);
});

test('Long hostile strings are judged in time that grows with their length, not faster', () => {
  const long = 'a-'.repeat(200_000);
  const hostile = pool({
    postgres: { endpoint: { host: long } },
    users: [{ name: long, secretRef: { name: `${long}.`, key: long } }],
    pooler: { image: `${'a/'.repeat(200_000)}!`, podLabels: { [long]: long } },
    parameters: { [long]: long, ignore_startup_parameters: 'a,'.repeat(200_000) },
  });
  // A pattern that tries all ways would take hours; the test runner's own timeout is the judge.
  assert.ok(faultsOf(hostile).length > 5);
});
