// How a pool divides its allotment: each rule of the ledger as a sentence, with the state before and the plan for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PoolState, planHolders } from '../../../operator/core/ledger/holders.ts';
import {
  type Caps,
  file,
  filesOf,
  grantsOf,
  holder,
  nameOf,
  pool,
  running,
  workload,
} from './pool.ts';

interface Case {
  readonly sentence: string;
  readonly state: PoolState;
  /** By ordinal: connections, generation. */
  readonly grants: Readonly<Record<number, readonly [number, number]>>;
  /** By ordinal: generation, caps. */
  readonly files: Readonly<Record<number, readonly [number, Caps]>>;
  readonly epoch?: number;
  readonly replicas: number;
  readonly settled?: boolean;
  readonly unproven?: readonly number[];
  readonly stranded?: readonly number[];
}

// Holder 0 has 8 and is to have 4; holder 1 is to come with 4. Each step of that, and what may hold it up.
const lowered = { grant: [8, 1], file: file(2, { a: 4 }), pod: 0 } as const;
const shrinking = (words: Parameters<typeof holder>[1], more: Partial<PoolState> = {}) =>
  pool({
    allotment: 8,
    pods: 2,
    holders: [holder(0, words)],
    workload: workload(1, 3),
    fileEpoch: 3,
    ...more,
  });
const waits = {
  grants: { 0: [8, 1] },
  files: { 0: [2, { a: 4 }] },
  epoch: 3,
  replicas: 1,
} as const;

