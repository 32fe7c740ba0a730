import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  Observation,
  ObservedDatabase,
  ObservedPool,
  ObservedUser,
} from '../../operator/engines/engine.ts';
import { remembered, runningCapacity } from '../../operator/engines/pgbouncer/running.ts';
import { observation } from './observation.ts';

const database = (name: string, maxConnections: number): ObservedDatabase => ({
  name,
  host: 'db',
  poolSize: maxConnections,
  maxConnections,
  currentConnections: 0,
  paused: false,
  disabled: false,
});
const user = (name: string, maxConnections: number, more: Partial<ObservedUser> = {}) => ({
  name,
  maxConnections,
  currentConnections: 0,
  currentClients: 0,
  ...more,
});

test('on the axis of databases their caps as running count, or their sessions when they are more', () => {
  const seen = observation({
    databases: [database('a', 4), database('b', 2)],
    sessions: { total: 9, cancelling: 3, byDatabase: { a: 7, b: 2 }, byUser: { u: 9 } },
  });
  const { connections, caps, unbounded } = runningCapacity(seen, 'database');
  assert.equal(connections, 9);
  assert.deepEqual(caps, [
    { name: 'a', connections: 7 },
    { name: 'b', connections: 2 },
  ]);
  assert.deepEqual(unbounded, []);
});

test('a session of an entry that is gone still counts', () => {
  const seen = observation({
    databases: [database('a', 4)],
    sessions: { total: 1, cancelling: 0, byDatabase: { b: 1 }, byUser: {} },
  });
  assert.equal(runningCapacity(seen, 'database').connections, 5);
});

test('an entry without a cap makes the process unbounded, and is named', () => {
  const seen = observation({ databases: [database('a', 4), database('b', 0)] });
  const { connections, unbounded } = runningCapacity(seen, 'database');
  assert.equal(connections, Number.POSITIVE_INFINITY);
  assert.deepEqual(unbounded, ['database b']);
});

test('on the axis of users only those count who can open a connection', () => {
  const seen = observation({
    users: [
      user('adm', 1),
      user('sts', 1),
      user('spillway-mark-0123456789abcdef', 1),
      user('web', 4),
      user('left', 3),
      user('leaving', 2, { currentClients: 1 }),
    ],
  });
  assert.equal(runningCapacity(seen, 'user').connections, 9);
  assert.equal(
    runningCapacity(seen, 'user', { names: ['left', 'leaving'], gone: [] }).connections,
    6,
  );
  assert.deepEqual(remembered(seen, ['web']), ['leaving', 'left']);
});

test('before a list is known that leaves him out, everybody counts', () => {
  const seen = observation({ users: [user('web', 4), user('left', 3)] });
  assert.equal(runningCapacity(seen, 'user', { names: [], gone: [] }).connections, 7);
});

test('a client that only logs in counts until nobody was there once', () => {
  const pool = { database: 'a', clientsActive: 0, clientsWaiting: 0 } as ObservedPool;
  const seen = (parts: Partial<ObservedPool>) =>
    observation({
      users: [user('web', 4), user('left', 3, { currentClients: 1 })],
      pools: [{ ...pool, user: 'left', ...parts }],
    });
  const open = (of: Observation, gone: readonly string[]) =>
    runningCapacity(of, 'user', { names: ['left'], gone }).connections;
  assert.equal(open(seen({}), []), 7);
  assert.equal(open(seen({}), ['left']), 4);
  // That cannot be; should it be, it counts.
  assert.equal(open(seen({ clientsActive: 1 }), ['left']), 7);
  assert.equal(open(seen({ clientsWaiting: 1 }), ['left']), 7);
});
