// When a row may be given up: only what the API server has said, in order, proves that nothing is left of a pool.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planAllotments } from '../../../operator/core/ledger/allotments.ts';
import { claimsOf, type Gone, nextQuestion } from '../../../operator/core/ledger/claims.ts';

const row = (uid: string, connections: number) => ({
  server: 'primary',
  uid,
  namespace: 'n',
  name: 'shop',
  connections,
  target: connections,
  serial: 1,
});
const pool = (uid: string, target: number) => ({
  uid,
  namespace: 'n',
  name: 'web',
  target,
  charge: 0,
});
/** Rows of 8 for a pool that is not in view, while another one wants all. */
function rowsAfter(gone: Gone | undefined): Record<string, number> {
  const rows = [row('unseen', 8)];
  const claims = claimsOf([pool('new', 8)], rows, () => gone);
  const plan = planAllotments('primary', 8, rows, claims, true, false);
  return Object.fromEntries(plan.rows.map((r) => [r.uid, r.connections]));
}

test('questions have an order, and end', () => {
  assert.equal(nextQuestion(undefined), 'pool');
  assert.equal(nextQuestion('pool'), 'objects');
  assert.equal(nextQuestion('objects'), 'pods');
  assert.equal(nextQuestion('pods'), undefined);
});

test('a pool that is not in view keeps its row until all three are proven to be gone', () => {
  assert.deepEqual(rowsAfter(undefined), { unseen: 8, new: 0 });
  assert.deepEqual(rowsAfter('pool'), { unseen: 8, new: 0 });
  assert.deepEqual(rowsAfter('objects'), { unseen: 8, new: 0 });
  assert.deepEqual(rowsAfter('pods'), { new: 8 });
});

test('of a pool that is gone, what it has is on its way back; of one that is not in view nobody knows', () => {
  const claims = (gone: Gone | undefined) => claimsOf([], [row('unseen', 8)], () => gone);
  assert.deepEqual(claims(undefined), []);
  const [claim] = claims('objects');
  assert.deepEqual([claim?.target, claim?.exists, claim?.remains], [0, false, true]);
});

test('a pool that is in view is what it says, whatever was once proven of it', () => {
  const [claim, ...more] = claimsOf([pool('u', 5)], [row('u', 5)], () => 'pods');
  assert.deepEqual([claim?.target, claim?.exists, claim?.remains], [5, true, true]);
  assert.deepEqual(more, []);
});
