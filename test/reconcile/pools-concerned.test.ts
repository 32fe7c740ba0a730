// Whom a new status of a budget wakes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type {
  AllotmentRecord,
  ConnectionBudgetStatus,
  ServerRecord,
} from '../../operator/api/connection-budget.ts';
import { connectionBudgetSpec } from '../../operator/api/connection-budget.ts';
import { type BudgetPool, planBudget } from '../../operator/core/plan-budget.ts';
import { explanationOf } from '../../operator/core/pool/explanation.ts';
import { sizingNumbers } from '../../operator/core/sizing/size-server.ts';
import { sourcesOf } from '../../operator/core/sizing/sources.ts';
import { poolsConcerned } from '../../operator/reconcile/pools-concerned.ts';
import { view } from '../core/pool/fixture.ts';

const server = (more: Partial<ServerRecord> = {}): ServerRecord => ({
  name: 'primary',
  budget: 17,
  allotted: 17,
  free: 0,
  ...more,
});
const row = (name: string, more: Partial<AllotmentRecord> = {}): AllotmentRecord => ({
  server: 'primary',
  uid: `uid-${name}`,
  namespace: 'shop',
  name,
  connections: 8,
  target: 8,
  serial: 1,
  ...more,
});
const status = (servers: ServerRecord[], allotments: AllotmentRecord[]) => ({
  servers,
  allotments,
});
const before = status([server(), server({ name: 'replicas' })], [row('a'), row('b')]);

const cases: Readonly<Record<string, readonly [ConnectionBudgetStatus, string[], string[]]>> = {
  'the same again': [structuredClone(before), [], []],
  'a pool has another target': [
    status(before.servers, [row('a', { target: 9 }), row('b')]),
    [],
    ['shop/a'],
  ],
  'a pool has another serial, one is gone and one is new': [
    status(before.servers, [row('a', { serial: 2 }), row('c')]),
    [],
    ['shop/a', 'shop/b', 'shop/c'],
  ],
  'pools have given back': [
    status([server({ allotted: 9, free: 8 }), server({ name: 'replicas' })], before.allotments),
    [],
    [],
  ],
  'the server has another size': [
    status([server({ budget: 9 }), server({ name: 'replicas' })], before.allotments),
    ['primary'],
    [],
  ],
  'a number of the server has another source': [
    status(
      [
        server(),
        server({
          name: 'replicas',
          sources: [{ field: 'cores', value: '8', source: 'limits.cpu' }],
        }),
      ],
      before.allotments,
    ),
    ['replicas'],
    [],
  ],
  'a pool has its number for another reason': [
    status(before.servers, [row('a'), row('b', { why: 'weight 1 of 2, at its max' })]),
    [],
    ['shop/b'],
  ],
  'pools hold more than there is now': [
    status([server({ over: 8 }), server({ name: 'replicas' })], before.allotments),
    ['primary'],
    [],
  ],
  'there is a server more': [
    status([...before.servers, server({ name: 'x' })], []),
    ['x'],
    ['shop/a', 'shop/b'],
  ],
};

for (const [sentence, [after, roles, keys]] of Object.entries(cases)) {
  test(`woken when ${sentence}`, () => {
    const concerned = poolsConcerned(before, after);
    assert.deepEqual([...concerned.roles], roles);
    assert.deepEqual([...concerned.keys].sort(), keys);
  });
}

test('while pools give back, each step of it wakes those only whose rows change', () => {
  const over = (n: number) => status([server({ over: n })], before.allotments);
  assert.deepEqual([...poolsConcerned(over(8), over(3)).roles], []);
  assert.deepEqual([...poolsConcerned(over(3), status([server()], [])).roles], ['primary']);
});

/** What a pool is asked to be; the rest is as in every other one. */
interface Asked {
  readonly weight: number;
  readonly session: boolean;
  readonly replicas: number;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly coresFactor?: string | undefined;
}

const { server: facts, spec } = view();
const pools = new Map<string, BudgetPool>();

/** The same for the same words, as a store keeps what has not changed. */
function budgetPool(name: string, asked: Asked): BudgetPool {
  const key = `${name} ${JSON.stringify(asked)}`;
  const { weight, session, replicas, min, max, coresFactor } = asked;
  const made: BudgetPool = pools.get(key) ?? {
    uid: `uid-${name}`,
    namespace: 'shop',
    name,
    createdAt: '2026-01-01T00:00:00Z',
    spec: {
      ...spec,
      mode: session ? 'session' : 'transaction',
      pooler: { ...spec.pooler, replicas },
      sizing: {
        weight,
        ...(min === undefined ? {} : { min }),
        ...(max === undefined ? {} : { max }),
        ...(coresFactor === undefined ? {} : { coresFactor }),
      },
    },
    entries: 1,
    role: 'primary',
    charge: 0,
  };
  pools.set(key, made);
  return made;
}

