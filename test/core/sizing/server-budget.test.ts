// The budget of one server, in the numbers of the documentation.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ASSUMED_MILLI_CORES,
  defaultSlack,
  type ServerLimits,
  serverBudget,
} from '../../../operator/core/sizing/server-budget.ts';

const limits: ServerLimits = {
  milliCores: 8000,
  milliCoresFactor: 2000,
  spindles: 1,
  maxConnections: 1000,
  reservedConnections: 3,
  setAside: 0,
};

test('the optimum is floor(cores × factor + spindles), at least 1', () => {
  const table: readonly [number | undefined, number, number, number][] = [
    // milliCores, milliCoresFactor, spindles, optimum
    [4000, 2000, 1, 9],
    [8000, 2000, 1, 17],
    [8000, 2000, 0, 16],
    [2500, 2000, 1, 6],
    [1500, 2000, 1, 4],
    [250, 2000, 1, 1],
    [250, 2000, 0, 1],
    [999, 2000, 0, 1],
    [16000, 4000, 1, 65],
    [3000, 1500, 1, 5],
    [3333, 3000, 0, 9],
    [undefined, 2000, 1, 3],
  ];
  for (const [milliCores, milliCoresFactor, spindles, optimum] of table) {
    const { milliCores: _, ...rest } = limits;
    const cores = milliCores === undefined ? {} : { milliCores };
    const budget = serverBudget({ ...rest, ...cores, milliCoresFactor, spindles }, false);
    assert.equal(budget.optimum, optimum, `${milliCores} × ${milliCoresFactor} + ${spindles}`);
  }
  assert.equal(ASSUMED_MILLI_CORES, 1000);
});

test('the optimum is not reduced by the slack: 8 cores with max_connections 100 are 17', () => {
  const budget = serverBudget({ ...limits, maxConnections: 100 }, false);
  assert.deepEqual(budget, {
    optimum: 17,
    guard: 87,
    slack: 10,
    reserved: 3,
    active: 17,
    total: 17,
    decidedBy: 'optimum',
  });
});

test('never more than max_connections leaves after the reserved ones, what is set aside, and the slack', () => {
  const small = serverBudget({ ...limits, maxConnections: 20, setAside: 2 }, false);
  assert.deepEqual([small.guard, small.active, small.decidedBy], [10, 10, 'guard']);
  const own = serverBudget({ ...limits, maxConnections: 20, slack: 0 }, false);
  assert.deepEqual([own.guard, own.slack, own.active], [17, 0, 17]);
  const none = serverBudget({ ...limits, maxConnections: 5 }, false);
  assert.deepEqual([none.guard, none.active, none.total, none.decidedBy], [0, 0, 0, 'guard']);
});

test('the slack is a tenth of max_connections, at least 5', () => {
  const table = [
    [5, 5],
    [50, 5],
    [51, 6],
    [100, 10],
    [101, 11],
    [1000, 100],
  ] as const;
  for (const [maxConnections, slack] of table) assert.equal(defaultSlack(maxConnections), slack);
});

test('pools in session mode may use what the guard leaves, the others stay within the optimum', () => {
  const budget = serverBudget({ ...limits, maxConnections: 100 }, true);
  assert.deepEqual([budget.active, budget.total, budget.decidedBy], [17, 87, 'optimum']);
});

test("the owner's total is the whole, sessions or not, and the guard holds against it too", () => {
  for (const sessions of [true, false]) {
    const budget = serverBudget({ ...limits, maxConnections: 100, total: 40 }, sessions);
    assert.deepEqual([budget.active, budget.total, budget.decidedBy], [40, 40, 'owner']);
    const high = serverBudget({ ...limits, maxConnections: 100, total: 500 }, sessions);
    assert.deepEqual([high.active, high.total, high.decidedBy], [87, 87, 'guard']);
  }
});

test("the owner's share of max_connections is rounded down, and is never less than one connection", () => {
  const table: readonly [number, number, number, 'owner' | 'guard'][] = [
    // max_connections, percent, budget, what decided
    [200, 50, 100, 'owner'],
    [200, 1, 2, 'owner'],
    [101, 33, 33, 'owner'],
    [199, 50, 99, 'owner'],
    [20, 1, 1, 'owner'],
    [100, 87, 87, 'owner'],
    [100, 88, 87, 'guard'],
    [100, 100, 87, 'guard'],
    [8, 100, 0, 'guard'],
  ];
  for (const sessions of [true, false]) {
    for (const [maxConnections, sharePercent, wanted, decidedBy] of table) {
      const budget = serverBudget({ ...limits, maxConnections, sharePercent }, sessions);
      assert.deepEqual(
        [budget.active, budget.total, budget.decidedBy],
        [wanted, wanted, decidedBy],
        `${sharePercent} % of ${maxConnections}`,
      );
    }
  }
});

test('a share is as good as the total that it comes to', () => {
  const any = fc.record({
    maxConnections: fc.integer({ min: 1, max: 262_143 }),
    sharePercent: fc.integer({ min: 1, max: 100 }),
    setAside: fc.nat(1000),
  });
  fc.assert(
    fc.property(any, fc.boolean(), ({ sharePercent, ...given }, sessions) => {
      const exact = (BigInt(given.maxConnections) * BigInt(sharePercent)) / 100n;
      const total = Number(max(1n, exact));
      assert.deepEqual(
        serverBudget({ ...limits, ...given, sharePercent }, sessions),
        serverBudget({ ...limits, ...given, total }, sessions),
      );
    }),
  );
});

test('whatever the limits are, pools never get what the server does not have', () => {
  const any = fc.record({
    milliCores: fc.integer({ min: 1, max: 1_024_000 }),
    milliCoresFactor: fc.integer({ min: 1, max: 100_000 }),
    spindles: fc.nat(1024),
    maxConnections: fc.integer({ min: 1, max: 262_143 }),
    reservedConnections: fc.nat(300),
    setAside: fc.nat(1000),
    slack: fc.nat(1000),
    sharePercent: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(any, fc.boolean(), ({ sharePercent, ...rest }, sessions) => {
      const given = sharePercent === undefined ? rest : { ...rest, sharePercent };
      const budget = serverBudget(given, sessions);
      const { maxConnections, reservedConnections, setAside, slack } = given;
      const left = maxConnections - reservedConnections - setAside - slack;
      assert.ok(budget.total <= Math.max(0, left));
      assert.ok(budget.active <= budget.total && budget.active >= 0 && budget.optimum >= 1);
      const exact = BigInt(given.milliCores) * BigInt(given.milliCoresFactor);
      assert.equal(BigInt(budget.optimum), max(1n, exact / 1_000_000n + BigInt(given.spindles)));
    }),
  );
});

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
