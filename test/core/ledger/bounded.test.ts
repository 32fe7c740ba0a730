// How a pool with a Deployment divides its allotment: each rule as a sentence, with the state before and the plan for
// it. 17 connections: 2 replicas are 5 pods at most with 3 each, 3 are 7 with 2 each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BoundedState,
  boundedCharge,
  planBounded,
} from '../../../operator/core/ledger/bounded.ts';
import type { HolderState } from '../../../operator/core/ledger/state.ts';
import { mostPods, replicasFor } from '../../../operator/core/sizing/most-pods.ts';
import { type Caps, entriesOf, file, revisionOf } from './pool.ts';

const NAME = 'shop-pooler-shared';

interface PodWords {
  readonly terminating?: boolean;
  /** Generation, caps, sessions. */
  readonly said?: readonly [number, Caps, Caps?];
}

function state(words: {
  readonly allotment?: number;
  readonly wanted?: number;
  /** connections, pods, generation */
  readonly grant?: readonly [number, number, number];
  readonly file?: readonly [number, Caps];
  readonly pods?: readonly PodWords[];
  /** replicas, epoch */
  readonly workload?: readonly [number, number];
  readonly seen?: boolean;
  readonly paused?: boolean;
  readonly fileEpoch?: number;
  readonly live?: boolean;
  readonly mayRaise?: boolean;
}): BoundedState {
  const { allotment = 17, wanted = 2, grant, workload, seen = true, paused = false } = words;
  const shared = words.file === undefined ? {} : { file: file(...words.file) };
  return {
    allotment,
    wanted,
    entries: ['a'],
    name: NAME,
    ...(grant === undefined
      ? {}
      : { grant: { holder: NAME, connections: grant[0], pods: grant[1], generation: grant[2] } }),
    ...shared,
    pods: (words.pods ?? []).map(({ terminating = false, said }, index): HolderState => {
      const uid = `pod-${index}`;
      return {
        name: uid,
        ordinal: 0,
        process: 0,
        ...shared,
        pod: { uid, terminating, epoch: 0, processes: 1 },
        ...(said === undefined
          ? {}
          : {
              observation: {
                podUid: uid,
                generation: said[0],
                revision: revisionOf(said[0], said[1]),
                caps: entriesOf(said[1]),
                sessions: entriesOf(said[2] ?? {}),
              },
            }),
        asked: true,
      };
    }),
    ...(workload === undefined
      ? {}
      : {
          workload: { replicas: workload[0], epoch: workload[1], processes: 1, seen, paused },
        }),
    fileEpoch: words.fileEpoch ?? workload?.[1] ?? 0,
    live: words.live ?? true,
    mayRaise: words.mayRaise ?? true,
  };
}

type Plan = ReturnType<typeof planBounded>;
const short = (plan: Plan) => ({
  grant: plan.grants.map((g) => [g.connections, g.pods, g.generation]),
  file: plan.files.map(({ grant }) => [
    grant.generation,
    Object.fromEntries(grant.caps.map((c) => [c.name, c.connections])),
  ]),
  replicas: plan.replicas,
  epoch: plan.epoch,
});
const three: PodWords = { said: [1, { a: 3 }, { a: 3 }] };
const two: PodWords = { said: [2, { a: 2 }] };
const steady = { grant: [15, 5, 1], file: [1, { a: 3 }], workload: [2, 1] } as const;

