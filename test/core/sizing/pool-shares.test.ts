// How the pools of one server share its budget: the rules in their order, as a table, and as properties.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  fleetFor,
  type PoolClaim,
  type PoolShare,
  podsFor,
  poolShares,
} from '../../../operator/core/sizing/pool-shares.ts';
import type { ServerBudget } from '../../../operator/core/sizing/server-budget.ts';

function budget(total: number, active = total): ServerBudget {
  return {
    optimum: active,
    guard: total,
    slack: 0,
    reserved: 0,
    active,
    total,
    decidedBy: 'owner',
  };
}

/** A pool with one pod and one entry; its id is its age. */
function pool(id: string, more: Partial<PoolClaim> = {}): PoolClaim {
  return { id, age: id, weight: 1, session: false, pods: 1, entries: 1, ...more };
}

const numbers = (shares: ReadonlyMap<string, PoolShare>) =>
  Object.fromEntries([...shares].map(([id, s]) => [id, s.connections]));
const shortages = (shares: ReadonlyMap<string, PoolShare>) =>
  Object.fromEntries(
    [...shares].flatMap(([id, s]) => (s.shortage === undefined ? [] : [[id, s.shortage]])),
  );

interface Row {
  readonly sentence: string;
  readonly budget: ServerBudget;
  readonly claims: readonly PoolClaim[];
  readonly shares: Readonly<Record<string, number>>;
  readonly shortages?: Readonly<Record<string, PoolShare['shortage']>>;
  /** Pools whose namespace has no room for more. */
  readonly full?: readonly string[];
}

const red = (max: number) => ({ group: { id: 'red', max } });
const blue = (max: number) => ({ group: { id: 'blue', max } });

/** One replica of a Deployment can be three pods. */
const deployed = (pods: number) => ({ pods: 2 * pods + 1, leastPods: 3 });

