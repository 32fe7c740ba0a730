// Water-filling: what it promises for any claims, and the numbers that people compute by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Claim, splitEvenly, waterFill } from '../../../operator/core/sizing/water-fill.ts';

const claim = (id: string, weight: number, min = 0, max = 1000): Claim => ({
  id,
  weight,
  min,
  max,
});
const shares = (total: number, ...claims: Claim[]) => Object.fromEntries(waterFill(total, claims));

test('shares by weight, within min and max, integers by largest remainder', () => {
  const table: readonly [string, Record<string, number>, Record<string, number>][] = [
    ['nothing to share', shares(0, claim('a', 1)), { a: 0 }],
    ['nobody asks', shares(9), {}],
    ['one takes all', shares(17, claim('a', 3)), { a: 17 }],
    ['one stops at its max', shares(17, claim('a', 3, 0, 5)), { a: 5 }],
    ['equal weights', shares(16, claim('a', 1), claim('b', 1)), { a: 8, b: 8 }],
    ['a tie goes to the first by name', shares(17, claim('b', 1), claim('a', 1)), { a: 9, b: 8 }],
    ['3 to 1', shares(16, claim('a', 3), claim('b', 1)), { a: 12, b: 4 }],
    // Quotas 8.5, 5.666, 2.833: two connections are left after rounding down, for .833 and .666.
    ['3 to 2 to 1', shares(17, claim('a', 3), claim('b', 2), claim('c', 1)), { a: 8, b: 6, c: 3 }],
    [
      'what one may not have goes to the others',
      shares(12, claim('a', 2, 0, 3), claim('b', 1), claim('c', 1)),
      { a: 3, b: 5, c: 4 },
    ],
    [
      'a min is taken from the others',
      shares(10, claim('a', 1, 6), claim('b', 1), claim('c', 1)),
      { a: 6, b: 2, c: 2 },
    ],
    // a is held up to 4 and b down to 2: c has what is left.
    [
      'min and max at once',
      shares(10, claim('a', 1, 4), claim('b', 9, 0, 2), claim('c', 1)),
      { a: 4, b: 2, c: 4 },
    ],
    [
      'several stop at their max at once',
      shares(15, ...['a', 'b', 'c', 'd'].map((id) => claim(id, 1, 0, 2)), claim('e', 1)),
      { a: 2, b: 2, c: 2, d: 2, e: 7 },
    ],
    [
      'all at their max, some is left over',
      shares(10, claim('a', 1, 0, 2), claim('b', 1, 0, 3)),
      { a: 2, b: 3 },
    ],
    ['all at their min', shares(5, claim('a', 1, 2), claim('b', 100, 3)), { a: 2, b: 3 }],
  ];
  for (const [sentence, actual, expected] of table) assert.deepEqual(actual, expected, sentence);
});

/** Claims as they can be, and a total that covers their mins. */
const problem = fc
  .record({
    claims: fc.uniqueArray(
      fc.record({
        id: fc.string({ minLength: 1, maxLength: 4 }),
        weight: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 1000 })),
        min: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40 })),
        extra: fc.oneof(fc.constant(300_000), fc.integer({ min: 0, max: 60 })),
      }),
      { selector: (c) => c.id, maxLength: 12 },
    ),
    more: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 262_143 })),
  })
  .map(({ claims, more }) => ({
    claims: claims.map(({ id, weight, min, extra }) => ({ id, weight, min, max: min + extra })),
    total: claims.reduce((sum, c) => sum + c.min, 0) + more,
  }));

/** A hundred, the default, is too few for several claims at their max at once. */
const runs = { numRuns: 1000 };

const sum = (numbers: Iterable<number>) => [...numbers].reduce((a, b) => a + b, 0);

test('everything is shared, unless every claim is at its max, and never more', () => {
  fc.assert(
    fc.property(problem, ({ claims, total }) => {
      const given = waterFill(total, claims);
      assert.equal(given.size, claims.length);
      assert.equal(sum(given.values()), Math.min(total, sum(claims.map((c) => c.max))));
    }),
    runs,
  );
});

test('every share is an integer between min and max', () => {
  fc.assert(
    fc.property(problem, ({ claims, total }) => {
      const given = waterFill(total, claims);
      for (const { id, min, max } of claims) {
        const share = given.get(id) ?? -1;
        assert.ok(Number.isInteger(share) && share >= min && share <= max, `${id} has ${share}`);
      }
    }),
    runs,
  );
});

test('whoever is below its max is no more than one connection below the level of all others', () => {
  // There is a level L with share < L × weight + 1 above a min, and share > L × weight − 1 below a max.
  fc.assert(
    fc.property(problem, ({ claims, total }) => {
      const given = waterFill(total, claims);
      const share = (c: Claim) => BigInt(given.get(c.id) ?? 0);
      const low = claims.filter((c) => share(c) < BigInt(c.max));
      const high = claims.filter((c) => share(c) > BigInt(c.min));
      for (const a of low) {
        for (const b of high) {
          const atLeast = (share(a) + 1n) * BigInt(b.weight);
          assert.ok(atLeast > (share(b) - 1n) * BigInt(a.weight), `${a.id} is too low by ${b.id}`);
        }
      }
    }),
    runs,
  );
});

test('the order of the claims makes no difference', () => {
  fc.assert(
    fc.property(problem, fc.nat(), ({ claims, total }, turn) => {
      const at = claims.length === 0 ? 0 : turn % claims.length;
      const turned = [...claims.slice(at), ...claims.slice(0, at)].reverse();
      assert.deepEqual(
        new Map([...waterFill(total, turned)].sort()),
        new Map([...waterFill(total, claims)].sort()),
      );
    }),
    runs,
  );
});

test('no connection is lost to rounding at the largest numbers that the API allows', () => {
  const claims = Array.from({ length: 5000 }, (_, i) =>
    claim(String(i).padStart(4, '0'), (i % 1000) + 1, i % 7, i % 3 === 0 ? 40 + (i % 11) : 262_143),
  );
  const given = waterFill(262_143, claims);
  assert.equal(sum(given.values()), 262_143);
  // The same in exact arithmetic: at the level of the largest open claim all open ones agree within one.
  const open = claims.filter((c) => {
    const share = given.get(c.id) ?? 0;
    return share > c.min && share < c.max;
  });
  const most = open.map((c) => [BigInt(given.get(c.id) ?? 0), BigInt(c.weight)] as const);
  for (const [share, weight] of most) {
    for (const [other, otherWeight] of most.slice(0, 50))
      assert.ok((share + 1n) * otherWeight > (other - 1n) * weight);
  }
});

test('an even split gives the larger parts first: 9 over two pods is 5 and 4', () => {
  assert.deepEqual(splitEvenly(9, 2), [5, 4]);
  assert.deepEqual(splitEvenly(17, 3), [6, 6, 5]);
  assert.deepEqual(splitEvenly(2, 4), [1, 1, 0, 0]);
  assert.deepEqual(splitEvenly(0, 1), [0]);
  assert.deepEqual(splitEvenly(5, 0), []);
  fc.assert(
    fc.property(fc.nat(300_000), fc.integer({ min: 1, max: 200 }), (total, parts) => {
      const split = splitEvenly(total, parts);
      assert.equal(split.length, parts);
      assert.equal(sum(split), total);
      assert.ok(Math.max(...split) - Math.min(...split) <= 1);
      assert.deepEqual(
        [...split].sort((a, b) => b - a),
        split,
      );
    }),
  );
});
