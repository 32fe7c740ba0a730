// The size of an application's own pool: small, and never so small that its tasks block each other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type ApplicationPool,
  deadlockFloor,
  recommend,
} from '../../../operator/core/clients/recommend.ts';

const transaction = { mode: 'transaction', share: 17, pods: 4 } as const;
const session = { mode: 'session', share: 17, pods: 4 } as const;

const cases: Readonly<Record<string, readonly [ApplicationPool, number, RegExp]>> = {
  'one pod gets the largest': [{ ...transaction, pods: 1 }, 10, /^10, within 5 to 10/],
  'a few pods get two clients for each server connection': [transaction, 9, /4 pods share 17/],
  'many pods get the smallest': [{ ...transaction, pods: 50 }, 5, /^5, within/],
  'no pods are as one': [{ ...transaction, pods: 0 }, 10, /1 pod share/],
  'a pool without a share recommends the smallest': [{ ...transaction, share: 0 }, 5, /^5/],
  'the deadlock floor is above all': [
    { ...transaction, tasks: 8, connectionsPerTask: 3 },
    17,
    /^17, or tasks can wait for each other for ever: 8 tasks × \(3 connections − 1\) \+ 1$/,
  ],
  'a floor below the size changes nothing': [
    { ...transaction, tasks: 2, connectionsPerTask: 2 },
    9,
    /within/,
  ],
  'in session mode each pod gets its part of the share': [session, 4, /holds a server connection/],
  'in session mode nobody gets less than one, and is told': [
    { ...session, pods: 50 },
    1,
    /not one each: use transaction mode/,
  ],
  'in session mode one pod gets the largest': [{ ...session, pods: 1 }, 10, /^10/],
};
for (const [sentence, [pool, size, advice]] of Object.entries(cases)) {
  test(sentence, () => {
    const { poolSize, advice: why } = recommend(pool);
    assert.equal(poolSize, size, why);
    assert.match(why, advice);
  });
}

test("the floor is HikariCP's formula, and 1 where nothing is said", () => {
  assert.equal(deadlockFloor(), 1);
  assert.equal(deadlockFloor(3, 4), 10);
  assert.equal(deadlockFloor(8, 1), 1);
});

const pools = fc.record({
  mode: fc.constantFrom('transaction', 'session', 'statement'),
  share: fc.nat(2000),
  pods: fc.nat(2000),
  tasks: fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined }),
  connectionsPerTask: fc.option(fc.integer({ min: 1, max: 10 }), { nil: undefined }),
}) as fc.Arbitrary<ApplicationPool>;

test('no pool is recommended in which the tasks of a pod can all wait for their last connection', () => {
  fc.assert(
    fc.property(pools, (pool) => {
      const { poolSize } = recommend(pool);
      const tasks = pool.tasks ?? 1;
      // The worst: every task holds all but one of its connections.
      const held = tasks * ((pool.connectionsPerTask ?? 1) - 1);
      assert.ok(poolSize > held, `${poolSize} connections, ${held} held`);
    }),
  );
});

test('outside of session mode it is 5 to 10 unless the floor is more; more pods never mean a larger one', () => {
  fc.assert(
    fc.property(pools, fc.nat(100), (pool, more) => {
      const { poolSize } = recommend(pool);
      const floor = deadlockFloor(pool.tasks, pool.connectionsPerTask);
      if (pool.mode !== 'session') assert.ok(poolSize >= 5, `${poolSize}`);
      assert.ok(poolSize <= Math.max(10, floor), `${poolSize} with a floor of ${floor}`);
      assert.ok(recommend({ ...pool, pods: pool.pods + more }).poolSize <= poolSize);
    }),
  );
});
