// What one look says: who is pressed, who starves, how many want the same; and what happened between two.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Look, lookOf } from '../../../operator/core/health/look.ts';
import { between, ratesOf } from '../../../operator/core/health/rates.ts';
import type {
  Observation,
  ObservedPool,
  ObservedTotals,
} from '../../../operator/engines/engine.ts';
import { pgbouncer } from '../../../operator/engines/pgbouncer/index.ts';
import { observation } from '../../engines/observation.ts';

const pool = (parts: Partial<ObservedPool> = {}): ObservedPool => ({
  database: 'shop',
  user: 'app',
  clientsActive: 4,
  clientsWaiting: 2,
  serversActive: 4,
  serversIdle: 0,
  serversUsed: 0,
  serversTested: 0,
  serversLogin: 0,
  serversCancelling: 0,
  serversBeingCancelled: 0,
  maxWaitSeconds: 1.5,
  mode: 'transaction',
  ...parts,
});

const look = (parts: Partial<Observation>, axis: 'database' | 'user' = 'database', at = 0): Look =>
  lookOf(observation(parts), axis, pgbouncer, at);

const pressed: Readonly<Record<string, readonly [Partial<ObservedPool>, boolean]>> = {
  'clients wait long and every connection is busy': [{}, true],
  'nobody waits': [{ clientsWaiting: 0, maxWaitSeconds: 0 }, false],
  'the wait is short': [{ maxWaitSeconds: 0.9 }, false],
  'one is idle': [{ serversIdle: 1 }, false],
  'one is idle for a while': [{ serversUsed: 1 }, false],
  'one is on its way': [{ serversLogin: 1 }, false],
  'no connection at all, as when the server is down': [{ serversActive: 0 }, false],
};
for (const [sentence, [parts, is]] of Object.entries(pressed)) {
  test(`${is ? 'pressed' : 'not pressed'}: ${sentence}`, () => {
    assert.equal(look({ pools: [pool({ clientsWaiting: 0 }), pool(parts)] }).pressed, is);
  });
}

test('those who want connections at the same time are counted by whose cap they share', () => {
  const pools = [
    pool({ user: 'a' }),
    pool({ user: 'b', serversActive: 0 }),
    pool({ user: 'c', serversActive: 0, clientsWaiting: 0 }),
    pool({ database: 'other', user: 'a' }),
  ];
  assert.equal(look({ pools }).wanting, 2);
  assert.equal(look({ pools }, 'user').wanting, 2);
  assert.equal(look({ pools: [] }).wanting, 0);
});

test('who has no connection while others have all of the cap starves', () => {
  const hungry = pool({ user: 'b', serversActive: 0, maxWaitSeconds: 0 });
  assert.equal(look({ pools: [pool(), hungry] }).starving, true);
  assert.equal(look({ pools: [hungry] }).starving, false);
});

test('connections are counted by what they do, over all users and databases', () => {
  const parts = { serversActive: 1, serversIdle: 2, serversUsed: 3, serversTested: 4 };
  const more = { serversLogin: 5, serversBeingCancelled: 6 };
  const { servers } = look({ pools: [pool({ ...parts, ...more }), pool(parts)] });
  assert.deepEqual(servers, { active: 2, idle: 4, used: 6, tested: 8, login: 5, cancelled: 6 });
});

const totals = (factor: number, database = 'shop'): ObservedTotals => ({
  database,
  transactions: 100 * factor,
  queries: 300 * factor,
  assignments: 50 * factor,
  transactionSeconds: 20 * factor,
  querySeconds: 15 * factor,
  waitSeconds: 5 * factor,
  receivedBytes: 0,
  sentBytes: 0,
});

test('between two looks there is what was counted in all databases', () => {
  const before = look({ totals: [totals(1), totals(1, 'b')] }, 'database', 100);
  const after = look({ totals: [totals(2), totals(4, 'b')] }, 'database', 110);
  assert.deepEqual(between(before, after), {
    seconds: 10,
    transactions: 400,
    queries: 1200,
    assignments: 200,
    transactionSeconds: 80,
    waitSeconds: 20,
  });
});

test('a process that has started again is not compared with the one before', () => {
  const before = look({ totals: [totals(9)] }, 'database', 100);
  assert.equal(between(before, look({ totals: [totals(1)] }, 'database', 110)), undefined);
  assert.equal(between(undefined, before), undefined);
  assert.equal(between(before, before), undefined);
});

test('rates are over all processes and the connections that the pool may open', () => {
  const interval = (factor: number) => {
    const after = look({ totals: [totals(factor)] }, 'database', 10);
    return between(look({ totals: [totals(0)] }), after) ?? assert.fail('no interval');
  };
  // 20 s and 40 s of transactions in 10 s: 6 connections were busy.
  assert.deepEqual(ratesOf([interval(1), interval(2)], 12), {
    busyRatio: 0.5,
    meanWaitSeconds: 0.1,
    meanTransactionSeconds: 0.2,
  });
  assert.equal(ratesOf([interval(1)], 1)?.busyRatio, 1, 'a long transaction that has ended');
  assert.equal(ratesOf([interval(1)], 0)?.busyRatio, 0);
  assert.deepEqual(ratesOf([interval(0)], 8), {
    busyRatio: 0,
    meanWaitSeconds: 0,
    meanTransactionSeconds: 0,
  });
  assert.equal(ratesOf([], 8), undefined);
});
