// The rows of a server and what a pool takes of them: each rule of the ledger as a sentence.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AllotmentRecord } from '../../../operator/api/connection-budget.ts';
import {
  type AllotmentClaim,
  planAllotments,
  takeAllotment,
} from '../../../operator/core/ledger/allotments.ts';

const BUDGET = 17;

function row(uid: string, connections: number, target: number, serial = 1): AllotmentRecord {
  return { server: 'primary', uid, namespace: 'n', name: uid, connections, target, serial };
}

/** A pool that has taken all of its row and is charged for it. */
function claim(uid: string, target: number, taken?: number, more: Partial<AllotmentClaim> = {}) {
  return {
    uid,
    namespace: 'n',
    name: uid,
    target,
    ...(taken === undefined ? {} : { taken: { connections: taken, serial: 1 } }),
    charge: taken ?? 0,
    remains: true,
    exists: true,
    ...more,
  };
}

interface Case {
  readonly sentence: string;
  readonly budget?: number;
  readonly rows: readonly AllotmentRecord[];
  readonly claims: readonly AllotmentClaim[];
  readonly mayRaise?: boolean;
  readonly inParts?: boolean;
  /** uid → connections, target, serial. */
  readonly expected: Readonly<Record<string, readonly [number, number, number]>>;
  readonly waiting?: readonly string[];
}

