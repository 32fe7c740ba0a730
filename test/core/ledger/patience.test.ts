// How long raises wait to be made whole, and what is given in parts after that.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AllotmentClaim, planAllotments } from '../../../operator/core/ledger/allotments.ts';
import { planHolders } from '../../../operator/core/ledger/holders.ts';
import { PATIENCE_SECONDS, patienceWith } from '../../../operator/core/ledger/patience.ts';
import { file, grantsOf, holder, pool, workload } from './pool.ts';

const ms = PATIENCE_SECONDS * 1000;

test('what is withheld is withheld for ten seconds, counted from the first time', () => {
  const first = patienceWith(new Map(), ['a'], 5000);
  assert.deepEqual([...first.over], []);
  assert.equal(first.seconds, PATIENCE_SECONDS);
  const later = patienceWith(first.waits, ['a'], 5000 + ms - 1);
  assert.deepEqual([...later.over], []);
  assert.equal(later.seconds, 0.001);
  const last = patienceWith(later.waits, ['a'], 5000 + ms);
  assert.deepEqual([...last.over], ['a']);
  assert.equal(last.seconds, undefined);
});

test('each waits for itself, and the next to look is at the first end', () => {
  const first = patienceWith(new Map(), ['a'], 0);
  const both = patienceWith(first.waits, ['a', 'b'], 4000);
  assert.equal(both.seconds, PATIENCE_SECONDS - 4);
  const { over, seconds } = patienceWith(both.waits, ['a', 'b'], ms);
  assert.deepEqual([...over], ['a']);
  assert.equal(seconds, 4);
});

test('what was given meanwhile is forgotten: later it waits anew', () => {
  const first = patienceWith(new Map(), ['a'], 0);
  const none = patienceWith(first.waits, [], 6000);
  assert.deepEqual([none.waits.size, none.seconds], [0, undefined]);
  assert.equal(patienceWith(none.waits, ['a'], ms).seconds, PATIENCE_SECONDS);
});

// A has 17 of 17 and is to have 9; one of its two pods is on a lost node and holds 9, the other has shrunk to 4. B is
// new and is to have 8.
const claim = (name: string, target: number, charge: number, taken?: number): AllotmentClaim => ({
  uid: name,
  namespace: 'n',
  name,
  target,
  charge,
  ...(taken === undefined ? {} : { taken: { connections: taken, serial: 1 } }),
  remains: true,
  exists: true,
});
const rowsOf = (charge: number, inParts: boolean, mayRaise = true) => {
  const row = { server: 'primary', uid: 'a', namespace: 'n', name: 'a', serial: 1 };
  const rows = [{ ...row, connections: 17, target: 17 }];
  const claims = [claim('a', 9, charge, 9), claim('b', 8, 0)];
  const plan = planAllotments('primary', 17, rows, claims, mayRaise, inParts);
  return { given: plan.rows.map((r) => r.connections), withheld: plan.withheld };
};

test('a pool waits for its whole share while another gives back, and then gets what is free', () => {
  assert.deepEqual(rowsOf(13, false), { given: [13, 0], withheld: true });
  assert.deepEqual(rowsOf(13, true), { given: [13, 4], withheld: false });
});

test('nothing is withheld where nothing is free, all is free, or nothing may be given', () => {
  assert.deepEqual(rowsOf(17, false), { given: [17, 0], withheld: false });
  assert.deepEqual(rowsOf(9, false), { given: [9, 8], withheld: false });
  assert.deepEqual(rowsOf(13, false, false), { given: [13, 0], withheld: false });
});

test('the same within a pool: a pod gets what is free while another one keeps too much', () => {
  // Nine for three pods; a client in session mode keeps five connections of the first.
  const state = (inParts: boolean, live: boolean) =>
    pool({
      allotment: 9,
      pods: 3,
      fileEpoch: 4,
      workload: workload(2, 4),
      holders: [
        holder(0, {
          grant: [5, 2],
          file: file(4, { a: 3 }),
          pod: 0,
          said: [4, { a: 3 }, { a: 5 }],
        }),
        holder(1, {
          grant: [3, 2],
          file: file(4, { a: 3 }),
          pod: 0,
          said: [4, { a: 3 }, { a: 3 }],
        }),
      ],
      inParts,
      live,
    });
  const whole = planHolders(state(false, true));
  assert.deepEqual(grantsOf(whole), { 0: [5, 2], 1: [3, 2] });
  assert.equal(whole.withheld, true);
  const parts = planHolders(state(true, true));
  assert.deepEqual(grantsOf(parts), { 0: [5, 2], 1: [3, 2], 2: [1, 5] });
  assert.equal(parts.withheld, false);
  // That it is withheld shows before anybody is asked for proof, and what is then needed is proof.
  const cached = planHolders(state(false, false));
  assert.deepEqual([cached.withheld, cached.needsLive], [true, false]);
  const impatient = planHolders(state(true, false));
  assert.deepEqual([impatient.withheld, impatient.needsLive], [false, true]);
});

test('a pool that is settled withholds nothing', () => {
  assert.equal(planHolders(pool({ allotment: 0 })).withheld, false);
});
