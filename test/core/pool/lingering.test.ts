// Users who cannot log in any more, and whether somebody of them may still be there or come.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { goneSince, lingering, lockedOut } from '../../../operator/core/pool/lingering.ts';
import { pgbouncer } from '../../../operator/engines/pgbouncer/index.ts';
import { observation } from '../../engines/observation.ts';

const [older, mark] = ['spillway-mark-1-0123456789abcdef', 'spillway-mark-2-0123456789abcdef'];
const list = { text: '', mark, users: ['web'], revoked: ['left'] };
const user = (name: string, currentClients = 0, currentConnections = 0) => ({
  name,
  maxConnections: 2,
  currentConnections,
  currentClients,
});

test('who is locked out lingers as long as it has a client or a session', () => {
  const names = (...users: ReturnType<typeof user>[]) =>
    lingering({ observation: observation({ userMarks: [mark], users }) }, list, pgbouncer);
  assert.deepEqual(names(user('web', 1), user('left')), []);
  assert.deepEqual(names(user('web'), user('left', 1)), ['left']);
  assert.deepEqual(names(user('web'), user('left', 0, 1)), ['left']);
  const others = names(user('web'), user('left'), user('another', 1));
  assert.deepEqual(others, ['another'], 'the list merely leaves it out');
});

test('before a process has read the list, anybody may log in, and nobody lingers', () => {
  const seen = observation({ userMarks: [older], users: [user('left', 1)] });
  assert.deepEqual(lingering({ observation: seen }, list, pgbouncer), []);
  assert.deepEqual(lingering({}, list, pgbouncer), []);
  assert.equal(lockedOut({ observation: seen }, list), undefined);
  assert.equal(lockedOut({ observation: seen }, undefined), undefined);
});

test('who was not there once since the list was read is gone, whoever knocks later', () => {
  const seen = (clients: number, userMarks: string[] = [older, mark]) =>
    observation({ userMarks, users: [user('web', 1), user('left', clients)] });
  assert.deepEqual(goneSince(undefined, seen(1), list), []);
  assert.deepEqual(goneSince(undefined, seen(0), list), ['left']);
  const before = { observation: seen(0), gone: ['left'] };
  assert.deepEqual(goneSince(before, seen(1), list), ['left']);
  assert.deepEqual(
    lingering({ observation: seen(1), gone: goneSince(before, seen(1), list) }, list, pgbouncer),
    [],
  );
});

test('that nobody was there while an older list held, or in another process, says nothing', () => {
  const seen = (clients: number, userMarks: string[]) =>
    observation({ userMarks, users: [user('left', clients)] });
  assert.deepEqual(goneSince(undefined, seen(0, [older]), list), []);
  const early = { observation: seen(0, [older]), gone: ['left'] };
  assert.deepEqual(goneSince(early, seen(1, [older, mark]), list), []);
  const other = { observation: seen(0, [older, mark]), gone: ['left'] };
  assert.deepEqual(goneSince(other, seen(1, [mark]), list), []);
});

test('whom a list merely leaves out may come again: the process may remember him', () => {
  const seen = observation({ userMarks: [older, mark], users: [user('another')] });
  assert.deepEqual(goneSince(undefined, seen, list), []);
});

test('who may come back is not among those that are gone', () => {
  const seen = observation({ userMarks: [older, mark], users: [user('left')] });
  const before = { observation: seen, gone: ['left'] };
  assert.deepEqual(goneSince(before, seen, { ...list, revoked: [] }), []);
});