const cases: readonly Case[] = [
  {
    sentence: 'a pool alone gets its share with a new serial',
    rows: [],
    claims: [claim('a', 17)],
    expected: { a: [17, 17, 1] },
  },
  {
    sentence: 'before every store is in sync and every process was asked, nothing is given',
    rows: [],
    claims: [claim('a', 17)],
    mayRaise: false,
    expected: { a: [0, 17, 0] },
    waiting: ['a'],
  },
  {
    sentence: 'a row that says what it is to say is left alone',
    rows: [row('a', 9, 9), row('b', 8, 8)],
    claims: [claim('a', 9, 9), claim('b', 8, 8)],
    expected: { a: [9, 9, 1], b: [8, 8, 1] },
  },
  {
    sentence: 'a second pool waits until the first has given back: its target is only announced',
    rows: [row('a', 17, 17)],
    claims: [claim('a', 9, 17), claim('b', 8)],
    expected: { a: [17, 9, 1], b: [0, 8, 0] },
    waiting: ['b'],
  },
  {
    sentence: 'while the pool takes less already, its row stays at what its holders are charged',
    rows: [row('a', 17, 9)],
    claims: [claim('a', 9, 9, { charge: 13 }), claim('b', 8)],
    expected: { a: [13, 9, 1], b: [0, 8, 0] },
    waiting: ['b'],
  },
  {
    sentence: 'what was given back goes to the one who waits, in the same write',
    rows: [row('a', 17, 9), row('b', 0, 8, 0)],
    claims: [claim('a', 9, 9), claim('b', 8)],
    expected: { a: [9, 9, 1], b: [8, 8, 1] },
  },
  {
    sentence: 'a row is not lowered before the pool has taken its serial: a raise may be under way',
    rows: [row('a', 17, 17, 2)],
    claims: [claim('a', 9, 5)],
    expected: { a: [17, 9, 2] },
  },
  {
    sentence: 'a raise that was written and not taken is not written again',
    rows: [row('a', 17, 17, 2)],
    claims: [claim('a', 17, 5)],
    expected: { a: [17, 17, 2] },
  },
  {
    sentence: 'who gave back and is to have it again gets a new serial for the same number',
    rows: [row('a', 9, 5)],
    claims: [claim('a', 9, 5)],
    expected: { a: [9, 9, 2] },
  },
  {
    sentence: 'while somebody gives back, a raise waits until it can be made whole',
    rows: [row('a', 17, 9), row('b', 0, 8, 0)],
    claims: [claim('a', 9, 9, { charge: 12 }), claim('b', 8)],
    expected: { a: [12, 9, 1], b: [0, 8, 0] },
    waiting: ['b'],
  },
  {
    sentence: 'who has waited long gets what is free',
    rows: [row('a', 17, 9), row('b', 0, 8, 0)],
    claims: [claim('a', 9, 9, { charge: 12 }), claim('b', 8)],
    inParts: true,
    expected: { a: [12, 9, 1], b: [5, 8, 1] },
    waiting: ['b'],
  },
  {
    sentence: 'when nobody gives back, a part is better than nothing',
    rows: [row('a', 12, 12)],
    claims: [claim('a', 12, 12), claim('b', 8)],
    expected: { a: [12, 12, 1], b: [5, 8, 1] },
    waiting: ['b'],
  },
  {
    sentence: 'a budget that fell takes nothing away at once and gives nothing',
    budget: 4,
    rows: [row('a', 9, 9), row('b', 8, 8)],
    claims: [claim('a', 2, 9), claim('b', 2, 8), claim('c', 1)],
    expected: { a: [9, 2, 1], b: [8, 2, 1], c: [0, 1, 0] },
    waiting: ['c'],
  },
  {
    sentence: 'a pool that is gone keeps its row as long as anything of it is there',
    rows: [row('a', 9, 9)],
    claims: [claim('a', 9, undefined, { exists: false }), claim('b', 17)],
    expected: { a: [9, 0, 1], b: [0, 17, 0] },
    waiting: ['b'],
  },
  {
    sentence: 'its row goes when nothing is left of it',
    rows: [row('a', 9, 9)],
    claims: [claim('a', 9, undefined, { exists: false, remains: false }), claim('b', 17)],
    expected: { b: [17, 17, 1] },
  },
  {
    sentence: 'a row whose pool is not in view stays: perhaps it is only not there yet',
    rows: [row('a', 9, 9)],
    claims: [claim('b', 17)],
    expected: { a: [9, 9, 1], b: [8, 17, 1] },
    waiting: ['b'],
  },
  {
    sentence: 'a pool that was made again under its name is another pool and waits for the first',
    rows: [{ ...row('old', 17, 17), name: 'shop' }],
    claims: [
      { ...claim('old', 0, undefined, { exists: false }), name: 'shop' },
      { ...claim('new', 17), name: 'shop' },
    ],
    expected: { old: [17, 0, 1], new: [0, 17, 0] },
    waiting: ['new'],
  },
  {
    sentence: 'what a pool holds without a row is written down before anything is given',
    rows: [],
    claims: [claim('a', 9, 12), claim('b', 8)],
    expected: { a: [12, 9, 1], b: [0, 8, 0] },
    waiting: ['b'],
  },
  {
    sentence: 'a charge that is unknown stops every raise',
    rows: [row('a', 5, 5)],
    claims: [claim('a', 5, 5, { charge: Number.POSITIVE_INFINITY }), claim('b', 8)],
    expected: { a: [5, 5, 1], b: [0, 8, 0] },
    waiting: ['b'],
  },
  {
    sentence: 'a charge that is unknown is not written down as a number',
    rows: [],
    claims: [claim('a', 5, 3, { charge: Number.POSITIVE_INFINITY })],
    expected: { a: [3, 5, 1] },
    waiting: ['a'],
  },
  {
    // The row was lowered from 5 to 2 since, and the 3 are with b. The claim is of before.
    sentence: 'what an old view still counts as held does not raise the row again',
    budget: 5,
    rows: [row('a', 2, 2), row('b', 3, 3)],
    claims: [claim('a', 5, 2, { charge: 5 })],
    expected: { a: [2, 5, 1], b: [3, 3, 1] },
    waiting: ['a'],
  },
];

for (const given of cases) {
  test(`rows: ${given.sentence}`, () => {
    const { budget = BUDGET, rows, claims, mayRaise = true, inParts = false } = given;
    const plan = planAllotments('primary', budget, rows, claims, mayRaise, inParts);
    const actual = plan.rows.map((r) => [r.uid, [r.connections, r.target, r.serial]]);
    assert.deepEqual(Object.fromEntries(actual), given.expected);
    assert.deepEqual(plan.waiting.map((w) => w.uid).sort(), given.waiting ?? []);
    const again = planAllotments(
      'primary',
      budget,
      [...rows].reverse(),
      [...claims].reverse(),
      mayRaise,
      inParts,
    );
    assert.deepEqual(again, plan);
  });
}

