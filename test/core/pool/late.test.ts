// Which pools come too late for a budget that is being deleted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AllotmentRecord } from '../../../operator/api/connection-budget.ts';
import {
  comesTooLate,
  holdersOf,
  type LatePool,
  type LeavingBudget,
} from '../../../operator/core/pool/late.ts';

const deletedAt = '2026-01-01T00:00:10Z';
const row: AllotmentRecord = {
  server: 'primary',
  uid: 'a',
  namespace: 'shop',
  name: 'a',
  connections: 0,
  target: 0,
  serial: 0,
};
const pool = { uid: 'a', createdAt: '2026-01-01T00:00:11Z' };

const cases: Readonly<
  Record<string, readonly [Partial<LatePool>, Partial<LeavingBudget>, boolean]>
> = {
  'a budget that nobody has deleted': [{}, { deletedAt: undefined }, false],
  'a pool from before': [{ createdAt: '2026-01-01T00:00:09Z' }, {}, false],
  'a pool of the same second, of which nothing is written': [{ createdAt: deletedAt }, {}, true],
  'a pool from after': [{}, {}, true],
  'another pool of its name has a row': [
    {},
    { status: { allotments: [{ ...row, uid: 'b' }] } },
    true,
  ],
  'it has a row': [{}, { status: { allotments: [row] } }, false],
  'it has taken something, and the rows were lost': [
    { taken: { connections: 4, serial: 1 } },
    {},
    false,
  ],
  'it has taken and given back': [{ taken: { connections: 0, serial: 2 } }, {}, false],
  'it has looked, and there was nothing': [{ taken: { connections: 0, serial: 0 } }, {}, true],
};
for (const [sentence, [change, budget, late]] of Object.entries(cases)) {
  test(`${late ? 'too late' : 'not too late'}: ${sentence}`, () => {
    const leaving = { deletedAt, status: {}, ...budget };
    assert.equal(comesTooLate({ ...pool, ...change }, leaving), late);
  });
}

test('who holds a budget is named once for all its servers, and not without end', () => {
  const named = (name: string, server = 'primary') => ({ ...row, name, server });
  assert.equal(holdersOf([named('b'), named('a'), named('a', 'replicas')]), 'shop/a, shop/b');
  const many = Array.from({ length: 500 }, (_, i) => named(`p${i}`));
  assert.match(holdersOf(many), /^shop\/p0, shop\/p1, .* and 490 more$/);
});