const table: readonly Row[] = [
  {
    sentence:
      'a Deployment has connections for every pod that there can be, before others share the rest',
    budget: budget(9),
    claims: [pool('a', { ...deployed(2), weight: 1 }), pool('b', { weight: 9 })],
    shares: { a: 5, b: 4 },
  },
  {
    sentence: 'a Deployment that has fewer has fewer pods',
    budget: budget(4),
    claims: [pool('a', deployed(2))],
    shares: { a: 4 },
    shortages: { a: 'FewerPods' },
  },
  {
    sentence:
      'with less than three pods of connections a Deployment has none, and the others have all',
    budget: budget(3),
    claims: [pool('a'), pool('b', deployed(1)), pool('c', { entries: 2 })],
    shares: { a: 1, b: 0, c: 2 },
    shortages: { b: 'NoPod' },
  },
  { sentence: 'nobody asks', budget: budget(9), claims: [], shares: {} },
  {
    sentence: 'one pool has it all',
    budget: budget(9),
    claims: [pool('a', { pods: 2 })],
    shares: { a: 9 },
  },
  {
    sentence: 'two pools with equal weights: 17 are 9 and 8',
    budget: budget(17),
    claims: [pool('a', { pods: 2 }), pool('b', { pods: 2 })],
    shares: { a: 9, b: 8 },
  },
  {
    sentence: 'weights 3 to 1',
    budget: budget(16),
    claims: [pool('a', { weight: 3 }), pool('b')],
    shares: { a: 12, b: 4 },
  },
  {
    sentence: 'a pool without pods asks for nothing, whatever its min',
    budget: budget(9),
    claims: [pool('a', { pods: 0, min: 5 }), pool('b')],
    shares: { a: 0, b: 9 },
  },
  {
    sentence: 'a pool stops at its max, the other one has the rest',
    budget: budget(17),
    claims: [pool('a', { max: 4 }), pool('b')],
    shares: { a: 4, b: 13 },
  },
  {
    sentence: 'a min holds against a heavier pool',
    budget: budget(17),
    claims: [pool('a', { min: 6 }), pool('b', { weight: 100 })],
    shares: { a: 6, b: 11 },
  },
  {
    sentence: 'every pod of a light pool has its connection',
    budget: budget(17),
    claims: [pool('a', { pods: 5 }), pool('b', { weight: 100 })],
    shares: { a: 5, b: 12 },
  },
  {
    sentence: 'every entry of every pod has its connection',
    budget: budget(17),
    claims: [pool('a', { pods: 2, entries: 4 }), pool('b', { weight: 100 })],
    shares: { a: 8, b: 9 },
  },
  {
    sentence: 'not enough for all pods: every pool has one pod, the rest goes by weight',
    budget: budget(5),
    claims: [pool('a', { pods: 3 }), pool('b', { pods: 3 })],
    shares: { a: 3, b: 2 },
    shortages: { b: 'FewerPods' },
  },
  {
    sentence: 'not enough for one pod each: the older pools have theirs',
    budget: budget(2),
    claims: [pool('c'), pool('a'), pool('b')],
    shares: { a: 1, b: 1, c: 0 },
    shortages: { c: 'NoPod' },
  },
  {
    sentence: 'an older pool that does not fit leaves room for a younger one that does',
    budget: budget(3),
    claims: [pool('a', { entries: 5 }), pool('b')],
    shares: { a: 0, b: 3 },
    shortages: { a: 'NoPod' },
  },
  {
    sentence: 'of the same age, the id decides',
    budget: budget(1),
    claims: [pool('b', { age: '1' }), pool('a', { age: '1' })],
    shares: { a: 1, b: 0 },
    shortages: { b: 'NoPod' },
  },
  {
    sentence: 'mins that do not fit together: the older one holds',
    budget: budget(10),
    claims: [pool('a', { min: 7 }), pool('b', { min: 7 })],
    shares: { a: 7, b: 3 },
    shortages: { b: 'BelowMin' },
  },
  {
    sentence: 'a min beyond the budget is no loss to the min of an older pool',
    budget: budget(20),
    claims: [pool('a', { min: 15 }), pool('b', { min: 1000 })],
    shares: { a: 15, b: 5 },
    shortages: { b: 'BelowMin' },
  },
  {
    sentence: 'a min beyond the budget has what there is, but for the pods of the others',
    budget: budget(20),
    claims: [pool('a', { min: 1000 }), pool('b', { min: 15 }), pool('c', { pods: 3 })],
    shares: { a: 16, b: 1, c: 3 },
    shortages: { a: 'BelowMin', b: 'BelowMin' },
  },
  {
    sentence: 'a min just below what the budget has is met',
    budget: budget(17),
    claims: [pool('a', { pods: 2 }), pool('b', { pods: 2, min: 15 })],
    shares: { a: 2, b: 15 },
  },
  {
    sentence: 'one more than that gets no less',
    budget: budget(17),
    claims: [pool('a', { pods: 2 }), pool('b', { pods: 2, min: 16 })],
    shares: { a: 2, b: 15 },
    shortages: { b: 'BelowMin' },
  },
  {
    sentence: 'a min beyond the optimum is met as far as the optimum goes',
    budget: budget(87, 17),
    claims: [pool('a', { min: 50 }), pool('b'), pool('s', { session: true })],
    shares: { a: 16, b: 1, s: 70 },
    shortages: { a: 'BelowMin' },
  },
  {
    sentence: 'a min that its namespace has no room for leaves the pods of its neighbours there',
    budget: budget(17),
    claims: [pool('a', { ...red(6), min: 9 }), pool('b', { ...red(6), pods: 2 }), pool('c')],
    shares: { a: 4, b: 2, c: 11 },
    shortages: { a: 'BelowMin' },
    full: ['a', 'b'],
  },
  {
    sentence: 'a min beyond the max is met up to the max',
    budget: budget(17),
    claims: [pool('a', { min: 9, max: 5 }), pool('b', { weight: 100 })],
    shares: { a: 5, b: 12 },
    shortages: { a: 'BelowMin' },
  },
  {
    sentence: "a max below the entries is the pool's own problem",
    budget: budget(20),
    claims: [pool('a', { entries: 2, max: 1 }), pool('b', { min: 15 }), pool('c', { weight: 9 })],
    shares: { a: 0, b: 15, c: 5 },
    shortages: { a: 'NoPod' },
  },
  {
    sentence: 'every process of every pod has a connection before the rest goes by weight',
    budget: budget(17),
    claims: [pool('a', { pods: 2, processes: 4 }), pool('b', { weight: 100 })],
    shares: { a: 8, b: 9 },
  },
  {
    sentence: 'a pod needs a connection for each entry of each of its processes',
    budget: budget(5),
    claims: [pool('a', { pods: 2, processes: 2, entries: 2 })],
    shares: { a: 5 },
    shortages: { a: 'FewerPods' },
  },
  {
    sentence: 'fewer processes rather than no pod',
    budget: budget(3),
    claims: [pool('a', { pods: 2, processes: 4 })],
    shares: { a: 3 },
    shortages: { a: 'FewerProcesses' },
  },
  {
    sentence: 'a max that leaves no room for all pods gives fewer',
    budget: budget(20),
    claims: [pool('a', { pods: 4, entries: 2, max: 5 })],
    shares: { a: 5 },
    shortages: { a: 'FewerPods' },
  },
  {
    sentence:
      'pools in transaction mode stay within the optimum together, pools in session mode have the rest',
    budget: budget(87, 17),
    claims: [pool('a'), pool('b'), pool('s', { session: true, weight: 2 })],
    shares: { a: 9, b: 8, s: 70 },
  },
  {
    sentence: 'session mode alone has the whole guard',
    budget: budget(87, 17),
    claims: [pool('s', { session: true })],
    shares: { s: 87 },
  },
  {
    sentence: 'nothing to share',
    budget: budget(0),
    claims: [pool('a'), pool('s', { session: true })],
    shares: { a: 0, s: 0 },
    shortages: { a: 'NoPod', s: 'NoPod' },
  },
  {
    sentence: 'a namespace has its max, the others have what it leaves',
    budget: budget(17),
    claims: [pool('a', red(4)), pool('b', red(4)), pool('c')],
    shares: { a: 2, b: 2, c: 13 },
    full: ['a', 'b'],
  },
  {
    sentence: 'what one namespace leaves can bring another one to its max',
    budget: budget(20),
    claims: [pool('a', red(2)), pool('b', { ...blue(8), weight: 2 }), pool('c')],
    shares: { a: 2, b: 8, c: 10 },
    full: ['a', 'b'],
  },
  {
    sentence: 'a namespace below its max is as if it had none',
    budget: budget(9),
    claims: [pool('a', red(8)), pool('b')],
    shares: { a: 5, b: 4 },
  },
  {
    sentence: 'what a max leaves undivided is left over',
    budget: budget(17),
    claims: [pool('a', { ...red(9), weight: 2 }), pool('b', red(9))],
    shares: { a: 6, b: 3 },
    full: ['a', 'b'],
  },
  {
    sentence: 'in a namespace too small for all of its pods each pool has one at least',
    budget: budget(17),
    claims: [pool('a', { ...red(3), pods: 2 }), pool('b', { ...red(3), pods: 2 }), pool('c')],
    shares: { a: 2, b: 1, c: 14 },
    shortages: { b: 'FewerPods' },
    full: ['a', 'b'],
  },
  {
    sentence:
      'a namespace too small for one pod of each serves the older pools, and nobody else loses',
    budget: budget(17),
    claims: [pool('a', red(1)), pool('b', { ...red(1), min: 9 }), pool('c', { pods: 3, min: 12 })],
    shares: { a: 1, b: 0, c: 16 },
    shortages: { b: 'NoPod' },
    full: ['a', 'b'],
  },
  {
    sentence: 'a min that its namespace has no room for',
    budget: budget(17),
    claims: [pool('a', { ...red(4), min: 5 }), pool('b')],
    shares: { a: 4, b: 13 },
    shortages: { a: 'BelowMin' },
    full: ['a'],
  },
  {
    sentence: 'the max of a namespace counts its pools in session mode too',
    budget: budget(87, 17),
    claims: [pool('a', red(10)), pool('s', { ...red(10), session: true }), pool('b')],
    shares: { a: 5, s: 5, b: 12 },
    full: ['a', 's'],
  },
];

