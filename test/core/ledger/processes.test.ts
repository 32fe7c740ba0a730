// Several processes in a pod: from one number of them to another, step by step, each with what it waits for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type HolderPlan,
  type PoolState,
  planHolders,
} from '../../../operator/core/ledger/holders.ts';
import type { HolderState } from '../../../operator/core/ledger/state.ts';
import { file, type HolderWords, holder, pool, workload } from './pool.ts';

/** Process 0 or 1 of the only pod, which was made with `of` processes (0: there is none). */
function at(process: number, of: number, words: HolderWords): HolderState {
  const pod = of > process ? { pod: 0, processes: of } : {};
  return holder(0, { ...pod, ...words, process });
}

/** Runs with its file, which says its grant. */
function settled(process: number, of: number, connections: number, generation = 1): HolderState {
  const caps = { a: connections };
  const said = of > process ? { said: [generation, caps, caps] as const } : {};
  return at(process, of, {
    grant: [connections, generation],
    file: file(generation, caps),
    ...said,
  });
}

interface Case {
  readonly sentence: string;
  readonly state: PoolState;
  /** By process: grant, and what its file is to say. */
  readonly grants: readonly number[];
  readonly files: readonly number[];
  readonly template: number;
  readonly settled?: boolean;
}

const two = (holders: readonly HolderState[], more: Partial<PoolState> = {}) =>
  pool({ allotment: 8, processes: 2, holders, workload: workload(1), ...more });
const one = (holders: readonly HolderState[], more: Partial<PoolState> = {}) =>
  two(holders, { processes: 1, workload: workload(1, 0, true, 2), ...more });

const cases: readonly Case[] = [
  {
    sentence: 'a new pool has all of its processes at once',
    state: pool({
      allotment: 8,
      processes: 2,
      holders: [settled(0, 0, 4), settled(1, 0, 4)],
    }),
    grants: [4, 4],
    files: [4, 4],
    template: 2,
  },
  {
    sentence: 'one that is to come has what it needs to start, and the pod keeps the rest',
    state: two([settled(0, 1, 8)]),
    grants: [8],
    files: [7],
    template: 1,
  },
  {
    sentence: 'it is given that when the running process has proven that it gave it back',
    state: two([
      at(0, 1, { grant: [8, 1], file: file(2, { a: 7 }), said: [2, { a: 7 }, { a: 7 }] }),
    ]),
    grants: [7, 1],
    files: [7],
    template: 1,
  },
  {
    sentence: 'the template has it not before its file is there',
    state: two([settled(0, 1, 7), at(1, 1, { grant: [1, 2] })]),
    grants: [7, 1],
    files: [7, 1],
    template: 1,
  },
  {
    sentence: 'then it has',
    state: two([settled(0, 1, 7), settled(1, 1, 1)]),
    grants: [7, 1],
    files: [7, 1],
    template: 2,
  },
  {
    sentence: 'until the pod is replaced it keeps nearly all that it had',
    state: two([settled(0, 1, 7), settled(1, 1, 1)], { workload: workload(1, 0, true, 2) }),
    grants: [7, 1],
    files: [7, 1],
    template: 2,
    settled: true,
  },
  {
    sentence: 'the pod that came for it shares evenly',
    state: two([settled(0, 2, 7), settled(1, 2, 1)], { workload: workload(1, 0, true, 2) }),
    grants: [7, 1],
    files: [4, 1],
    template: 2,
  },
  {
    sentence: 'a process that goes leaves the template first, and keeps what it has',
    state: one([settled(0, 2, 4), settled(1, 2, 4)]),
    grants: [4, 4],
    files: [4, 4],
    template: 1,
  },
  {
    sentence: 'it keeps it until its pod is gone, whatever the template says',
    state: one([settled(0, 2, 4), settled(1, 2, 4)], { workload: workload(1) }),
    grants: [4, 4],
    files: [4, 4],
    template: 1,
    settled: true,
  },
  {
    sentence: 'a pod that may still come from the old template keeps its file',
    state: one([settled(0, 1, 4), settled(1, 1, 4)], { workload: workload(1, 0, false) }),
    grants: [4, 4],
    files: [4, 1],
    template: 1,
  },
  {
    sentence: 'when none can come its file goes',
    state: one([settled(0, 1, 4), settled(1, 1, 4)], { workload: workload(1) }),
    grants: [4, 4],
    files: [4],
    template: 1,
  },
  {
    sentence: 'its grant stays until the template asks for an epoch without that file',
    state: one([settled(0, 1, 4), at(1, 1, { grant: [4, 1] })], {
      workload: workload(1),
      fileEpoch: 2,
    }),
    grants: [4, 4],
    files: [4],
    template: 1,
  },
  {
    sentence: 'then it is given to the process that stays',
    state: one([settled(0, 1, 4), at(1, 1, { grant: [4, 1] })], {
      workload: workload(1, 2),
      fileEpoch: 2,
    }),
    grants: [8],
    files: [4],
    template: 1,
  },
  {
    sentence: 'a share too small for all processes has fewer of them rather than no pod',
    state: pool({ allotment: 2, processes: 4, holders: [] }),
    grants: [1, 1],
    files: [],
    template: 2,
  },
];

const byProcess = (plan: HolderPlan) => ({
  grants: plan.grants.map((g) => g.connections),
  files: plan.files.map((f) => f.grant.caps.reduce((sum, c) => sum + c.connections, 0)),
  template: plan.processes,
});

for (const { sentence, state, ...expected } of cases) {
  test(sentence, () => {
    const plan = planHolders(state);
    const { grants, files, template } = expected;
    assert.deepEqual(byProcess(plan), { grants, files, template });
    assert.equal(plan.settled, expected.settled ?? false);
  });
}

test('a pod more comes only with a file for each of its processes', () => {
  const second = (process: number) =>
    holder(1, { process, grant: [2, 1], file: file(1, { a: 2 }) });
  const state = (more: readonly HolderState[]) =>
    two([settled(0, 2, 2), settled(1, 2, 2), ...more], {
      pods: 2,
      workload: workload(1, 0, true, 2),
    });
  assert.equal(planHolders(state([second(0)])).replicas, 1);
  assert.equal(planHolders(state([second(0), second(1)])).replicas, 2);
});

test('a process more comes only with a file of it in every pod', () => {
  const pods = (process: number, ordinals: readonly number[]) =>
    ordinals.map((ordinal) =>
      holder(ordinal, {
        process,
        grant: [2, 1],
        file: file(1, { a: 2 }),
        ...(process === 0 ? { pod: 0 } : {}),
      }),
    );
  const state = (second: readonly number[]) =>
    two([...pods(0, [0, 1]), ...pods(1, second)], { pods: 2, workload: workload(2) });
  assert.equal(planHolders(state([0])).processes, 1);
  assert.equal(planHolders(state([0, 1])).processes, 2);
});
