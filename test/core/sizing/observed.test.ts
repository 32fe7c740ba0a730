// What a server said of itself beside what its object says: never more than the server has, never more than its owner
// wants.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ASKED,
  isAsked,
  isPending,
  leastOf,
  type ObservedLimits,
  withObserved,
} from '../../../operator/core/sizing/observed.ts';
import { sizeServer } from '../../../operator/core/sizing/size-server.ts';
import type { ServerFacts, Sourced } from '../../../operator/postgres/adapter.ts';

const said = (value: number): Sourced<number> => ({
  value,
  source: 'the parameters of Cluster a/b',
});
const assumed = (value: number): Sourced<number> => ({ ...said(value), assumed: true });

function facts(maxConnections: Sourced<number>, reserved = assumed(3)): ServerFacts {
  return {
    host: 'db',
    port: 5432,
    instances: 1,
    replicas: 0,
    milliCores: { value: 64_000, source: 'a test' },
    maxConnections,
    reservedConnections: reserved,
  };
}

function observed(maxConnections: number, more: Partial<ObservedLimits> = {}): ObservedLimits {
  return { maxConnections, superuserReserved: 3, reserved: 0, inRecovery: false, ...more };
}

test('a server that was not asked leaves the facts as they are', () => {
  const before = facts(said(100));
  assert.equal(withObserved(before, undefined, 'primary'), before);
});

const notYet = `${ASKED}, which does not have the 300 of the parameters of Cluster a/b yet`;
const limits: readonly (readonly [string, Sourced<number>, number, number, string])[] = [
  ['a default gives way to more', assumed(100), 500, 500, ASKED],
  ['a default gives way to less', assumed(100), 40, 40, ASKED],
  ['what is said and true keeps its source', said(200), 200, 200, said(0).source],
  ['what is said and not applied yet is not promised', said(300), 200, 200, notYet],
  ['what is said and smaller is what its owner wants', said(100), 200, 100, said(0).source],
];
for (const [what, object, server, value, source] of limits) {
  test(`max_connections: ${what}`, () => {
    const made = withObserved(facts(object), observed(server), 'primary');
    assert.deepEqual(made.maxConnections, { value, source });
    assert.equal(isAsked(made.maxConnections), source.startsWith(ASKED));
  });
}

test('of the reserved connections the larger number counts, and both settings', () => {
  const words = observed(200, { superuserReserved: 5, reserved: 10 });
  const of = (reserved: Sourced<number>) =>
    withObserved(facts(said(200), reserved), words, 'primary').reservedConnections.value;
  assert.deepEqual([of(assumed(3)), of(assumed(20)), of(said(4)), of(said(20))], [15, 15, 15, 20]);
});

test('a parameter that waits for a restart is pending, a default never is', () => {
  assert.equal(isPending(facts(said(300)), observed(200)), true);
  assert.equal(isPending(facts(said(200)), observed(200)), false);
  assert.equal(isPending(facts(assumed(300)), observed(200)), false);
});

test('a primary that only reads is told, replicas are not, and what the object says of it comes first', () => {
  const words = observed(100, { inRecovery: true });
  const warning = (role: 'primary' | 'replicas', before = facts(said(100))) =>
    withObserved(before, words, role).warning?.reason;
  assert.equal(warning('primary'), 'PostgresReadOnly');
  assert.equal(warning('replicas'), undefined);
  const stopped = { reason: 'PostgresStopped', message: 'it is stopped' };
  assert.equal(warning('primary', { ...facts(said(100)), warning: stopped }), 'PostgresStopped');
});

const words = fc.record({
  maxConnections: fc.integer({ min: 1, max: 5000 }),
  superuserReserved: fc.integer({ min: 0, max: 50 }),
  reserved: fc.integer({ min: 0, max: 50 }),
  inRecovery: fc.boolean(),
});

test('no budget is larger than what the server that was asked has left', () => {
  const number = fc.record({
    value: fc.integer({ min: 1, max: 5000 }),
    source: fc.constant('x'),
  });
  const maybe = fc.oneof(
    number,
    number.map((n) => ({ ...n, assumed: true as const })),
  );
  fc.assert(
    fc.property(maybe, maybe, words, (max, reserved, server) => {
      const made = withObserved(facts(max, reserved), server, 'primary');
      const { budget } = sizeServer(made, undefined, []);
      const left = server.maxConnections - server.superuserReserved - server.reserved;
      assert.ok(budget.total <= Math.max(0, left), `${budget.total} of ${left}`);
    }),
  );
});

test('several words of one server promise what each of them promises at most, in any order', () => {
  fc.assert(
    fc.property(fc.array(words, { minLength: 1, maxLength: 5 }), (all) => {
      const least = leastOf(all);
      const { inRecovery: _, ...numbers } = least ?? assert.fail();
      for (const one of all) {
        assert.ok(numbers.maxConnections <= one.maxConnections);
        assert.ok(numbers.superuserReserved >= one.superuserReserved);
        assert.ok(numbers.reserved >= one.reserved);
      }
      assert.deepEqual(leastOf([...all].reverse()), least);
    }),
  );
  assert.equal(leastOf([]), undefined);
});