for (const row of table) {
  test(`shares: ${row.sentence}`, () => {
    const given = poolShares(row.budget, row.claims);
    assert.deepEqual(numbers(given), row.shares);
    assert.deepEqual(shortages(given), row.shortages ?? {});
    const full = [...given].filter(([, share]) => share.groupIsFull === true);
    assert.deepEqual(
      full.map(([id]) => id),
      row.full ?? [],
    );
  });
}

const single = fc.uniqueArray(
  fc.record(
    {
      id: fc.string({ minLength: 1, maxLength: 3 }),
      age: fc.constantFrom('1', '2', '3'),
      weight: fc.integer({ min: 1, max: 9 }),
      min: fc.integer({ min: 1, max: 30 }),
      max: fc.integer({ min: 1, max: 30 }),
      session: fc.boolean(),
      pods: fc.nat(4),
      entries: fc.integer({ min: 1, max: 3 }),
    },
    { requiredKeys: ['id', 'age', 'weight', 'session', 'pods', 'entries'] },
  ),
  { selector: (c) => c.id, maxLength: 10 },
);
/** Some of the pools in one of two namespaces, each with its max. */
const claims = fc
  .tuple(
    single,
    fc.array(fc.constantFrom(0, 1, 2), { minLength: 10, maxLength: 10 }),
    fc.nat(30),
    fc.nat(30),
  )
  .map(([list, which, ...max]) =>
    list.map((c, i): PoolClaim => {
      const id = which[i] ?? 0;
      return id === 0 ? c : { ...c, group: { id: String(id), max: max[id - 1] ?? 0 } };
    }),
  );
