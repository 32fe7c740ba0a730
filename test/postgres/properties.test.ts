// What holds for every adapter and every object.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RawObject, Role } from '../../operator/postgres/adapter.ts';
import { keepRead } from '../../operator/postgres/keep.ts';
import { adapters, readKinds } from '../../operator/postgres/table.ts';
import { lookupOf, samples } from './objects.ts';

const roles: readonly Role[] = ['primary', 'replicas'];
const clusterDomain = 'cluster.local';

/** Every path of an object, down to its leaves. */
function pathsOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))];
}

function replaced(value: unknown, path: readonly string[], by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  if (Array.isArray(value))
    return value.map((v, i) => (String(i) === key ? replaced(v, rest, by) : v));
  const map = value as Record<string, unknown>;
  return { ...map, [key]: replaced(map[key], rest, by) };
}

/** What is nearly right: the ends of numbers, quantities of all sizes, words of programs. */
const odd = fc.oneof(
  fc.maxSafeInteger(),
  fc.maxSafeInteger().map(String),
  fc.double(),
  fc.constantFrom('1e99', '9e15', '0', '1n', '0.0001', '-1', '1Ki', '__proto__'),
  fc.constantFrom({ toString: null }, { constructor: 1 }, [null], [[]]),
);

/** A sample object in which anything stands where something else should. */
const broken = fc.constantFrom(...samples).chain(([adapter, { full, related }]) =>
  fc
    .constantFrom(...pathsOf({ spec: full.spec, status: full.status }))
    .chain((path) => fc.record({ path: fc.constant(path), by: fc.oneof(fc.jsonValue(), odd) }))
    .map(({ path, by }) => ({
      adapter,
      raw: { ...full, ...(replaced({ spec: full.spec, status: full.status }, path, by) as object) },
      related,
    })),
);

test('whatever stands in an object, the answer is facts or a fault, never a throw', () => {
  fc.assert(
    fc.property(broken, fc.constantFrom(...roles), ({ adapter, raw, related }, role) => {
      const found = adapter.facts(raw, role, { clusterDomain, lookup: lookupOf(...related) });
      if (!found.ok) {
        assert.match(found.fault.reason, /^[A-Z][A-Za-z]+$/);
        return;
      }
      const { facts } = found;
      assert.ok(facts.host.length > 0 && facts.host.length < 20_000);
      for (const number of [
        facts.port,
        facts.instances,
        facts.replicas,
        facts.maxConnections.value,
        facts.reservedConnections.value,
        facts.milliCores?.value ?? 1,
      ]) {
        assert.ok(Number.isSafeInteger(number) && number >= 0, `${number}`);
      }
      assert.ok((facts.milliCores?.value ?? 1) > 0);
      for (const user of facts.users ?? []) assert.ok(user.name !== '' && user.secret !== '');
    }),
    { numRuns: 1000 },
  );
});

test('an object whose words are those of a program is only data', () => {
  const [adapter, { bare }] = samples[0];
  const cpu = { toString: null, valueOf: null };
  const spec = { instances: 1, resources: { limits: { cpu } } };
  const context = { clusterDomain, lookup: () => undefined };
  const found = adapter.facts({ ...bare, spec }, 'primary', context);
  assert.ok(found.ok && found.facts.milliCores === undefined);
});

test('related objects may be anything too', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...samples),
      fc.jsonValue(),
      fc.jsonValue(),
      (sample, spec, status) => {
        const [adapter, { full }] = sample;
        const lookup = (): RawObject => ({ spec, status });
        for (const role of roles) {
          assert.equal(typeof adapter.facts(full, role, { clusterDomain, lookup }).ok, 'boolean');
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('an object without a name is malformed for every kind', () => {
  for (const adapter of adapters) {
    for (const metadata of [undefined, {}, { name: 'db' }, { namespace: 'data' }]) {
      const raw = metadata === undefined ? {} : { metadata };
      const found = adapter.facts(raw, 'primary', { clusterDomain, lookup: () => undefined });
      assert.equal(found.ok ? '' : found.fault.reason, 'PostgresMalformed');
    }
  }
});

test('what a store keeps of an object is enough for the same facts', () => {
  const kinds = new Map(readKinds().map((kind) => [kind.kind, kind]));
  const kept = (raw: RawObject) => {
    const kind = kinds.get(raw.kind ?? '');
    return kind === undefined ? raw : keepRead(kind, raw);
  };
  fc.assert(
    fc.property(broken, fc.constantFrom(...roles), ({ adapter, raw, related }, role) => {
      const facts = (object: RawObject, others: readonly RawObject[]) =>
        adapter.facts(object, role, { clusterDomain, lookup: lookupOf(...others) });
      assert.deepEqual(facts(kept(raw), related.map(kept)), facts(raw, related));
    }),
    { numRuns: 500 },
  );
});

test('nothing that is not read is kept', () => {
  for (const [adapter, { full }] of samples) {
    const secret = { ...full, spec: { ...(full.spec as object), extra: 'large' }, other: 'large' };
    assert.doesNotMatch(JSON.stringify(keepRead(adapter, secret)), /large/);
    const { annotations } = keepRead(adapter, {
      ...full,
      metadata: { ...full.metadata, annotations: { 'kubectl.kubernetes.io/x': 'large' } },
    }).metadata as { annotations?: object };
    assert.deepEqual(annotations ?? {}, {});
  }
});