/** What each pool says in its status of its size, by its key; and what their budget says. */
function saidOf(
  asked: ReadonlyMap<string, Asked>,
  total: number | undefined,
  before: ConnectionBudgetStatus,
) {
  const owner = connectionBudgetSpec.parse({
    postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'shop-db' } },
    ...(total === undefined ? {} : { total, slack: 5 }),
  });
  const all = [...asked].map(([name, one]) => budgetPool(name, one));
  const found = { ...facts, maxConnections: { value: 3000, source: 'the command line' } };
  const plan = planBudget({
    spec: owner,
    status: before,
    pools: all,
    servers: new Map([['primary', { ok: true, facts: found }]] as const),
    gone: () => 'pods',
    inParts: new Set(),
    mayRaise: true,
  });
  const sized = plan.sized.get('primary');
  const texts = new Map(
    all.flatMap((pool): [string, { numbers: object; text: object }][] => {
      if (sized === undefined) return [];
      const maxClientConn = { max: 1000, source: 'the default' };
      const sourcesInput = { server: sized, owner, budgetName: 'shop/b', pools: all, pool };
      return [
        [
          `shop/${pool.name}`,
          {
            numbers: sizingNumbers(sized, pool, 1000),
            text: {
              explanation: explanationOf(sized, all, pool, 'user', 1000),
              sources: sourcesOf({ ...sourcesInput, maxClientConn }),
            },
          },
        ],
      ];
    }),
  );
  const status: ConnectionBudgetStatus = {
    servers: [...plan.servers],
    allotments: [...plan.allotments],
  };
  return { texts, status };
}

/** Pools other than `edited` that are there before and after, and say something else after. */
function changedTexts(
  old: ReturnType<typeof saidOf>['texts'],
  next: ReturnType<typeof saidOf>['texts'],
  edited: ReadonlySet<string>,
): string[] {
  return [...next.keys()].filter((key) => {
    const [a, b] = [old.get(key), next.get(key)];
    return a !== undefined && b !== undefined && !edited.has(key) && !isDeepStrictEqual(a, b);
  });
}

const anyPool: fc.Arbitrary<Asked> = fc.record({
  weight: fc.integer({ min: 1, max: 4 }),
  session: fc.boolean(),
  replicas: fc.constantFrom(0, 1, 2, 2),
  min: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined, freq: 4 }),
  max: fc.option(fc.integer({ min: 6, max: 9 }), { nil: undefined, freq: 4 }),
  coresFactor: fc.option(fc.constantFrom('1', '3'), { nil: undefined, freq: 6 }),
});

test('whoever says something else because of others is woken by what their budget says', () => {
  const some = fc.dictionary(fc.constantFrom(...'abcdefg'), anyPool, { maxKeys: 7 });
  const total = fc.option(fc.constantFrom(9, 40), { nil: undefined });
  let woken = 0;
  fc.assert(
    fc.property(some, some, total, fc.nat(3), (first, second, total, keep) => {
      // Most pools are as they were.
      const same = Object.keys(first).filter((_, i) => i % 4 !== keep);
      const next = { ...second, ...Object.fromEntries(same.map((k) => [k, first[k] as Asked])) };
      const before = saidOf(new Map(Object.entries(first)), total, {});
      const after = saidOf(new Map(Object.entries(next)), total, before.status);
      const edited = new Set(
        Object.keys(next)
          .filter((k) => !same.includes(k))
          .map((k) => `shop/${k}`),
      );
      const { roles, keys } = poolsConcerned(before.status, after.status);
      for (const key of changedTexts(before.texts, after.texts, edited)) {
        woken += 1;
        assert.ok(roles.has('primary') || keys.includes(key), key);
      }
    }),
    { numRuns: 2000 },
  );
  assert.ok(woken > 500, String(woken));
});

/** Pools of any weights, of which one gets another weight; one more comes, or one goes. */
function manyPools(weights: readonly number[]): Map<string, Asked> {
  return new Map(weights.map((weight, i) => [`p${i}`, { weight, session: false, replicas: 2 }]));
}

function checkEdit(weights: readonly number[], edit: (all: Map<string, Asked>) => void): number {
  const before = saidOf(manyPools(weights), 2000, {});
  const all = manyPools(weights);
  edit(all);
  const after = saidOf(all, 2000, before.status);
  const changed = changedTexts(before.texts, after.texts, new Set(['shop/p0']));
  for (const key of changed) {
    const numbers = [before.texts.get(key)?.numbers, after.texts.get(key)?.numbers];
    assert.notDeepEqual(numbers[0], numbers[1], key);
  }
  const { roles, keys } = poolsConcerned(before.status, after.status);
  assert.deepEqual([...roles], []);
  // The edited one, and one that came or went, are woken besides.
  assert.ok(keys.length <= changed.length + 2, `${keys.length} are woken for ${changed.length}`);
  return changed.length;
}

test('of 500 pools those only say something else whose numbers changed', () => {
  const equal = Array.from({ length: 500 }, () => 1);
  // 2,000 over 500 is 4 each. Over 501 parts it is 3.99: the heavier one has 7, and three of the others lose one.
  const heavier = checkEdit(equal, (all) =>
    all.set('p0', { weight: 2, session: false, replicas: 2 }),
  );
  assert.equal(heavier, 3);
  const more = checkEdit(equal, (all) =>
    all.set('p500', { weight: 1, session: false, replicas: 2 }),
  );
  assert.ok(more > 0 && more <= 4, String(more));
});

test('of many pools of whatever weights those only say something else whose numbers changed', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 7, maxLength: 60 });
  const one: fc.Arbitrary<Asked | undefined> = fc.option(
    fc.record({
      weight: fc.integer({ min: 1, max: 9 }),
      session: fc.constant(false),
      replicas: fc.constantFrom(0, 2),
    }),
    { nil: undefined },
  );
  fc.assert(
    fc.property(weights, one, fc.boolean(), (given, edit, isNew) => {
      checkEdit(given, (all) => {
        if (edit === undefined) all.delete('p0');
        else all.set(isNew ? `p${given.length}` : 'p0', edit);
      });
    }),
    { numRuns: 200 },
  );
});