/** What the namespaces of these pools may have, by name. */
const groupsOf = (asked: readonly PoolClaim[]) =>
  new Map(asked.flatMap(({ group }) => (group === undefined ? [] : [[group.id, group.max]])));
const inGroup = (asked: readonly PoolClaim[], id: string) =>
  asked.filter((c) => c.group?.id === id);
const budgets = fc
  .record({ active: fc.nat(40), more: fc.nat(40) })
  .map(({ active, more }) => budget(active + more, active));
const runs = { numRuns: 1000 };
const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);

test('all shares together are within the budget, those outside session mode within the optimum', () => {
  fc.assert(
    fc.property(budgets, claims, (server, asked) => {
      const given = poolShares(server, asked);
      const of = (list: readonly PoolClaim[]) =>
        sum(list.map((c) => given.get(c.id)?.connections ?? Number.NaN));
      assert.ok(of(asked) <= server.total);
      assert.ok(of(asked.filter((c) => !c.session)) <= server.active);
      for (const [id, max] of groupsOf(asked)) assert.ok(of(inGroup(asked, id)) <= max);
    }),
    runs,
  );
});

test('a share is nothing, or an integer that is enough for a pod and within the max', () => {
  fc.assert(
    fc.property(budgets, claims, (server, asked) => {
      const given = poolShares(server, asked);
      for (const c of asked) {
        const { connections, shortage } = given.get(c.id) ?? { connections: -1 };
        assert.ok(Number.isInteger(connections) && connections <= (c.max ?? server.total));
        if (connections > 0) assert.ok(connections >= c.entries && c.pods > 0);
        else assert.ok(connections === 0 && (c.pods === 0 || shortage === 'NoPod'));
      }
    }),
    runs,
  );
});

