// Quantities as Kubernetes writes them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareQuantities, formatMilli, milliOf } from '../../operator/api/quantity.ts';

test('Thousandths of a quantity are exact, and rounded up below one', () => {
  const table: readonly [unknown, number | undefined][] = [
    [8, 8000],
    ['8', 8000],
    ['2500m', 2500],
    ['1.1', 1100],
    ['250u', 1],
    ['1e3', 1_000_000],
    ['.5', 500],
    ['', undefined],
    ['-1', undefined],
    ['1Gi', undefined],
    [null, undefined],
    [{}, undefined],
    [Number.NaN, undefined],
  ];
  for (const [quantity, milli] of table) assert.equal(milliOf(quantity), milli, String(quantity));
  assert.equal(formatMilli(2500), '2.5');
});

test('Quantities of any suffix compare by value', () => {
  const table: readonly [string | number, string | number, number][] = [
    ['1Gi', '1024Mi', 0],
    ['1G', '1Gi', -1],
    ['0.1', '100m', 0],
    ['9007199254740993', '9007199254740992', 1],
    [2, '1999m', 1],
    ['256m', '16Mi', -1],
    ['16384Ki', '16Mi', 0],
    ['.5', '0.50', 0],
  ];
  for (const [a, b, sign] of table) {
    assert.equal(compareQuantities(a, b), sign, `${a} ${b}`);
    assert.equal(compareQuantities(b, a), sign === 0 ? 0 : -sign, `${b} ${a}`);
  }
});
