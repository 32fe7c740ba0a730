// Equality of statuses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sameJson } from '../../operator/reconcile/same.ts';

/** The slow and obvious way: texts with sorted keys. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, 0, 1, '', 'a'),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('a', 'b'), tie('value'), { noNullPrototype: true }),
  ),
})).value;

test('two values are the same exactly when their texts with sorted keys are', () => {
  fc.assert(
    fc.property(values, values, (a, b) => {
      assert.equal(sameJson(a, b), textOf(a) === textOf(b));
      assert.equal(sameJson(a, JSON.parse(JSON.stringify(a))), true);
    }),
  );
});

test('a field that is undefined is one that is not there', () => {
  assert.equal(sameJson({ a: undefined }, {}), true);
  assert.equal(sameJson({}, { a: undefined }), true);
  assert.equal(sameJson({ a: undefined }, { a: null }), false);
});
