// Databases and users that were taken out of the spec leave their files when their clients have left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type EntriesInput, planEntries, roomFor } from '../../../operator/core/drain/entries.ts';

const NOW = Date.parse('2026-01-01T00:01:00Z');
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();

function input(
  parts: Partial<EntriesInput> & { readonly inFiles: readonly string[] },
): EntriesInput {
  const { inFiles, ...more } = parts;
  return {
    before: [],
    wanted: { databases: new Set(['keep']), users: new Set(['app']) },
    written: { databases: new Set(inFiles), users: new Set(['app']) },
    clients: () => undefined,
    axis: 'database',
    room: 5,
    now: NOW,
    nowText: ago(0),
    limitSeconds: 60,
    ...more,
  };
}
const names = (list: readonly { name: string }[]) => list.map(({ name }) => name);
const old = (seconds: number) => [{ kind: 'Database' as const, name: 'old', since: ago(seconds) }];

test('what the spec names and what the files do not have leaves nowhere', () => {
  const plan = planEntries(input({ inFiles: ['keep'], before: old(5) }));
  assert.deepEqual(plan, { record: [], leaving: [] });
});

test('an entry that was taken out is written down, and the files keep it', () => {
  const plan = planEntries(input({ inFiles: ['keep', 'old'] }));
  assert.deepEqual(plan.record, old(0));
  assert.deepEqual(plan.leaving, plan.record);
  assert.equal(plan.nextSeconds, 60);
});

test('it keeps its time while it has clients', () => {
  const plan = planEntries(input({ inFiles: ['keep', 'old'], before: old(59), clients: () => 3 }));
  assert.deepEqual(plan.leaving, old(59));
  assert.equal(plan.nextSeconds, 1);
});

test('without clients, or when its time is over, the files go without it, and the record only after them', () => {
  for (const more of [
    { before: old(5), clients: () => 0 },
    { before: old(60), clients: () => 3 },
  ]) {
    const plan = planEntries(input({ inFiles: ['keep', 'old'], ...more }));
    assert.deepEqual(names(plan.leaving), []);
    assert.deepEqual(names(plan.record), ['old']);
  }
});

test('an entry that is back in the spec leaves no more', () => {
  const wanted = { databases: new Set(['keep', 'old']), users: new Set(['app']) };
  const plan = planEntries(input({ inFiles: ['keep', 'old'], before: old(5), wanted }));
  assert.deepEqual(plan, { record: [], leaving: [] });
});

test('where nobody wants to wait, or there is no room, it goes at once', () => {
  assert.deepEqual(planEntries(input({ inFiles: ['old'], limitSeconds: 0 })).leaving, []);
  assert.deepEqual(planEntries(input({ inFiles: ['old'], room: 0 })).leaving, []);
});

test('the room is for those that leave already, and users need none where databases are counted', () => {
  const wanted = { databases: new Set<string>(), users: new Set<string>() };
  const plan = planEntries(input({ inFiles: ['a', 'b', 'old'], wanted, before: old(5), room: 2 }));
  assert.deepEqual(
    plan.leaving.map(({ kind, name }) => `${kind} ${name}`),
    ['Database a', 'Database old', 'User app'],
  );
});

test('there is room for what each pod can give a connection to', () => {
  assert.equal(roomFor(9, 2, 3), 1);
  assert.equal(roomFor(9, 4, 3), 0);
  assert.equal(roomFor(0, 0, 3), 0);
});

test('a removal ends whatever is seen on the way, and nothing is forgotten before it is out of the files', () => {
  fc.assert(
    fc.property(
      fc.array(fc.option(fc.nat(3), { nil: undefined }), { minLength: 1, maxLength: 30 }),
      fc.nat(90),
      (counts, limitSeconds) => {
        let before: EntriesInput['before'] = [];
        let inFiles = ['keep', 'old'];
        for (let second = 0; second <= 100; second++) {
          const now = NOW + second * 1000;
          const plan = planEntries(
            input({
              inFiles,
              before,
              limitSeconds,
              clients: () => counts[second % counts.length],
              now,
              nowText: new Date(now).toISOString(),
            }),
          );
          for (const entry of plan.leaving) assert.ok(inFiles.includes(entry.name));
          for (const entry of before.filter(({ name }) => inFiles.includes(name))) {
            assert.ok(names(plan.record).includes(entry.name));
          }
          before = plan.record;
          inFiles = ['keep', ...names(plan.leaving)];
        }
        assert.deepEqual(inFiles, ['keep']);
        assert.deepEqual(before, []);
      },
    ),
  );
});
