// What no plan of a pool may do, whatever the state is: also states that the protocol never gets into.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type PoolState, planHolders } from '../../../operator/core/ledger/holders.ts';
import { type HolderState, held } from '../../../operator/core/ledger/state.ts';
import { file, holder, nameOf, pool } from './pool.ts';

const caps = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 6 }));
const generation = fc.integer({ min: 1, max: 5 });
const words = fc.record(
  {
    grant: fc.tuple(fc.integer({ min: 1, max: 10 }), generation),
    file: fc.oneof(
      { weight: 9, arbitrary: fc.tuple(generation, caps).map(([g, c]) => file(g, c)) },
      { weight: 1, arbitrary: fc.constant('unreadable' as const) },
    ),
    pod: fc.nat(6),
    terminating: fc.boolean(),
    said: fc.tuple(generation, caps, caps),
    saidByAnother: fc.boolean(),
  },
  { requiredKeys: [] },
);
const state: fc.Arbitrary<PoolState> = fc
  .record({
    allotment: fc.nat(16),
    pods: fc.nat(3),
    entries: fc.constantFrom(['a'], ['b'], ['a', 'b'], ['b', 'c'], ['a', 'b', 'c']),
    sizes: fc
      .dictionary(
        fc.constantFrom('a', 'b', 'c'),
        fc.record(
          { weight: fc.integer({ min: 1, max: 9 }), max: fc.integer({ min: 1, max: 9 }) },
          { requiredKeys: ['weight'] },
        ),
      )
      .map((sizes) => new Map(Object.entries(sizes))),
    holders: fc.dictionary(fc.constantFrom('0 0', '0 1', '1 0', '1 1', '2 0', '2 1', '3 0'), words),
    processes: fc.integer({ min: 1, max: 3 }),
    workload: fc.option(
      fc.record({
        replicas: fc.nat(4),
        epoch: fc.nat(6),
        processes: fc.integer({ min: 1, max: 3 }),
        seen: fc.boolean(),
      }),
      { nil: undefined },
    ),
    fileEpoch: fc.nat(6),
    mayRaise: fc.boolean(),
    live: fc.boolean(),
    inParts: fc.boolean(),
  })
  .map(({ holders, workload, ...rest }) =>
    pool({
      ...rest,
      ...(workload === undefined ? {} : { workload }),
      holders: Object.entries(holders).map(([place, w]) => {
        const [ordinal = 0, process = 0] = place.split(' ').map(Number);
        return holder(ordinal, { ...w, process });
      }),
    }),
  );
const runs = { numRuns: 3000 };
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
const find = (given: PoolState, name: string): HolderState | undefined =>
  given.holders.find((h) => h.name === name);

test('what is given fits into the allotment, counting what every holder has and holds', () => {
  fc.assert(
    fc.property(state, (given) => {
      const plan = planHolders(given);
      const raised = plan.grants.filter((g) => {
        const before = find(given, g.holder);
        const most =
          before === undefined ? 0 : Math.max(before.grant?.connections ?? 0, held(before));
        return g.connections > most;
      });
      if (raised.length === 0) return;
      assert.ok(given.mayRaise);
      const names = new Set([
        ...plan.grants.map((g) => g.holder),
        ...given.holders.map((h) => h.name),
      ]);
      const all = [...names].map((name) => {
        const before = find(given, name);
        const grant = plan.grants.find((g) => g.holder === name)?.connections ?? 0;
        return Math.max(grant, before === undefined ? 0 : held(before));
      });
      assert.ok(sum(all) <= given.allotment, `${sum(all)} of ${given.allotment}`);
    }),
    runs,
  );
});

test('a grant never falls below what its holder has in its file, runs with or holds', () => {
  fc.assert(
    fc.property(state, (given) => {
      const plan = planHolders(given);
      for (const before of given.holders) {
        const after = plan.grants.find((g) => g.holder === before.name)?.connections ?? 0;
        if (before.grant === undefined || after >= before.grant.connections) continue;
        assert.ok(after >= held(before), `${before.name}: ${after} < ${held(before)}`);
        assert.ok(given.live && given.workload?.seen);
      }
    }),
    runs,
  );
});