test('nobody gets 0 while a pod of each is affordable', () => {
  fc.assert(
    fc.property(budgets, claims, (server, asked) => {
      const possible = asked.filter((c) => c.pods > 0 && c.entries <= (c.max ?? server.total));
      const needs = (list: readonly PoolClaim[]) => sum(list.map((c) => c.entries));
      fc.pre(needs(possible) <= server.total);
      fc.pre(needs(possible.filter((c) => !c.session)) <= server.active);
      for (const [id, max] of groupsOf(asked)) fc.pre(needs(inGroup(possible, id)) <= max);
      const given = poolShares(server, asked);
      for (const c of possible) assert.ok((given.get(c.id)?.connections ?? 0) > 0, c.id);
    }),
    runs,
  );
});

test('nothing is left over while a pool that has a share may have more', () => {
  fc.assert(
    fc.property(budgets, claims, (server, asked) => {
      const given = poolShares(server, asked);
      const connections = (c: PoolClaim) => given.get(c.id)?.connections ?? 0;
      const isFull = (c: PoolClaim) =>
        c.group !== undefined && sum(inGroup(asked, c.group.id).map(connections)) >= c.group.max;
      const open = (c: PoolClaim) =>
        connections(c) > 0 && connections(c) < (c.max ?? server.total) && !isFull(c);
      const left = server.total - sum(asked.map(connections));
      const active = server.active - sum(asked.filter((c) => !c.session).map(connections));
      if (left > 0) assert.ok(!asked.some((c) => c.session && open(c)));
      if (left > 0 && active > 0) assert.ok(!asked.some((c) => !c.session && open(c)));
    }),
    runs,
  );
});

test('every pool has its min when all mins and all pods fit', () => {
  fc.assert(
    fc.property(budgets, claims, (server, asked) => {
      const floor = (c: PoolClaim) => Math.max(c.entries * c.pods, c.min ?? 0);
      const asking = asked.filter((c) => c.pods > 0);
      fc.pre(asking.every((c) => floor(c) <= (c.max ?? server.total)));
      fc.pre(sum(asking.map(floor)) <= server.total);
      fc.pre(sum(asking.filter((c) => !c.session).map(floor)) <= server.active);
      for (const [id, max] of groupsOf(asking)) fc.pre(sum(inGroup(asking, id).map(floor)) <= max);
      const given = poolShares(server, asked);
      for (const c of asking) {
        assert.ok((given.get(c.id)?.connections ?? 0) >= floor(c));
        assert.equal(given.get(c.id)?.shortage, undefined);
      }
    }),
    runs,
  );
});

test('the same claims in another order get the same shares', () => {
  fc.assert(
    fc.property(budgets, claims, (server, asked) => {
      const sorted = (m: ReadonlyMap<string, PoolShare>) =>
        [...m].sort(([a], [b]) => (a < b ? -1 : 1));
      assert.deepEqual(
        sorted(poolShares(server, [...asked].reverse())),
        sorted(poolShares(server, asked)),
      );
    }),
    runs,
  );
});

test('a heavier pool never gets less than it did', () => {
  fc.assert(
    fc.property(budgets, single, fc.nat(), (server, asked, which) => {
      const chosen = asked[which % Math.max(1, asked.length)];
      fc.pre(chosen !== undefined);
      const before = poolShares(server, asked).get(chosen?.id ?? '')?.connections ?? 0;
      const heavier = asked.map((c) => (c === chosen ? { ...c, weight: c.weight * 2 } : c));
      const after = poolShares(server, heavier).get(chosen?.id ?? '')?.connections ?? 0;
      // Largest remainders move by one when the weights do.
      assert.ok(after >= before - 1, `${before} became ${after}`);
    }),
    runs,
  );
});

