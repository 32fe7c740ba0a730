// Quantities as Kubernetes writes them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatMilli, milliOf } from '../../../operator/api/quantity.ts';

test('a quantity is read in thousandths', () => {
  const table: readonly [unknown, number | undefined][] = [
    ['8', 8000],
    [8, 8000],
    [1.5, 1500],
    ['2500m', 2500],
    ['1.5', 1500],
    ['.5', 500],
    ['5.', 5000],
    ['0.1', 100],
    ['1.1', 1100],
    ['0.0005', 1],
    ['250u', 1],
    ['1u', 1],
    ['2k', 2_000_000],
    ['1M', 1_000_000_000],
    ['1e3', 1_000_000],
    ['1E2', 100_000],
    ['1e+1', 10_000],
    ['5e-1', 500],
    ['007', 7000],
    ['', undefined],
    ['.', undefined],
    ['-1', undefined],
    ['+1', undefined],
    ['1Ki', undefined],
    ['1e', undefined],
    ['1 ', undefined],
    ['1,5', undefined],
    ['1_000', undefined],
    ['0x10', undefined],
    ['Infinity', undefined],
    ['9'.repeat(400), undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    [-1, undefined],
    [undefined, undefined],
    [null, undefined],
    [true, undefined],
    [['8'], undefined],
    [{}, undefined],
  ];
  for (const [quantity, milli] of table)
    assert.equal(milliOf(quantity), milli, JSON.stringify(quantity));
});

test('nothing is nothing', () => {
  for (const zero of ['0', 0, '0m', '0.000']) assert.equal((milliOf(zero) ?? 1) + 0, 0);
});

test('what is written is read back', () => {
  assert.equal(formatMilli(8000), '8');
  assert.equal(formatMilli(2500), '2.5');
  assert.equal(formatMilli(1), '0.001');
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000_000_000 }), (milli) => {
      assert.equal(milliOf(formatMilli(milli)), milli);
      assert.equal(milliOf(`${milli}m`), milli);
    }),
  );
});
