// Databases and users that were taken out of the spec leave their files when their clients have left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type EntriesInput, placesFor, planEntries } from '../../../operator/core/drain/entries.ts';

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
    places: 6,
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
  assert.deepEqual(plan, { record: [], leaving: [], waiting: [], cut: [] });
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
  assert.deepEqual(plan, { record: [], leaving: [], waiting: [], cut: [] });
});

test('where nobody wants to wait, or the entries of the spec need every place, it goes at once', () => {
  for (const more of [{ limitSeconds: 0 }, { places: 1 }, { places: 0 }]) {
    const plan = planEntries(input({ inFiles: ['keep', 'old'], ...more }));
    assert.deepEqual(plan.leaving, []);
    assert.deepEqual(plan.cut, old(0));
  }
});

test('the places are for those that leave already, and users need none where databases are counted', () => {
  const wanted = { databases: new Set<string>(), users: new Set<string>() };
  const plan = planEntries(
    input({ inFiles: ['a', 'b', 'old'], wanted, before: old(5), places: 2 }),
  );
  assert.deepEqual(
    plan.leaving.map(({ kind, name }) => `${kind} ${name}`),
    ['Database a', 'Database old', 'User app'],
  );
  assert.deepEqual(names(plan.cut), ['b']);
});

test('what is new waits until others have left, where a pod has no connection for both, at most as long as they may stay', () => {
  const wanted = { databases: new Set(['keep', 'new', 'newer']), users: new Set(['app']) };
  const given = { inFiles: ['keep', 'old'], before: old(20), wanted };
  const plan = planEntries(input({ ...given, places: 2 }));
  assert.deepEqual(plan.leaving, old(20));
  assert.deepEqual(plan.waiting, ['new', 'newer']);
  assert.deepEqual(plan.cut, []);
  assert.equal(plan.until, NOW + 40_000);
  assert.deepEqual(planEntries(input({ ...given, places: 3 })).waiting, ['newer']);
  assert.deepEqual(planEntries(input({ ...given, places: 4 })).waiting, []);
  for (const more of [{ before: old(60) }, { clients: () => 0 }, { limitSeconds: 0 }]) {
    const over = planEntries(input({ ...given, places: 2, ...more }));
    assert.deepEqual(over.waiting, []);
    assert.deepEqual(over.leaving, []);
    assert.equal(over.until, undefined);
  }
});

test('what leaves with clients is cut, and what has none only goes', () => {
  const cutOf = (more: Partial<EntriesInput>) =>
    names(planEntries(input({ inFiles: ['keep', 'old'], before: old(60), ...more })).cut);
  assert.deepEqual(cutOf({ clients: () => 3 }), ['old']);
  assert.deepEqual(cutOf({}), ['old']);
  assert.deepEqual(cutOf({ clients: () => 0 }), []);
});

test('users wait for users where users are counted', () => {
  const plan = planEntries(
    input({
      inFiles: [],
      axis: 'user',
      wanted: { databases: new Set(), users: new Set(['new']) },
      places: 1,
    }),
  );
  assert.deepEqual(names(plan.leaving), ['app']);
  assert.deepEqual(plan.waiting, ['new']);
});

test('there is a place for what each pod can give a connection to', () => {
  assert.equal(placesFor(9, 2), 4);
  assert.equal(placesFor(9, 4), 2);
  assert.equal(placesFor(0, 0), 0);
});

test('whatever changes, no pod needs more places than it has, and every entry of the spec is served in the end', () => {
  const someNames = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(someNames, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 4, max: 6 }),
      fc.integer({ min: 0, max: 3 }),
      (specs, places, limitSeconds) => {
        let before: EntriesInput['before'] = [];
        let inFiles: string[] = [];
        const last = specs.at(-1) ?? [];
        for (let second = 0; second < specs.length + 5; second++) {
          const wanted = specs[second] ?? last;
          const now = NOW + second * 1000;
          const plan = planEntries(
            input({
              inFiles,
              before,
              limitSeconds,
              places,
              wanted: { databases: new Set(wanted), users: new Set(['app']) },
              now,
              nowText: new Date(now).toISOString(),
            }),
          );
          const held = new Set(plan.waiting);
          const next = [...wanted.filter((name) => !held.has(name)), ...names(plan.leaving)];
          assert.ok(next.length <= places, `${next} of ${places}`);
          // Nobody who is served is cut to make room for somebody new.
          for (const { name, since } of plan.cut) {
            assert.ok(
              Date.parse(since) + limitSeconds * 1000 <= now ||
                wanted.filter((one) => inFiles.includes(one)).length + plan.leaving.length >=
                  places,
              name,
            );
          }
          for (const name of wanted) assert.ok(!inFiles.includes(name) || next.includes(name));
          before = plan.record;
          inFiles = next;
        }
        assert.deepEqual([...inFiles].sort(), [...last].sort());
      },
    ),
  );
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
