// How the databases of a pool share what it has: their parts of the pool, and of each process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type HolderPlan, planHolders } from '../../../operator/core/ledger/holders.ts';
import {
  type EntrySizes,
  type entrySizes,
  isSessionPool,
  mostOf,
  poolMax,
  sizesOfProcess,
} from '../../../operator/core/sizing/entries.ts';
import { file, holder, pool, workload } from '../ledger/pool.ts';

type Database = Parameters<typeof entrySizes>[0]['databases'][number];
const spec = (databases: readonly Database[], sizing: { max?: number } = {}) => ({
  databases: [...databases],
  sizing: { weight: 1, ...sizing },
  mode: 'transaction' as const,
});

test('the pool can use what its databases can, when each of them has a max', () => {
  assert.equal(poolMax(spec([{ name: '*' }])), undefined);
  assert.equal(poolMax(spec([{ name: '*' }], { max: 5 })), 5);
  assert.equal(poolMax(spec([{ name: 'a', max: 3 }, { name: 'b' }])), undefined);
  assert.equal(
    poolMax(
      spec([
        { name: 'a', max: 3 },
        { name: 'b', max: 4 },
      ]),
    ),
    7,
  );
  assert.equal(
    poolMax(
      spec(
        [
          { name: 'a', max: 3 },
          { name: 'b', max: 4 },
        ],
        { max: 6 },
      ),
    ),
    6,
  );
});

test('a pool is in session mode when all of its databases are', () => {
  const session = { name: 'a', mode: 'session' as const };
  assert.equal(isSessionPool(spec([{ name: 'a' }])), false);
  assert.equal(isSessionPool(spec([session])), true);
  assert.equal(isSessionPool(spec([session, { name: 'b' }])), false);
  const all = { ...spec([{ name: 'a' }, session]), mode: 'session' as const };
  assert.equal(isSessionPool(all), true);
});

const names = ['a', 'b', 'c', 'd'];
const sizes: fc.Arbitrary<EntrySizes> = fc
  .array(
    fc.record(
      { weight: fc.integer({ min: 1, max: 9 }), max: fc.integer({ min: 4, max: 40 }) },
      { requiredKeys: ['weight'] },
    ),
    { maxLength: 4 },
  )
  .map((list) => new Map(list.map((size, i) => [names[i] ?? '', size])));
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

test('the parts of all processes are the whole, and no two processes differ by more than one', () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 4 }), (whole, count) => {
      const parts = Array.from({ length: count }, (_, i) => sizesOfProcess(whole, i, count));
      for (const [name, { weight, max }] of whole) {
        const own = parts.map((part) => part.get(name)?.max);
        assert.ok(parts.every((part) => part.get(name)?.weight === weight));
        if (max === undefined) assert.ok(own.every((part) => part === undefined));
        else assert.equal(sum(own.map((part) => part ?? 0)), max);
      }
      const bounded = [...whole].filter(([, { max }]) => max !== undefined).map(([name]) => name);
      const most = parts.map((part) => mostOf(bounded, part));
      assert.ok(Math.max(...most) - Math.min(...most) <= 1);
    }),
  );
});

/** The steps of a new pool, one after the other, as far as they go. */
function settle(
  allotment: number,
  pods: number,
  entries: readonly string[],
  by: EntrySizes,
): HolderPlan {
  let state = pool({ allotment, pods, entries, sizes: by, workload: workload(0) });
  for (let step = 0; step < 20; step++) {
    const plan = planHolders(state);
    if (plan.settled) return plan;
    const files = new Map(plan.files.map((f) => [f.holder, f.grant]));
    state = {
      ...state,
      workload: workload(plan.replicas, plan.epoch),
      holders: plan.grants.map(({ holder: name, connections, generation }) => {
        const ordinal = Number(/-([0-9]+)-0$/.exec(name)?.[1]);
        const grant = files.get(name);
        const caps = Object.fromEntries((grant?.caps ?? []).map((c) => [c.name, c.connections]));
        return holder(ordinal, {
          grant: [connections, generation],
          ...(grant === undefined ? {} : { file: file(grant.generation, caps) }),
        });
      }),
    };
  }
  return assert.fail('it does not settle');
}

test('every new pool settles: by weight, within each max, and never with more than it has', () => {
  fc.assert(
    fc.property(
      sizes,
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(60),
      (by, count, pods, allotment) => {
        const entries = names.slice(0, count);
        const plan = settle(allotment, pods, entries, by);
        const caps = plan.files.flatMap(({ grant }) => grant.caps);
        const usable = Math.min(allotment, mostOf(entries, by));
        const expected = usable < count ? 0 : usable;
        assert.equal(sum(caps.map((c) => c.connections)), expected);
        for (const name of entries) {
          const own = caps.filter((c) => c.name === name).map((c) => c.connections);
          assert.ok(sum(own) <= (by.get(name)?.max ?? allotment), name);
          assert.ok(own.every((n) => n >= 1));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('weights divide each process', () => {
  const plan = settle(16, 2, ['a', 'b'], new Map([['a', { weight: 3 }]]));
  const caps = plan.files.map(({ grant }) => grant.caps.map((c) => c.connections));
  assert.deepEqual(caps, [
    [6, 2],
    [6, 2],
  ]);
});

test('new weights move connections from one database to the other, never through more than the grant', () => {
  const running = (a: number, b: number, generation: number, grant = generation) =>
    holder(0, {
      grant: [8, grant],
      file: file(generation, { a, b }),
      pod: 0,
      said: [generation, { a, b }, { a, b }],
    });
  const ask = (one: ReturnType<typeof running>, epoch: number) =>
    planHolders(
      pool({
        allotment: 8,
        entries: ['a', 'b'],
        sizes: new Map([['a', { weight: 3 }]]),
        holders: [one],
        workload: workload(1, epoch),
        fileEpoch: epoch,
      }),
    );
  const lowered = ask(running(4, 4, 1), 0);
  assert.deepEqual(
    lowered.files[0]?.grant.caps.map((c) => c.connections),
    [4, 2],
  );
  const granted = ask(running(4, 2, 2, 1), lowered.epoch);
  assert.equal(granted.grants[0]?.connections, 8);
  const { generation = 0 } = granted.grants[0] ?? {};
  assert.ok(generation > 2);
  const raised = ask(running(4, 2, 2, generation), lowered.epoch);
  assert.deepEqual(
    raised.files[0]?.grant.caps.map((c) => c.connections),
    [6, 2],
  );
  assert.equal(raised.files[0]?.grant.generation, generation);
});