const cases: readonly (readonly [string, BoundedState, ReturnType<typeof short>])[] = [
  [
    'a new pool first has its grant written down, for the most pods that there can be',
    state({}),
    { grant: [[15, 5, 1]], file: [], replicas: 0, epoch: 0 },
  ],
  [
    'then its file, which says what each of them may open',
    state({ grant: [15, 5, 1] }),
    { grant: [[15, 5, 1]], file: [[1, { a: 3 }]], replicas: 0, epoch: 1 },
  ],
  [
    'then its pods',
    state({ grant: [15, 5, 1], file: [1, { a: 3 }], fileEpoch: 1 }),
    { grant: [[15, 5, 1]], file: [[1, { a: 3 }]], replicas: 2, epoch: 1 },
  ],
  [
    'and then there is nothing to do',
    state({ ...steady, pods: [three, three] }),
    { grant: [[15, 5, 1]], file: [[1, { a: 3 }]], replicas: 2, epoch: 1 },
  ],
  [
    'to be more pods, the file becomes smaller before anything else',
    state({ ...steady, pods: [three, three], wanted: 3 }),
    { grant: [[15, 5, 1]], file: [[2, { a: 2 }]], replicas: 2, epoch: 1 },
  ],
  [
    'no grant for more pods while one of them has not proven the smaller file',
    state({ ...steady, file: [2, { a: 2 }], pods: [two, three], wanted: 3 }),
    { grant: [[15, 5, 1]], file: [[2, { a: 2 }]], replicas: 2, epoch: 1 },
  ],
  [
    'nor while one of them holds more than it says',
    state({
      ...steady,
      file: [2, { a: 2 }],
      pods: [two, { said: [2, { a: 2 }, { a: 3 }] }],
      wanted: 3,
    }),
    { grant: [[15, 5, 1]], file: [[2, { a: 2 }]], replicas: 2, epoch: 1 },
  ],
  [
    'nor on the word of caches, which may not show a pod',
    state({ ...steady, file: [2, { a: 2 }], pods: [two, two], wanted: 3, live: false }),
    { grant: [[15, 5, 1]], file: [[2, { a: 2 }]], replicas: 2, epoch: 1 },
  ],
  [
    'when all have, the grant is for more pods',
    state({ ...steady, file: [2, { a: 2 }], pods: [two, two], wanted: 3 }),
    { grant: [[14, 7, 3]], file: [[2, { a: 2 }]], replicas: 2, epoch: 1 },
  ],
  [
    'and only then there are more replicas',
    state({
      grant: [14, 7, 3],
      file: [2, { a: 2 }],
      pods: [two, two],
      wanted: 3,
      workload: [2, 1],
      fileEpoch: 3,
    }),
    { grant: [[14, 7, 3]], file: [[2, { a: 2 }]], replicas: 3, epoch: 3 },
  ],
  [
    'no second raise before the Deployment has recorded the first',
    state({
      grant: [14, 7, 3],
      file: [2, { a: 2 }],
      pods: [two, two],
      allotment: 40,
      wanted: 2,
      workload: [2, 1],
      fileEpoch: 3,
    }),
    { grant: [[14, 7, 3]], file: [[2, { a: 2 }]], replicas: 2, epoch: 3 },
  ],
  [
    'a view of the grant that is behind what the objects record raises nothing',
    state({
      grant: [14, 7, 3],
      file: [2, { a: 2 }],
      pods: [two, two],
      wanted: 3,
      workload: [2, 1],
      fileEpoch: 4,
    }),
    { grant: [[14, 7, 3]], file: [[2, { a: 2 }]], replicas: 2, epoch: 4 },
  ],
  [
    'to be fewer pods, replicas come first, and nobody has more while one of the others ends',
    state({
      grant: [14, 7, 3],
      file: [2, { a: 2 }],
      pods: [two, two, { ...two, terminating: true }],
      workload: [2, 3],
    }),
    { grant: [[14, 7, 3]], file: [[2, { a: 2 }]], replicas: 2, epoch: 3 },
  ],
  [
    'when it has ended, fewer pods are counted and each has more',
    state({ grant: [14, 7, 3], file: [2, { a: 2 }], pods: [two, two], workload: [2, 3] }),
    { grant: [[15, 5, 4]], file: [[2, { a: 2 }]], replicas: 2, epoch: 3 },
  ],
  [
    'but not before the Deployment’s controller knows of it',
    state({
      grant: [14, 7, 3],
      file: [2, { a: 2 }],
      pods: [two, two],
      workload: [2, 3],
      seen: false,
    }),
    { grant: [[14, 7, 3]], file: [[2, { a: 2 }]], replicas: 2, epoch: 3 },
  ],
  [
    'an allotment that shrinks makes the file smaller at once',
    state({ ...steady, pods: [three, three], allotment: 10 }),
    { grant: [[15, 5, 1]], file: [[2, { a: 2 }]], replicas: 2, epoch: 1 },
  ],
  [
    'and the grant when all have proven that',
    state({ ...steady, file: [2, { a: 2 }], pods: [two, two], allotment: 10 }),
    { grant: [[10, 5, 1]], file: [[2, { a: 2 }]], replicas: 2, epoch: 1 },
  ],
  [
    'an allotment that does not feed all of the pods that there can be has fewer replicas',
    state({ ...steady, pods: [three, three], allotment: 4 }),
    { grant: [[15, 5, 1]], file: [[2, { a: 1 }]], replicas: 1, epoch: 1 },
  ],
  [
    'more pods than were counted on: each gets less',
    state({ ...steady, pods: [three, three, three, three, three, three] }),
    { grant: [[15, 5, 1]], file: [[2, { a: 2 }]], replicas: 2, epoch: 1 },
  ],
  [
    'replicas that somebody raised by hand are taken back',
    state({ ...steady, pods: [three, three], workload: [6, 1] }),
    { grant: [[15, 5, 1]], file: [[2, { a: 1 }]], replicas: 2, epoch: 1 },
  ],
  [
    'a grant that was lost is written down again, for all that could be open',
    state({ file: [1, { a: 3 }], pods: [three, three], workload: [2, 1] }),
    { grant: [[15, 5, 1]], file: [[1, { a: 3 }]], replicas: 2, epoch: 1 },
  ],
  [
    'a file that was lost takes another grant to be written again',
    state({ grant: [15, 5, 1], pods: [three, three], workload: [2, 1], fileEpoch: 0 }),
    { grant: [[15, 5, 2]], file: [], replicas: 2, epoch: 1 },
  ],
  [
    'with the numbers that it had, also where less is allotted by now: a cache may not show it',
    state({ grant: [15, 5, 1], workload: [2, 1], fileEpoch: 0, allotment: 10, live: false }),
    { grant: [[15, 5, 2]], file: [], replicas: 2, epoch: 1 },
  ],
  [
    'and then says the same under another generation',
    state({ grant: [15, 5, 2], pods: [three, three], workload: [2, 1], fileEpoch: 0 }),
    { grant: [[15, 5, 2]], file: [[2, { a: 3 }]], replicas: 2, epoch: 2 },
  ],
  [
    'whoever is to go keeps its file with the least, until the last pod has ended',
    state({ ...steady, pods: [three], wanted: 0, workload: [0, 1] }),
    { grant: [[15, 5, 1]], file: [[2, { a: 1 }]], replicas: 0, epoch: 1 },
  ],
  [
    'then the file goes',
    state({ ...steady, wanted: 0, workload: [0, 1] }),
    { grant: [[15, 5, 1]], file: [], replicas: 0, epoch: 1 },
  ],
  [
    'and the grant after it',
    state({ grant: [15, 5, 1], wanted: 0, workload: [0, 1] }),
    { grant: [], file: [], replicas: 0, epoch: 1 },
  ],
  [
    'a grant that was never used is kept until it is recorded by the Deployment',
    state({ grant: [15, 5, 2], wanted: 0, workload: [0, 1], fileEpoch: 2 }),
    { grant: [[15, 5, 2]], file: [], replicas: 0, epoch: 2 },
  ],
];

