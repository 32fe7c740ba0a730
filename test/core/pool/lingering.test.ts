// Users who cannot log in any more, and whether somebody of them may still be there or come.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  areLoginsOver,
  lingering,
  listReadAt,
  mayLogIn,
} from '../../../operator/core/pool/lingering.ts';
import { pgbouncer } from '../../../operator/engines/pgbouncer/index.ts';
import { observation } from '../../engines/observation.ts';

const [older, mark] = ['spillway-mark-1-0123456789abcdef', 'spillway-mark-2-0123456789abcdef'];
const list = { text: '', mark, users: ['web'] };
const user = (name: string, currentClients = 0, currentConnections = 0) => ({
  name,
  maxConnections: 2,
  currentConnections,
  currentClients,
});

test('who is not in the list that a process has read lingers as long as it has a client or a session', () => {
  const names = (...users: ReturnType<typeof user>[]) =>
    lingering({ observation: observation({ userMarks: [mark], users }) }, list, pgbouncer);
  assert.deepEqual(names(user('web', 1), user('left')), []);
  assert.deepEqual(names(user('web'), user('left', 1)), ['left']);
  assert.deepEqual(names(user('web'), user('left', 0, 1)), ['left']);
});

test('before a process has read the list, anybody may log in, and nobody lingers', () => {
  const seen = observation({ userMarks: [older], users: [user('left', 1)] });
  assert.deepEqual(lingering({ observation: seen }, list, pgbouncer), []);
  assert.deepEqual(lingering({}, list, pgbouncer), []);
  assert.equal(mayLogIn(seen, list), undefined);
  assert.equal(mayLogIn(seen, undefined), undefined);
});

test('a list is read when its mark shows for the first time, and once more by another process', () => {
  const first = observation({ userMarks: [older] });
  assert.equal(listReadAt(undefined, first, 5), 5);
  assert.equal(listReadAt({ observation: first, listReadAt: 5 }, first, 9), 5);
  const second = observation({ userMarks: [older, mark] });
  assert.equal(listReadAt({ observation: first, listReadAt: 5 }, second, 9), 9);
  const other = observation({ userMarks: [mark] });
  assert.equal(listReadAt({ observation: second, listReadAt: 9 }, other, 12), 12);
  assert.equal(listReadAt({ listReadAt: 9 }, other, 12), 12, 'no answer came in between');
});

test('logins from before are over when the longest has had its time', () => {
  assert.equal(areLoginsOver(1000, 61_000, 60), false);
  assert.equal(areLoginsOver(1000, 61_001, 60), true);
  assert.equal(areLoginsOver(1000, 1e12, Number.POSITIVE_INFINITY), false);
});
