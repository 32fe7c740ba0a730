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

test('no client of a pod is closed by name, and of an entry none that is not idle or spoke a moment ago', () => {
  fc.assert(
    fc.property(
      fc.array(anyClient, { maxLength: 200 }),
      fc.constantFrom(...(['first', 'second', 'last', 'lone', 'end'] as const)),
      (list, phase) => {
        const clients = list.map(({ state, silent, ...more }) => client(state, silent, more));
        const byId = new Map(clients.map((c) => [c.id, c]));
        const entries = {
          databases: new Set(['b']),
          users: new Set<string>(),
          revoked: new Set<string>(),
        };
        assert.deepEqual(closingOf(clients, phase).close, []);
        for (const id of closingOfEntries(clients, entries).close) {
          assert.equal(byId.get(id)?.state, 'idle');
          assert.equal(byId.get(id)?.database, 'b');
          assert.ok((byId.get(id)?.silentSeconds ?? 0) >= 2);
        }
      },
    ),
  );
});

test('a user without any right left is closed whatever it does', () => {
  const clients = [
    client('busy', 0, { user: 'gone' }),
    client('idle', 0, { user: 'gone' }),
    client('idle', 50, { user: 'stays' }),
  ];
  const revoked = new Set(['gone']);
  const { close } = closingOfEntries(clients, { databases: new Set(), users: new Set(), revoked });
  assert.deepEqual(close, [clients[0]?.id, clients[1]?.id]);
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