for (const [sentence, given, wanted] of cases) {
  test(sentence, () => assert.deepEqual(short(planBounded(given)), wanted));
}

test('a pool that is as it is to be asks the API server for nothing, and one that could go on does', () => {
  const calm = planBounded(state({ ...steady, pods: [three, three], live: false }));
  assert.equal(calm.settled, true);
  assert.equal(calm.needsLive, false);
  const lower = { ...steady, file: [2, { a: 2 }], pods: [two, two], allotment: 10 } as const;
  assert.equal(planBounded(state({ ...lower, live: false })).needsLive, true);
  const waits = { ...lower, pods: [two, three] } as const;
  assert.equal(planBounded(state({ ...waits, live: false })).needsLive, false);
});

test('a new template waits for room: as many pods come as there are replicas', () => {
  const rolls = (pods: readonly PodWords[], live = true) =>
    planBounded(state({ ...steady, pods, paused: true, live })).mayRoll;
  const ending = { ...three, terminating: true };
  assert.equal(rolls([three, three]), true);
  assert.equal(rolls([three, three, ending]), true);
  assert.equal(rolls([three, three, ending, ending]), false);
  assert.equal(rolls([three, ending, ending]), false, 'one that lacks comes of the old template');
  assert.equal(rolls([three, three], false), false);
});

test('what is charged are all pods that there can be, and more where more are there or hold more', () => {
  const charge = (words: Parameters<typeof state>[0]) => boundedCharge(state(words));
  assert.equal(charge({ ...steady, pods: [three, three] }), 15);
  assert.equal(charge({ ...steady, pods: Array(7).fill(three) }), 21);
  assert.equal(charge({ ...steady, workload: [3, 1], pods: [three, three] }), 21);
  assert.equal(charge({ ...steady, pods: [three, { said: [1, { a: 3 }, { a: 9 }] }] }), 21);
  assert.equal(charge({ ...steady, grant: [40, 5, 1], pods: [three] }), 40);
  const unproven = { ...steady, file: [2, { a: 2 }] } as const;
  assert.equal(charge({ ...unproven, pods: Array(7).fill(three) }), 21);
  assert.equal(charge({ ...unproven, pods: Array(7).fill({}) }), 21);
  assert.equal(charge({}), 0);
});

test('an entry is raised only when the others have become smaller in every pod', () => {
  const entries = ['a', 'b'];
  const sizes = new Map([['b', { weight: 4 }]]);
  const before = { a: 4, b: 1 };
  const given = { ...state({ ...steady, file: [1, before], grant: [25, 5, 1] }), entries, sizes };
  const plan = planBounded({ ...given, allotment: 25 });
  assert.deepEqual(short(plan).file, [[2, { a: 1, b: 1 }]]);
});

test('as many replicas as connections for all of the pods that there can be', () => {
  assert.deepEqual([0, 1, 2, 10].map(mostPods), [0, 3, 5, 21]);
  assert.equal(replicasFor(17, 9, 1), 8);
  assert.equal(replicasFor(17, 3, 1), 3);
  assert.equal(replicasFor(17, 3, 4), 1);
  assert.equal(replicasFor(2, 3, 1), 0);
  assert.equal(replicasFor(11, 3, 4), 0);
});
