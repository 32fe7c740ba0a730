// Which clients are closed, and how fast.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  closingOf,
  closingOfEntries,
  secondsBetweenLooks,
} from '../../../operator/core/drain/closing.ts';
import { leftInWords } from '../../../operator/core/drain/left.ts';
import type { ObservedClient } from '../../../operator/engines/engine.ts';

let ids = 0;
function client(state: ObservedClient['state'], silentSeconds: number, more = {}): ObservedClient {
  return { id: String(++ids), database: 'a', user: 'u', state, silentSeconds, ...more };
}
const many = (count: number, state: ObservedClient['state'], silent: number) =>
  Array.from({ length: count }, () => client(state, silent));

test('clients that are silent for long are closed a few at a time, the most silent first', () => {
  const old = many(15, 'idle', 90);
  const clients = [...many(30, 'idle', 9), ...old, ...many(5, 'idle', 0)];
  assert.deepEqual(closingOf(clients, 'first'), { close: [], silentSeconds: 9 });
});

test('of a thousand clients a fiftieth goes at each look', () => {
  const clients = Array.from({ length: 2000 }, (_, index) => client('idle', index));
  assert.deepEqual(closingOf(clients, 'first'), { close: [], silentSeconds: 2000 - 1 - 40 });
});

test('who is silent long enough is told by a silence that only a few exceed', () => {
  const clients = [...many(20, 'idle', 4), ...many(30, 'idle', 3), ...many(5, 'idle', 0)];
  assert.deepEqual(closingOf(clients, 'first'), { close: [], silentSeconds: 3 });
  const few = [...many(10, 'idle', 4), ...many(50, 'busy', 0)];
  assert.deepEqual(closingOf(few, 'first'), { close: [], silentSeconds: 1 });
  assert.deepEqual(closingOf(few, 'second'), { close: [], silentSeconds: 0.2 });
  assert.deepEqual(closingOf(many(500, 'idle', 9), 'last'), { close: [], silentSeconds: 0.05 });
  assert.deepEqual(closingOf(many(500, 'idle', 9), 'end'), {
    close: [],
    silentSeconds: 0.05,
    refuses: true,
  });
});

const anyClient = fc.record({
  state: fc.constantFrom('idle' as const, 'busy' as const, 'waiting' as const),
  silent: fc.integer({ min: 0, max: 100 }),
  database: fc.constantFrom('a', 'b'),
  user: fc.constantFrom('u', 'v'),
});

const NOW = Date.parse('2026-01-01T00:01:00Z');
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();
const leaves = (kind: 'Database' | 'User', name: string, seconds: number) => ({
  kind,
  name,
  since: ago(seconds),
});
const unwanted = (leaving: ReturnType<typeof leaves>[], revoked: string[] = []) => ({
  leaving,
  limitSeconds: 60,
  revoked: new Set(revoked),
});

test('no client is closed by name, but those of users who have gone', () => {
  fc.assert(
    fc.property(
      fc.array(anyClient, { maxLength: 200 }),
      fc.constantFrom(...(['first', 'second', 'last', 'lone', 'end'] as const)),
      fc.nat(70),
      fc.constantFrom('Database' as const, 'User' as const),
      (list, phase, seconds, kind) => {
        const clients = list.map(({ state, silent, ...more }) => client(state, silent, more));
        const leaving = [leaves(kind, kind === 'User' ? 'v' : 'b', seconds)];
        assert.deepEqual(closingOf(clients, phase).close, []);
        const { close, holds } = closingOfEntries(clients, unwanted(leaving), NOW);
        assert.deepEqual(close, []);
        for (const { database, wants } of holds) {
          for (const one of clients.filter((c) => c.database === database && wants(c))) {
            if (kind === 'User') assert.equal(one.user, 'v');
            else assert.equal(one.database, 'b');
            if (seconds < 55) assert.ok(one.state === 'idle' && one.silentSeconds >= 2);
          }
        }
      },
    ),
  );
});

test('a database that goes is held for a moment while somebody is silent there, and for longer at its end', () => {
  const silent = client('idle', 2, { database: 'b' });
  const others = [client('idle', 90), client('busy', 9, { database: 'b' })];
  const holdsOf = (clients: ObservedClient[], seconds: number) =>
    closingOfEntries(clients, unwanted([leaves('Database', 'b', seconds)]), NOW).holds.map(
      ({ wants, ...hold }) => ({ ...hold, wanted: clients.filter(wants).length }),
    );
  assert.deepEqual(holdsOf(others, 50), []);
  assert.deepEqual(holdsOf([...others, silent], 50), [
    { database: 'b', most: 20, seconds: 0, wanted: 1 },
  ]);
  assert.deepEqual(holdsOf([...others, silent], 55), [
    { database: 'b', most: Number.POSITIVE_INFINITY, seconds: 1, wanted: 2 },
  ]);
  assert.deepEqual(holdsOf([client('idle', 90)], 55), []);
});

test('for a user that goes, databases are held only at the end, and shortly', () => {
  const clients = [client('busy', 0, { user: 'v' }), client('idle', 9, { database: 'b' })];
  const holdsOf = (seconds: number) =>
    closingOfEntries(clients, unwanted([leaves('User', 'v', seconds)]), NOW).holds;
  assert.deepEqual(holdsOf(54), []);
  assert.deepEqual(
    holdsOf(55).map(({ database, seconds, wants }) => [database, seconds, clients.map(wants)]),
    [['a', 0.2, [true, false]]],
  );
});

test('a user without any right left is closed whatever it does', () => {
  const clients = [
    client('busy', 0, { user: 'gone' }),
    client('idle', 0, { user: 'gone' }),
    client('idle', 50, { user: 'stays' }),
  ];
  const { close, holds } = closingOfEntries(clients, unwanted([], ['gone']), NOW);
  assert.deepEqual(close, [clients[0]?.id, clients[1]?.id]);
  assert.deepEqual(holds, []);
});

test('idle clients are gone in ten seconds where five looks a second are enough', () => {
  assert.equal(secondsBetweenLooks(0), 1);
  assert.equal(secondsBetweenLooks(200), 1);
  assert.equal(secondsBetweenLooks(400), 0.5);
  assert.equal(secondsBetweenLooks(5000), 0.2);
});

test('what is left is said coarsely', () => {
  assert.equal(leftInWords(undefined), 'not counted yet');
  assert.equal(leftInWords(0), 'no client left');
  assert.equal(leftInWords(1), 'fewer than 10 clients left');
  assert.equal(leftInWords(9), leftInWords(1));
  assert.equal(leftInWords(10), 'fewer than 100 clients left');
  assert.equal(leftInWords(999), 'fewer than 1000 clients left');
});