test('a file says no more than it did, or no more than a grant of a generation that it had not reached', () => {
  fc.assert(
    fc.property(state, (given) => {
      const plan = planHolders(given);
      for (const { holder: name, grant } of plan.files) {
        const before = find(given, name);
        if (before === undefined || before.file === 'unreadable') continue;
        const was = new Map(
          before.file === undefined ? [] : before.file.caps.map((c) => [c.name, c.connections]),
        );
        const grew = grant.caps.some((c) => c.connections > (was.get(c.name) ?? 0));
        if (!grew) continue;
        assert.ok(sum(grant.caps.map((c) => c.connections)) <= (before.grant?.connections ?? 0));
        const reached = before.file === undefined ? given.fileEpoch : before.file.generation;
        assert.ok((before.grant?.generation ?? 0) > reached);
        assert.ok(grant.generation > (before.file === undefined ? 0 : before.file.generation));
      }
    }),
    runs,
  );
});

test('whoever becomes smaller, or goes, takes the epoch beyond every generation and epoch that there was', () => {
  fc.assert(
    fc.property(state, (given) => {
      const plan = planHolders(given);
      const after = new Map(plan.files.map((f) => [f.holder, f.grant]));
      const smaller = given.holders.some((h) => {
        if (h.file === undefined || h.file === 'unreadable') return false;
        const next = new Map(after.get(h.name)?.caps.map((c) => [c.name, c.connections]));
        return h.file.caps.some((c) => (next.get(c.name) ?? 0) < c.connections);
      });
      const newest = Math.max(
        given.fileEpoch,
        given.workload?.epoch ?? 0,
        ...given.holders.map((h) => Math.max(h.pod?.epoch ?? 0, h.grant?.generation ?? 0)),
      );
      if (smaller) assert.ok(plan.epoch > newest);
      assert.ok(plan.epoch >= Math.max(given.fileEpoch, given.workload?.epoch ?? 0));
    }),
    runs,
  );
});

test('no cap is 0, and no file that changed keeps its generation', () => {
  fc.assert(
    fc.property(state, (given) => {
      for (const { holder: name, grant } of planHolders(given).files) {
        assert.ok(grant.caps.every((c) => c.connections >= 1));
        const before = find(given, name)?.file;
        if (before === undefined || before === 'unreadable') continue;
        const text = (list: readonly { name: string; connections: number }[]) =>
          JSON.stringify(
            [...list]
              .sort((a, b) => (a.name < b.name ? -1 : 1))
              .map((c) => [c.name, c.connections]),
          );
        if (text(before.caps) !== text(grant.caps)) assert.ok(grant.generation > before.generation);
      }
    }),
    runs,
  );
});

test('replicas have files, and are never fewer than those that are there and are to stay', () => {
  fc.assert(
    fc.property(state, (given) => {
      const plan = planHolders(given);
      const there = given.workload?.replicas ?? 0;
      assert.ok(plan.replicas <= plan.pods);
      assert.ok(plan.replicas >= Math.min(there, plan.pods));
      for (let ordinal = there; ordinal < plan.replicas; ordinal++)
        for (let process = 0; process < plan.processes; process++)
          assert.notEqual(find(given, nameOf(ordinal, process))?.file, undefined);
    }),
    runs,
  );
});

test('a template has no more processes than before, or a file for each of them in every pod', () => {
  fc.assert(
    fc.property(state, (given) => {
      const plan = planHolders(given);
      assert.ok(plan.processes >= 1);
      if (given.workload === undefined || plan.processes <= given.workload.processes) return;
      for (let ordinal = 0; ordinal < plan.replicas; ordinal++)
        for (let process = 0; process < plan.processes; process++)
          assert.notEqual(find(given, nameOf(ordinal, process))?.file, undefined);
    }),
    runs,
  );
});

test('a file or a grant goes only when no pod has its process and the template that is seen has none', () => {
  fc.assert(
    fc.property(state, (given) => {
      const plan = planHolders(given);
      for (const { name, ordinal, process, pod, file, grant } of given.holders) {
        const fileGoes = file !== undefined && !plan.files.some((f) => f.holder === name);
        const grantGoes = grant !== undefined && !plan.grants.some((g) => g.holder === name);
        if (file === 'unreadable' || !(fileGoes || grantGoes)) continue;
        assert.ok(given.live && given.workload?.seen && pod === undefined);
        assert.ok(given.workload.replicas <= ordinal || given.workload.processes <= process);
      }
    }),
    runs,
  );
});

test('the same state gives the same plan, in whatever order its holders come', () => {
  fc.assert(
    fc.property(state, (given) => {
      const plan = planHolders(given);
      assert.deepEqual(planHolders({ ...given, holders: [...given.holders].reverse() }), plan);
    }),
    runs,
  );
});
