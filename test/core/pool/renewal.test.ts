// When a read pool makes its sessions anew, and when it has proven that none from before is left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  hasLeft,
  isSameTopology,
  nextRenewal,
  type Renewal,
  type RenewalStep,
  SETTLE_MS,
  sessionsRenewed,
  topologyOf,
} from '../../../operator/core/pool/renewal.ts';
import { view } from './fixture.ts';

const wanted = { primary: 'db-2', replicas: 2 };
const since = 1_000_000;
const rows: readonly (readonly [string, Partial<Renewal>, number, number, RenewalStep])[] = [
  ['at once, whatever is open', {}, 0, since, 'reconnect'],
  [
    'then it waits until nothing leads to the old place',
    { toldAt: since },
    0,
    since + 9999,
    'wait',
  ],
  [
    'and is told once more, because some may have come back',
    { toldAt: since },
    0,
    since + SETTLE_MS,
    'reconnect',
  ],
  ['which counts only then', { toldAt: since + 9999 }, 0, since + SETTLE_MS, 'reconnect'],
  [
    'a session in use is waited for',
    { toldAt: since + SETTLE_MS },
    1,
    since + SETTLE_MS + 100_000,
    'wait',
  ],
  ['none is left: proven', { toldAt: since + SETTLE_MS }, 0, since + SETTLE_MS + 1, 'proven'],
  ['and stays so', { toldAt: since + SETTLE_MS, proven: true }, 3, since + 50_000, 'proven'],
];
for (const [sentence, more, closing, now, step] of rows) {
  test(`sessions from before a promotion: ${sentence}`, () => {
    assert.equal(nextRenewal({ wanted, since, proven: false, ...more }, closing, now), step);
  });
}

test('a change of the primary or of the number of replicas is another topology', () => {
  const { server } = view();
  assert.deepEqual(topologyOf({ ...server, primary: 'db-1', replicas: 2 }), {
    primary: 'db-1',
    replicas: 2,
  });
  assert.deepEqual(topologyOf(server), { replicas: 0 });
  assert.ok(isSameTopology(wanted, { ...wanted }));
  assert.ok(!isSameTopology(wanted, { primary: 'db-1', replicas: 2 }));
  assert.ok(!isSameTopology(wanted, { primary: 'db-2', replicas: 3 }));
  assert.ok(!isSameTopology(undefined, wanted));
});

test('while nobody is the primary, it is the one that it was', () => {
  const { server } = view();
  const before = { primary: 'db-1', replicas: 2 };
  assert.deepEqual(topologyOf({ ...server, replicas: 2 }, before), before);
  assert.deepEqual(topologyOf({ ...server, replicas: 1 }, before), { ...before, replicas: 1 });
  assert.deepEqual(topologyOf({ ...server, primary: 'db-2', replicas: 2 }, before), wanted);
  assert.deepEqual(topologyOf(server, { replicas: 2 }), { replicas: 0 });
});

test('only another primary keeps something back from the pools of the primary', () => {
  assert.ok(!hasLeft({ primary: 'db-1', replicas: 2 }, wanted));
  assert.ok(!hasLeft(undefined, wanted));
  assert.ok(hasLeft({ primary: 'db-2', replicas: 1 }, wanted));
  assert.ok(hasLeft(undefined, { replicas: 2 }));
});

test('the condition names the new primary and who has sessions from before', () => {
  const before = sessionsRenewed(wanted, ['ro-pooler-1']);
  assert.deepEqual(
    [before.status, before.reason, before.effect],
    ['False', 'OldSessions', 'noted'],
  );
  assert.match(
    before.message,
    /^db-2 is the primary, and there are 2 read replicas now.*ro-pooler-1/,
  );
  const since = sessionsRenewed(wanted, []);
  assert.deepEqual([since.status, since.reason], ['True', 'Renewed']);
});
