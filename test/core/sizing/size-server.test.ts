// From what was found of a Postgres to the shares of its pools: whose word counts, and the two worked examples.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionPoolSpec } from '../../../operator/api/connection-pool.ts';
import {
  podSizes,
  type SizedPool,
  sizeServer,
  sizingNumbers,
} from '../../../operator/core/sizing/size-server.ts';
import type { ServerFacts } from '../../../operator/postgres/adapter.ts';

function facts(milliCores: number | undefined, maxConnections: number): ServerFacts {
  const found = <T>(value: T) => ({ value, source: 'a test' });
  return {
    host: 'db',
    port: 5432,
    instances: 1,
    replicas: 0,
    ...(milliCores === undefined ? {} : { milliCores: found(milliCores) }),
    maxConnections: found(maxConnections),
    reservedConnections: found(3),
  };
}

function pool(
  uid: string,
  more: { replicas?: number; mode?: 'session'; sizing?: object } = {},
): SizedPool {
  const { replicas = 2, mode = 'transaction', sizing = {} } = more;
  const spec = connectionPoolSpec.parse({
    postgres: { endpoint: { host: 'db', cores: 1, maxConnections: 100 } },
    users: [{ name: 'app', secretRef: { name: 'app' } }],
    mode,
    pooler: { replicas },
    sizing,
  });
  return { uid, namespace: 'n', name: uid, createdAt: uid, spec, entries: 1 };
}

test('4 cores are 9 connections, 5 and 4 over two pods', () => {
  const one = pool('a');
  const numbers = sizingNumbers(sizeServer(facts(4000, 100), undefined, [one]), one, 1000);
  assert.deepEqual(
    [numbers.cores, numbers.optimum, numbers.budget, numbers.share, numbers.perPod],
    ['4', 9, 9, 9, [5, 4]],
  );
});

test('8 cores are 17 connections, 9 and 8 for two pools', () => {
  const [a, b] = [pool('a'), pool('b')];
  const server = sizeServer(facts(8000, 100), undefined, [b, a]);
  assert.deepEqual(sizingNumbers(server, a, 1000).perPod, [5, 4]);
  assert.deepEqual(sizingNumbers(server, b, 1000).perPod, [4, 4]);
  assert.equal(sizingNumbers(server, a, 1000).slack, 10);
});

test('where nothing says how many cores there are, one is assumed', () => {
  const one = pool('a');
  const numbers = sizingNumbers(sizeServer(facts(undefined, 100), undefined, [one]), one, 1000);
  assert.deepEqual([numbers.cores, numbers.optimum], ['1', 3]);
});

test('the smallest factor and the fewest spindles of all pools count, unless the owner says his', () => {
  const pools = [
    pool('a', { sizing: { coresFactor: '3', spindles: 4 } }),
    pool('b', { sizing: { coresFactor: '2.5', spindles: 2 } }),
    pool('c'),
  ];
  assert.equal(sizeServer(facts(4000, 1000), undefined, pools).budget.optimum, 12);
  const owner = { reserved: [], coresFactor: '4', spindles: 0 };
  assert.equal(sizeServer(facts(4000, 1000), owner, pools).budget.optimum, 16);
});

test('what the owner sets aside and his slack are taken from the guard', () => {
  const reserved = [
    { name: 'admin', connections: 2 },
    { name: 'cron', connections: 3 },
  ];
  const { budget } = sizeServer(facts(64_000, 50), { reserved, slack: 10 }, [pool('a')]);
  assert.deepEqual([budget.guard, budget.reserved, budget.total], [32, 8, 32]);
});

test('one pool in session mode opens the guard for itself alone', () => {
  const server = sizeServer(facts(8000, 100), undefined, [
    pool('a'),
    pool('s', { mode: 'session' }),
  ]);
  assert.equal(server.budget.total, 87);
  assert.ok((server.shares.get('a')?.connections ?? 0) <= 17);
});

test('fewer pods than asked for where there is not a connection for each', () => {
  const { spec } = pool('a', { replicas: 4 });
  assert.deepEqual(podSizes(3, spec, 1), [1, 1, 1]);
  assert.deepEqual(podSizes(3, spec, 2), [3]);
  assert.deepEqual(podSizes(1, spec, 2), []);
});

test('of two pools of the same second the name decides who gets what is not enough for both, not the uid', () => {
  const made = (name: string, uid: string, createdAt: string) => ({
    ...pool(uid, { replicas: 1 }),
    name,
    createdAt,
  });
  const shares = (...pools: SizedPool[]) =>
    Object.fromEntries(sizeServer(facts(4000, 100), { total: 1, reserved: [] }, pools).shares);
  const nothing = { connections: 0, shortage: 'NoPod' };
  const [first, shop] = [made('first', 'z', '1'), made('shop', 'a', '1')];
  assert.deepEqual(shares(shop, first), { z: { connections: 1 }, a: nothing });
  const older = made('shop', 'a', '0');
  assert.deepEqual(shares(first, older), { a: { connections: 1 }, z: nothing });
});