const cases: readonly Case[] = [
  {
    sentence: 'a pool without an allotment has nothing',
    state: pool({ allotment: 0 }),
    grants: {},
    files: {},
    replicas: 0,
    settled: true,
  },
  {
    sentence: 'grants come first: no file and no pod before they are written down',
    state: pool({ allotment: 9, pods: 2 }),
    grants: { 0: [5, 1], 1: [4, 1] },
    files: {},
    replicas: 0,
  },
  {
    sentence: 'files follow the grants',
    state: pool({
      allotment: 9,
      pods: 2,
      holders: [holder(0, { grant: [5, 1] }), holder(1, { grant: [4, 1] })],
    }),
    grants: { 0: [5, 1], 1: [4, 1] },
    files: { 0: [1, { a: 5 }], 1: [1, { a: 4 }] },
    replicas: 0,
  },
  {
    sentence: 'replicas follow the files',
    state: pool({
      allotment: 9,
      pods: 2,
      holders: [
        holder(0, { grant: [5, 1], file: file(1, { a: 5 }) }),
        holder(1, { grant: [4, 1], file: file(1, { a: 4 }) }),
      ],
    }),
    grants: { 0: [5, 1], 1: [4, 1] },
    files: { 0: [1, { a: 5 }], 1: [1, { a: 4 }] },
    replicas: 2,
  },
  {
    sentence: 'what is as it is to be stays as it is',
    state: pool({
      allotment: 9,
      pods: 2,
      holders: [running(0, { a: 5 }), running(1, { a: 4 })],
      workload: workload(2),
    }),
    grants: { 0: [5, 1], 1: [4, 1] },
    files: { 0: [1, { a: 5 }], 1: [1, { a: 4 }] },
    replicas: 2,
    settled: true,
  },
  {
    sentence: 'a connection for each entry in each pod: fewer pods where there is not enough',
    state: pool({ allotment: 5, pods: 3, entries: ['a', 'b'] }),
    grants: { 0: [3, 1], 1: [2, 1] },
    files: {},
    replicas: 0,
  },
  {
    sentence: 'less than one pod needs is no pod',
    state: pool({ allotment: 1, pods: 3, entries: ['a', 'b'] }),
    grants: {},
    files: {},
    replicas: 0,
    settled: true,
  },
  {
    sentence: 'before every process was asked, nothing is given',
    state: pool({ allotment: 9, pods: 2, mayRaise: false }),
    grants: {},
    files: {},
    replicas: 0,
  },
  {
    sentence: 'the file is lowered first, under a new generation and a new epoch; the grant stays',
    state: pool({ allotment: 4, holders: [running(0, { a: 8 })], workload: workload(1) }),
    grants: { 0: [8, 1] },
    files: { 0: [2, { a: 4 }] },
    epoch: 2,
    replicas: 1,
  },
  {
    sentence: 'a grant waits for its process to confirm',
    state: shrinking({ ...lowered, said: [1, { a: 8 }, { a: 8 }] }),
    ...waits,
    unproven: [0],
  },
  {
    sentence: 'a process that nobody has asked has proven nothing',
    state: shrinking(lowered),
    ...waits,
    unproven: [0],
  },
  {
    sentence: 'what the process of an earlier pod said proves nothing',
    state: shrinking({ ...lowered, said: [2, { a: 4 }], saidByAnother: true }),
    ...waits,
    unproven: [0],
  },
  {
    sentence: 'a file of a higher generation is another one, and proves nothing of this',
    state: shrinking({ ...lowered, said: [3, { a: 4 }] }),
    ...waits,
    unproven: [0],
  },
  {
    sentence: 'another file of the same generation proves nothing either',
    state: shrinking({ ...lowered, said: [2, { a: 3 }] }),
    ...waits,
    unproven: [0],
  },
  {
    sentence: 'sessions above the file are still held: the grant follows them down',
    state: shrinking({ ...lowered, said: [2, { a: 4 }, { a: 6 }] }),
    grants: { 0: [6, 1] },
    files: { 0: [2, { a: 4 }] },
    epoch: 3,
    replicas: 1,
    unproven: [0],
  },
  {
    sentence:
      'a grant waits until no pod can start with an older file: the template has an older epoch',
    state: shrinking({ ...lowered, said: [2, { a: 4 }] }, { workload: workload(1, 0) }),
    ...waits,
  },
  {
    sentence:
      'a grant waits until no pod can start with an older file: the controller has not seen the template',
    state: shrinking({ ...lowered, said: [2, { a: 4 }] }, { workload: workload(1, 3, false) }),
    ...waits,
  },
  {
    sentence:
      'a grant waits until no pod can start with an older file: there is no workload to say so',
    state: pool({
      allotment: 8,
      pods: 2,
      holders: [holder(0, { ...lowered, said: [2, { a: 4 }] })],
      fileEpoch: 3,
    }),
    ...waits,
  },
  {
    sentence: 'a grant waits for a file of its generation: a raise may be under way',
    state: shrinking({ ...lowered, grant: [8, 3], said: [2, { a: 4 }] }),
    grants: { 0: [8, 3] },
    files: { 0: [3, { a: 4 }] },
    epoch: 3,
    replicas: 1,
  },
  {
    sentence: 'what is proven is given to the other, in one write',
    state: shrinking({ ...lowered, said: [2, { a: 4 }, { a: 4 }] }),
    grants: { 0: [4, 1], 1: [4, 4] },
    files: { 0: [2, { a: 4 }] },
    epoch: 3,
    replicas: 1,
  },
  {
    sentence: 'where no pod is and none of before can come, the lower file is proof enough',
    state: shrinking({ grant: [8, 1], file: file(2, { a: 4 }) }),
    grants: { 0: [4, 1], 1: [4, 4] },
    files: { 0: [2, { a: 4 }] },
    epoch: 3,
    replicas: 1,
  },
  {
    sentence: 'while one gives back, the raise of the other waits until it can be made whole',
    state: shrinking({ ...lowered, said: [2, { a: 4 }, { a: 5 }] }),
    grants: { 0: [5, 1] },
    files: { 0: [2, { a: 4 }] },
    epoch: 3,
    replicas: 1,
    unproven: [0],
  },
  {
    sentence: 'who has waited long gets what is free',
    state: shrinking({ ...lowered, said: [2, { a: 4 }, { a: 5 }] }, { inParts: true }),
    grants: { 0: [5, 1], 1: [3, 4] },
    files: { 0: [2, { a: 4 }] },
    epoch: 3,
    replicas: 1,
    unproven: [0],
  },
  {
    sentence: 'a raise is a grant of a new generation',
    state: pool({ allotment: 9, holders: [running(0, { a: 4 })], workload: workload(1) }),
    grants: { 0: [9, 2] },
    files: { 0: [1, { a: 4 }] },
    replicas: 1,
  },
  {
    sentence: 'its file follows with that generation, and the epoch stays',
    state: pool({
      allotment: 9,
      holders: [holder(0, { grant: [9, 2], file: file(1, { a: 4 }), pod: 0, said: [1, { a: 4 }] })],
      workload: workload(1),
    }),
    grants: { 0: [9, 2] },
    files: { 0: [2, { a: 9 }] },
    replicas: 1,
  },
  {
    sentence: 'a pod that must go gets no more',
    state: pool({
      allotment: 9,
      holders: [
        {
          ...running(0, { a: 4 }),
          pod: { uid: 'pod-0', terminating: true, epoch: 0, processes: 1 },
        },
      ],
      workload: workload(1),
    }),
    grants: { 0: [4, 1] },
    files: { 0: [1, { a: 4 }] },
    replicas: 1,
  },
  {
    sentence: 'nobody is given more while he has not confirmed what he has',
    state: pool({
      allotment: 9,
      holders: [holder(0, { grant: [4, 1], file: file(1, { a: 4 }), pod: 0 })],
      workload: workload(1),
    }),
    grants: { 0: [4, 1] },
    files: { 0: [1, { a: 4 }] },
    replicas: 1,
    unproven: [0],
  },
  {
    sentence: 'nobody is given more on the word of a process that is too old',
    state: pool({
      allotment: 9,
      holders: [
        holder(0, {
          grant: [4, 1],
          file: file(1, { a: 4 }),
          pod: 0,
          said: [1, { a: 4 }, { a: 1 }],
          tooOld: true,
        }),
      ],
      workload: workload(1),
    }),
    grants: { 0: [4, 1] },
    files: { 0: [1, { a: 4 }] },
    replicas: 1,
    unproven: [0],
  },
  {
    sentence:
      'nothing of what a process that is too old says to have given back is given to others',
    state: pool({
      allotment: 8,
      pods: 2,
      holders: [
        holder(0, {
          grant: [8, 1],
          file: file(2, { a: 4 }),
          pod: 0,
          said: [2, { a: 4 }, { a: 4 }],
          tooOld: true,
        }),
      ],
      workload: workload(1, 3),
      fileEpoch: 3,
    }),
    grants: { 0: [8, 1] },
    files: { 0: [2, { a: 4 }] },
    epoch: 3,
    replicas: 1,
    unproven: [0],
  },
  {
    sentence: 'what it runs with still counts',
    state: pool({
      allotment: 4,
      holders: [
        holder(0, { file: file(5, { a: 4 }), pod: 0, said: [4, { a: 6 }, {}], tooOld: true }),
      ],
      workload: workload(1),
    }),
    grants: { 0: [6, 5] },
    files: { 0: [5, { a: 4 }] },
    replicas: 1,
    unproven: [0],
  },
  {
    sentence: 'a holder that is to go keeps serving with one connection for each entry',
    state: pool({
      allotment: 4,
      entries: ['a', 'b'],
      holders: [running(0, { a: 2, b: 2 }), running(1, { a: 2, b: 2 })],
      workload: workload(2),
    }),
    grants: { 0: [4, 1], 1: [4, 1] },
    files: { 0: [1, { a: 2, b: 2 }], 1: [2, { a: 1, b: 1 }] },
    epoch: 2,
    replicas: 1,
  },
  {
    sentence: 'its file stays while its pod is there',
    state: pool({
      allotment: 4,
      holders: [
        running(0, { a: 4 }, 1, 2),
        holder(1, { grant: [4, 1], file: file(2, { a: 1 }), pod: 0, terminating: true }),
      ],
      workload: workload(1, 2),
      fileEpoch: 2,
    }),
    grants: { 0: [4, 1], 1: [4, 1] },
    files: { 0: [1, { a: 4 }], 1: [2, { a: 1 }] },
    epoch: 2,
    replicas: 1,
    unproven: [1],
  },
  {
    sentence: 'its file stays while the controller has not seen that it is to go',
    state: pool({
      allotment: 4,
      holders: [running(0, { a: 4 }, 1, 2), holder(1, { grant: [1, 1], file: file(2, { a: 1 }) })],
      workload: workload(1, 2, false),
      fileEpoch: 2,
    }),
    grants: { 0: [4, 1], 1: [1, 1] },
    files: { 0: [1, { a: 4 }], 1: [2, { a: 1 }] },
    epoch: 2,
    replicas: 1,
  },
  {
    sentence: 'once its pod is gone and cannot come back its file goes, under a new epoch',
    state: pool({
      allotment: 4,
      holders: [running(0, { a: 4 }, 1, 2), holder(1, { grant: [1, 1], file: file(2, { a: 1 }) })],
      workload: workload(1, 2),
      fileEpoch: 2,
    }),
    grants: { 0: [4, 1], 1: [1, 1] },
    files: { 0: [1, { a: 4 }] },
    epoch: 3,
    replicas: 1,
  },
  {
    sentence: 'after its file its grant goes, when the template asks for the new epoch',
    state: pool({
      allotment: 4,
      holders: [running(0, { a: 4 }, 1, 2), holder(1, { grant: [1, 1] })],
      workload: workload(1, 3),
      fileEpoch: 3,
    }),
    grants: { 0: [4, 1] },
    files: { 0: [1, { a: 4 }] },
    epoch: 3,
    replicas: 1,
  },
  {
    sentence: 'and not before',
    state: pool({
      allotment: 4,
      holders: [running(0, { a: 4 }, 1, 2), holder(1, { grant: [1, 1] })],
      workload: workload(1, 2),
      fileEpoch: 3,
    }),
    grants: { 0: [4, 1], 1: [1, 1] },
    files: { 0: [1, { a: 4 }] },
    epoch: 3,
    replicas: 1,
  },
  {
    sentence: 'a grant that never became a file is called back by an epoch beyond it',
    state: pool({
      allotment: 4,
      holders: [running(0, { a: 4 }), holder(1, { grant: [4, 2] })],
      workload: workload(1),
    }),
    grants: { 0: [4, 1], 1: [4, 2] },
    files: { 0: [1, { a: 4 }] },
    epoch: 3,
    replicas: 1,
  },
  {
    sentence: 'a grant that was called back is of no use: a new one has to be given',
    state: pool({
      allotment: 8,
      pods: 2,
      holders: [running(0, { a: 4 }), holder(1, { grant: [4, 2] })],
      workload: workload(1, 3),
      fileEpoch: 3,
    }),
    grants: { 0: [4, 1], 1: [4, 4] },
    files: { 0: [1, { a: 4 }] },
    epoch: 3,
    replicas: 1,
  },
  {
    sentence: 'an entry that is new takes its part from the others, which give back first',
    state: pool({
      allotment: 4,
      entries: ['a', 'b'],
      holders: [running(0, { a: 4 })],
      workload: workload(1),
    }),
    grants: { 0: [4, 1] },
    files: { 0: [2, { a: 2 }] },
    epoch: 2,
    replicas: 1,
  },
  {
    sentence: 'and comes into the file under a grant of a new generation, when they have',
    state: pool({
      allotment: 4,
      entries: ['a', 'b'],
      holders: [holder(0, { grant: [4, 1], file: file(2, { a: 2 }), pod: 0, said: [2, { a: 2 }] })],
      workload: workload(1, 3),
      fileEpoch: 3,
    }),
    grants: { 0: [4, 4] },
    files: { 0: [2, { a: 2 }] },
    epoch: 3,
    replicas: 1,
  },
  {
    sentence:
      'entries that are all new wait until the old ones have closed: the file names none meanwhile',
    state: pool({
      allotment: 4,
      entries: ['b'],
      holders: [running(0, { a: 4 })],
      workload: workload(1),
    }),
    grants: { 0: [4, 1] },
    files: { 0: [2, {}] },
    epoch: 2,
    replicas: 1,
  },
  {
    sentence: 'while the old entry has sessions, the new one does not come',
    state: pool({
      allotment: 4,
      entries: ['b'],
      holders: [holder(0, { grant: [4, 1], file: file(2, {}), pod: 0, said: [2, {}, { a: 3 }] })],
      workload: workload(1, 3),
      fileEpoch: 3,
    }),
    grants: { 0: [4, 1] },
    files: { 0: [2, {}] },
    epoch: 3,
    replicas: 1,
    unproven: [0],
  },
  {
    sentence: 'a grant that was lost is written down before anything else',
    state: pool({
      allotment: 4,
      holders: [holder(0, { file: file(5, { a: 6 }), pod: 0, said: [5, { a: 6 }] })],
      workload: workload(1),
    }),
    grants: { 0: [6, 5] },
    files: { 0: [6, { a: 4 }] },
    epoch: 6,
    replicas: 1,
  },
  {
    sentence:
      'a grant that was lost is what the process runs with, when that is more than its file says',
    state: pool({
      allotment: 4,
      holders: [holder(0, { file: file(6, { a: 4 }), pod: 0, said: [5, { a: 6 }, { a: 1 }] })],
      workload: workload(1, 7),
      fileEpoch: 7,
    }),
    grants: { 0: [6, 6] },
    files: { 0: [6, { a: 4 }] },
    epoch: 7,
    replicas: 1,
    unproven: [0],
  },
  {
    sentence:
      'a file that cannot be read may say anything: nobody else gets more, and it is written anew',
    state: pool({
      allotment: 8,
      pods: 2,
      holders: [holder(0, { grant: [4, 1], file: 'unreadable', pod: 0 })],
      workload: workload(1),
    }),
    grants: { 0: [4, 1] },
    files: { 0: [2, { a: 4 }] },
    epoch: 2,
    replicas: 1,
    unproven: [0],
  },
  {
    sentence: 'a pod without a file that nobody knows the caps of is replaced before it gets one',
    state: pool({
      allotment: 4,
      holders: [holder(0, { grant: [4, 5], pod: 0 })],
      workload: workload(1, 3),
      fileEpoch: 3,
    }),
    grants: { 0: [4, 5] },
    files: {},
    epoch: 3,
    replicas: 1,
    stranded: [0],
  },
  {
    sentence: 'a pod of the present epoch cannot have started without a file, so it gets one',
    state: pool({
      allotment: 4,
      holders: [holder(0, { grant: [4, 5], pod: 3 })],
      workload: workload(1, 3),
      fileEpoch: 3,
    }),
    grants: { 0: [4, 5] },
    files: { 0: [5, { a: 4 }] },
    epoch: 3,
    replicas: 1,
  },
];