test('a pool takes of its row', () => {
  const taken = (connections: number, serial: number) => ({ connections, serial });
  const table: readonly (readonly [
    string,
    ReturnType<typeof taken> | undefined,
    AllotmentRecord | undefined,
    ReturnType<typeof taken>,
  ])[] = [
    ['nothing where there is no row', undefined, undefined, taken(0, 0)],
    ['what it has where the row is not in view', taken(4, 1), undefined, taken(4, 1)],
    ['a new serial', undefined, row('a', 9, 9, 1), taken(9, 1)],
    ['a raise', taken(4, 1), row('a', 9, 9, 2), taken(9, 2)],
    ['a serial once only', taken(4, 2), row('a', 9, 9, 2), taken(4, 2)],
    ['a lower target at once', taken(9, 2), row('a', 9, 4, 2), taken(4, 2)],
    ['a lower row at once', taken(9, 2), row('a', 4, 9, 2), taken(4, 2)],
    ['no more than the target with a new serial', taken(4, 1), row('a', 9, 6, 2), taken(6, 2)],
    ['a new serial that says less', taken(9, 1), row('a', 9, 2, 2), taken(2, 2)],
    ['nothing of an older row that says more', taken(4, 3), row('a', 9, 9, 2), taken(4, 3)],
  ];
  for (const [what, now, from, expected] of table)
    assert.deepEqual(takeAllotment(now, from), expected, what);
});

const uids = ['a', 'b', 'c', 'd'];
const anyRow = fc.record({ connections: fc.nat(20), target: fc.nat(20), serial: fc.nat(3) });
const anyClaim = fc.record({
  target: fc.nat(20),
  taken: fc.option(fc.record({ connections: fc.nat(20), serial: fc.nat(3) }), { nil: undefined }),
  charge: fc.oneof(fc.nat(20), fc.constant(Number.POSITIVE_INFINITY)),
  remains: fc.boolean(),
  exists: fc.boolean(),
});
const anything = fc.record({
  budget: fc.nat(40),
  rows: fc.dictionary(fc.constantFrom(...uids), anyRow),
  claims: fc.dictionary(fc.constantFrom(...uids), anyClaim),
  mayRaise: fc.boolean(),
  inParts: fc.boolean(),
});
const runs = { numRuns: 1000 };

function planned({
  budget,
  rows,
  claims,
  mayRaise,
  inParts,
}: typeof anything extends fc.Arbitrary<infer T> ? T : never) {
  const before = Object.entries(rows).map(([uid, r]) => ({ ...row(uid, 0, 0), ...r }));
  const asked = Object.entries(claims).map(([uid, { taken, ...rest }]) => ({
    ...claim(uid, 0),
    ...rest,
    ...(taken === undefined ? {} : { taken }),
  }));
  const plan = planAllotments('primary', budget, before, asked, mayRaise, inParts);
  return {
    before: new Map(before.map((r) => [r.uid, r])),
    asked: new Map(asked.map((c) => [c.uid, c])),
    plan,
  };
}

test('nothing is raised beyond the budget, counting what everybody takes, has and is charged', () => {
  fc.assert(
    fc.property(anything, (given) => {
      const { before, asked, plan } = planned(given);
      const grew = plan.rows.filter((r) => {
        const was = before.get(r.uid);
        return was !== undefined && r.connections > was.connections;
      });
      if (grew.length === 0) return;
      assert.ok(given.mayRaise);
      const held = plan.rows.map((r) => {
        const c = asked.get(r.uid);
        const own =
          c?.exists === true ? Math.max(c.taken?.connections ?? 0, c.charge) : (c?.charge ?? 0);
        return Math.max(r.connections, own);
      });
      assert.ok(held.reduce((a, b) => a + b, 0) <= given.budget);
    }),
    runs,
  );
});

test('no row falls below what its pool has taken or is charged, or before its serial was taken', () => {
  fc.assert(
    fc.property(anything, (given) => {
      const { before, asked, plan } = planned(given);
      for (const after of plan.rows) {
        const was = before.get(after.uid);
        const c = asked.get(after.uid);
        if (was === undefined || after.connections >= was.connections) continue;
        assert.ok(c?.exists === true && (c.taken?.serial ?? 0) >= was.serial);
        assert.ok(after.connections >= Math.max(c.taken?.connections ?? 0, c.charge));
      }
    }),
    runs,
  );
});

test('a row goes only when its pool is gone and nothing remains; serials only grow', () => {
  fc.assert(
    fc.property(anything, (given) => {
      const { before, asked, plan } = planned(given);
      const after = new Map(plan.rows.map((r) => [r.uid, r]));
      for (const [uid, was] of before) {
        const now = after.get(uid);
        const c = asked.get(uid);
        if (now === undefined) assert.ok(c !== undefined && !c.exists && !c.remains);
        else assert.ok(now.serial >= was.serial);
        if (now !== undefined && now.connections > was.connections)
          assert.ok(now.serial > was.serial);
      }
    }),
    runs,
  );
});
