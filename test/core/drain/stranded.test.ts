// Which pod without a file goes next.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextStranded } from '../../../operator/core/drain/stranded.ts';

const pod = (ordinal: number, { ready = true, leaving = false } = {}) => ({
  metadata: {
    name: `shop-pooler-${ordinal}`,
    ...(leaving ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
  },
  status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
});
const all = [pod(0), pod(1, { ready: false }), pod(2, { ready: false, leaving: true }), pod(3)];
const holders = [0, 1, 2, 3].map((ordinal) => `shop-pooler-${ordinal}-0`);
const next = (stranded: readonly string[], hold = false, pods = all) =>
  nextStranded(pods, stranded, hold)?.metadata?.name;

test('nobody goes who is not stranded', () => {
  assert.equal(next([]), undefined);
  assert.equal(next(['shop-pooler-9-0']), undefined);
});

test('one that does not serve goes first, then the highest; one that goes already is waited for', () => {
  assert.equal(next(holders), 'shop-pooler-1');
  assert.equal(next(holders, false, [pod(0), pod(3)]), 'shop-pooler-3');
  assert.equal(next(['shop-pooler-2-0']), undefined);
});

test('while clients wait in the pods, none that serves goes', () => {
  assert.equal(next(['shop-pooler-0-0', 'shop-pooler-3-0'], true), undefined);
  assert.equal(next(holders, true), 'shop-pooler-1');
});