test('a larger min never lowers the share of its pool', () => {
  fc.assert(
    fc.property(
      budgets,
      claims,
      fc.nat(),
      fc.integer({ min: 1, max: 60 }),
      (server, asked, which, more) => {
        const chosen = asked[which % Math.max(1, asked.length)];
        fc.pre(chosen !== undefined);
        const of = (list: readonly PoolClaim[]) =>
          poolShares(server, list).get(chosen?.id ?? '')?.connections ?? 0;
        const larger = asked.map((c) => (c === chosen ? { ...c, min: (c.min ?? 0) + more } : c));
        const before = of(asked);
        const after = of(larger);
        assert.ok(after >= before, `${before} became ${after}`);
      },
    ),
    { numRuns: 10_000 },
  );
});

test('a larger max of a namespace never leaves its pools together with less', () => {
  // Of pools of one kind that are promised nothing but a connection: promises to all are kept together or not at all,
  // and what one kind may have moves the other.
  const plain = claims.map((list) =>
    list.map(({ min: _, ...c }): PoolClaim => ({ ...c, pods: 1, entries: 1, session: false })),
  );
  fc.assert(
    fc.property(budgets, plain, fc.integer({ min: 1, max: 9 }), (server, asked, more) => {
      const [id] = [...groupsOf(asked).keys()];
      fc.pre(id !== undefined);
      const of = (list: readonly PoolClaim[]) => {
        const given = poolShares(server, list);
        return sum(inGroup(list, id ?? '').map((c) => given.get(c.id)?.connections ?? 0));
      };
      const wider = asked.map((c) =>
        c.group?.id === id ? { ...c, group: { id: c.group.id, max: c.group.max + more } } : c,
      );
      assert.ok(of(wider) >= of(asked), `${of(asked)} became ${of(wider)}`);
    }),
    runs,
  );
});

test('a max that is not reached changes nothing', () => {
  fc.assert(
    fc.property(budgets, single, (server, asked) => {
      const wide = asked.map((c) => ({ ...c, group: { id: c.id.slice(0, 1), max: 1000 } }));
      const bare = (shares: ReadonlyMap<string, PoolShare>) =>
        [...shares].map(([id, { connections, shortage }]) => [id, connections, shortage]);
      assert.deepEqual(bare(poolShares(server, wide)), bare(poolShares(server, asked)));
    }),
    runs,
  );
});

test('five hundred pools take one pass: the work for each does not grow with their number', () => {
  const of = (count: number) =>
    Array.from({ length: count }, (_, i) =>
      pool(String(i).padStart(3, '0'), {
        pods: 1 + (i % 3),
        entries: 1 + (i % 2),
        weight: 1 + (i % 7),
      }),
    );
  // Enough for all, for some pods, and for some pools only.
  for (const total of [5000, 900, 300]) {
    let asked = 0;
    const counted = of(500).map((c) => ({
      ...c,
      get entries() {
        asked += 1;
        return c.entries;
      },
    }));
    poolShares(budget(total), counted);
    assert.ok(asked < 500 * 30, `${asked} looks at 500 claims`);
  }
});

test('pods and processes that a share can give a connection for each entry', () => {
  const rows: readonly (readonly [number, number, number, number, number, number])[] = [
    [9, 2, 2, 1, 2, 2],
    [3, 2, 2, 1, 1, 2],
    [3, 2, 4, 1, 1, 3],
    [8, 2, 2, 2, 2, 2],
    [7, 2, 2, 2, 1, 2],
    [3, 2, 2, 2, 1, 1],
    [1, 2, 2, 2, 0, 1],
    [0, 2, 2, 1, 0, 1],
  ];
  for (const [connections, pods, processes, entries, fedPods, fedProcesses] of rows) {
    assert.deepEqual(fleetFor(connections, { pods, processes, entries }), {
      pods: fedPods,
      processes: fedProcesses,
    });
  }
});

test('pods that a share can give a connection for each entry', () => {
  const rows = [
    [9, 2, 1, 2],
    [3, 5, 1, 3],
    [7, 4, 2, 3],
    [1, 4, 2, 0],
    [0, 3, 1, 0],
    [5, 0, 1, 0],
  ];
  for (const [connections = 0, pods = 0, entries = 0, expected] of rows)
    assert.equal(podsFor(connections, pods, entries), expected);
});
