import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  Observation,
  ObservedDatabase,
  ObservedPool,
  ObservedUser,
} from '../../operator/engines/engine.ts';
import {
  loginSeconds,
  remembered,
  runningCapacity,
} from '../../operator/engines/pgbouncer/running.ts';
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
  assert.equal(runningCapacity(seen, 'user', { users: ['web'], loginsOver: false }).connections, 6);
  assert.deepEqual(remembered(seen, ['web']), ['leaving', 'left']);
});

test('a client that only logs in counts as long as the list may have been another when it began', () => {
  const pool = { database: 'a', clientsActive: 0, clientsWaiting: 0 } as ObservedPool;
  const seen = (parts: Partial<ObservedPool>) =>
    observation({
      users: [user('web', 4), user('left', 3, { currentClients: 1 })],
      pools: [{ ...pool, user: 'left', ...parts }],
    });
  const open = (of: Observation, loginsOver: boolean) =>
    runningCapacity(of, 'user', { users: ['web'], loginsOver }).connections;
  assert.equal(open(seen({}), false), 7);
  assert.equal(open(seen({}), true), 4);
  assert.equal(open(seen({ clientsActive: 1 }), true), 7);
  assert.equal(open(seen({ clientsWaiting: 1 }), true), 7);
});

test('who has not logged in is turned away after client_login_timeout', () => {
  const seen = (value: string) => observation({ parameters: { client_login_timeout: value } });
  assert.equal(loginSeconds(seen('60')), 60);
  assert.equal(loginSeconds(seen('0.5')), 0.5);
  assert.equal(loginSeconds(seen('0')), Number.POSITIVE_INFINITY);
  assert.equal(loginSeconds(observation({})), Number.POSITIVE_INFINITY);
});