for (const given of cases) {
  test(`holders: ${given.sentence}`, () => {
    const plan = planHolders(given.state);
    assert.deepEqual(grantsOf(plan), given.grants, 'grants');
    assert.deepEqual(filesOf(plan), given.files, 'files');
    assert.equal(plan.epoch, given.epoch ?? 0, 'epoch');
    assert.equal(plan.replicas, given.replicas, 'replicas');
    assert.equal(plan.settled, given.settled ?? false, 'settled');
    assert.deepEqual(
      plan.unproven,
      (given.unproven ?? []).map((ordinal) => nameOf(ordinal)),
      'unproven',
    );
    assert.deepEqual(
      plan.stranded,
      (given.stranded ?? []).map((ordinal) => nameOf(ordinal)),
      'stranded',
    );
    const turned = { ...given.state, holders: [...given.state.holders].reverse() };
    assert.deepEqual(planHolders(turned), plan, 'in another order');
  });
}

test('caches prove nothing: what depends on a pod being away or the same is not done, and asked for', () => {
  const withheld = [
    'what is proven is given to the other, in one write',
    'where no pod is and none of before can come, the lower file is proof enough',
    'sessions above the file are still held: the grant follows them down',
    'once its pod is gone and cannot come back its file goes, under a new epoch',
    'after its file its grant goes, when the template asks for the new epoch',
    'a grant that was lost is written down before anything else',
    'a raise is a grant of a new generation',
    'its file follows with that generation, and the epoch stays',
    'a pod without a file that nobody knows the caps of is replaced before it gets one',
  ];
  for (const { sentence, state } of cases) {
    const cached = planHolders({ ...state, live: false });
    const live = planHolders(state);
    const before = new Map(state.holders.map((h) => [h.name, h.grant?.connections ?? 0]));
    for (const [name, connections] of before) {
      const after = cached.grants.find((g) => g.holder === name)?.connections ?? 0;
      assert.ok(after >= connections, `${sentence}: ${name} fell from ${connections} to ${after}`);
    }
    if (withheld.includes(sentence)) assert.ok(cached.needsLive, sentence);
    if (!cached.needsLive) assert.deepEqual(cached, live, sentence);
  }
});

test('a settled pool asks for nothing', () => {
  const settled = cases.filter(
    (c) => c.settled && c.state.holders.every((h) => h.file !== undefined),
  );
  assert.ok(settled.length > 0);
  for (const { state } of settled)
    assert.equal(planHolders({ ...state, live: false }).needsLive, false);
});
