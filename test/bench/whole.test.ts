// What the bench takes for written: the last word on the spec as it is, and nothing less.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlainObject } from './plain-client.ts';
import { lackOfBudget, lackOfPool } from './whole.ts';

const applied = { type: 'ObjectsApplied', status: 'True', observedGeneration: 2 };
const whole = {
  observedGeneration: 2,
  conditions: [applied],
  sizing: { share: 5 },
  grants: [{ connections: 3 }, { connections: 2 }],
};

function pool(status?: object): PlainObject {
  const metadata = { name: 'shop', namespace: 'data', uid: 'a', generation: 2 };
  return { apiVersion: '', kind: 'ConnectionPool', metadata, ...(status && { status }) };
}

const pools: readonly (readonly [string, object | undefined, string | undefined])[] = [
  ['one with all of it', whole, undefined],
  ['one that nobody looked at', undefined, 'no status'],
  ['one that was edited since', { ...whole, observedGeneration: 1 }, 'the status of an older spec'],
  ['one whose objects are still to come', { ...whole, conditions: [] }, 'no ObjectsApplied'],
  [
    'one whose objects are those of an older spec',
    { ...whole, conditions: [{ ...applied, observedGeneration: 1 }] },
    'ObjectsApplied of an older spec',
  ],
  [
    'one of which an object was refused',
    { ...whole, conditions: [{ ...applied, status: 'False', reason: 'Refused' }] },
    'ObjectsApplied False (Refused)',
  ],
  ['one without a size', { ...whole, sizing: {} }, 'no share'],
  ['one without grants', { ...whole, grants: [] }, 'grants that are not its share'],
  [
    'one that waits for others',
    { ...whole, grants: [{ connections: 3 }] },
    'grants that are not its share',
  ],
];

for (const [what, status, lack] of pools) {
  test(`the status of a pool: ${what}`, () => assert.equal(lackOfPool(pool(status)), lack));
}

const ready = { type: 'Ready', status: 'True', observedGeneration: 1 };
const row = { uid: 'a', connections: 5, target: 5 };
const other = { uid: 'b', connections: 4, target: 4 };
const shared = { observedGeneration: 1, conditions: [ready], allotments: [row, other] };

const budgets: readonly (readonly [string, object, string | undefined])[] = [
  ['one with a settled row for each pool', shared, undefined],
  ['one that nobody looked at', {}, 'no status'],
  ['one with a pool less', { ...shared, allotments: [row] }, '1 settled rows of 2'],
  [
    'one with a row of a pool that is gone',
    { ...shared, allotments: [row, other, { ...row, uid: 'c' }] },
    '3 rows for 2 pools',
  ],
  [
    'one that waits for a pool',
    { ...shared, allotments: [row, { ...other, connections: 3 }] },
    '1 settled rows of 2',
  ],
  [
    'one that gives nothing',
    { ...shared, allotments: [row, { ...other, connections: 0, target: 0 }] },
    '1 settled rows of 2',
  ],
  [
    'one that says itself that it is not done',
    { ...shared, conditions: [{ ...ready, status: 'False', reason: 'Sharing' }] },
    'Ready False (Sharing)',
  ],
];

for (const [what, status, lack] of budgets) {
  test(`the status of a budget: ${what}`, () => {
    const metadata = { name: 'statefulset-postgres', namespace: 'data', generation: 1 };
    const budget = { apiVersion: '', kind: 'ConnectionBudget', metadata, status };
    assert.equal(lackOfBudget(budget, ['a', 'b']), lack);
  });
}
