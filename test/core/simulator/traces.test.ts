// Short stories in which one rule of the protocol decides: without it they end with too many connections, and with
// it they do not. Each was found by the checker, or thought of while it was made.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Monitor } from './checks.ts';
import {
  clusterCatchesUp,
  everythingOnce,
  poolRound,
  poolStep,
  replacePod,
  type Steps,
  seePool,
} from './macros.ts';
import { BUDGET, mapKey, poolKey, setKey } from './objects.ts';
import type { Switches } from './switches.ts';
import { NEWEST, World } from './world.ts';

const spec = { pods: 1, processes: 1, weight: 1, entries: ['a'], text: 0 };
const see = (op: number, ...keys: string[]) =>
  keys.map((key) => ({ do: 'see', op, key, versions: NEWEST }) as const);

function* settled(world: World, rounds = 8): Steps {
  for (let i = 0; i < rounds; i++) yield* everythingOnce(world, 0);
}

interface Story {
  readonly sentence: string;
  readonly without: Switches;
  readonly budget: number;
  readonly tell: (world: World) => Steps;
}

/** One reconcile of a pool in whatever is in view; its write lands. */
function* once(op: number, slot: number): Steps {
  yield { do: 'reconcilePool', op, slot };
  yield { do: 'land', op, index: 0 };
}

/** The same, with files, workload and pods as the API server has them. */
function* liveOnce(op: number, slot: number): Steps {
  yield* poolStep(op, slot, true);
  yield { do: 'land', op, index: 0 };
}

function* budgetOnce(op: number): Steps {
  yield { do: 'reconcileBudget', op };
  yield { do: 'land', op, index: 0 };
  yield* see(op, BUDGET);
}

const stories: readonly Story[] = [
  {
    sentence: 'an operator that has not seen a pool yet does not give its connections to another',
    without: { unseenIsGone: true },
    budget: 4,
    *tell(world) {
      yield { do: 'create', slot: 0, spec };
      yield* settled(world);
      yield { do: 'create', slot: 1, spec };
      yield* see(1, BUDGET, poolKey(1));
      for (let i = 0; i < 6; i++) {
        yield* budgetOnce(1);
        yield* poolRound(world, 1, 1);
      }
      yield* clusterCatchesUp(world, 1);
    },
  },
  {
    sentence: 'a file that was removed with its grant is not written again from an old status',
    without: { noEpochRecord: true },
    budget: 4,
    *tell(world) {
      yield { do: 'create', slot: 0, spec };
      yield* settled(world);
      // The second operator knows the pool with its grant, and nothing else of it until the end.
      yield* see(1, poolKey(0));
      yield { do: 'spec', slot: 0, spec: { pods: 0 } };
      yield* settled(world);
      yield { do: 'create', slot: 1, spec };
      yield* settled(world);
      for (const key of [mapKey(0), setKey(0), mapKey(0), setKey(0), mapKey(0), setKey(0)]) {
        yield* see(1, key);
        yield* once(1, 0);
      }
      yield* clusterCatchesUp(world, 0);
    },
  },
  {
    sentence: 'a template is not put back to an older epoch by a late write',
    without: { ignoreVersions: 'set' },
    budget: 2,
    *tell(world) {
      yield { do: 'create', slot: 0, spec };
      yield* settled(world);
      yield { do: 'budget', total: 4 };
      yield { do: 'spec', slot: 0, spec: { pods: 2 } };
      yield* see(0, BUDGET, poolKey(0));
      yield* budgetOnce(0);
      yield* once(0, 0);
      yield* see(0, poolKey(0));
      yield* once(0, 0);
      // The second operator sees two files and one replica. What it writes takes long.
      yield* seePool(world, 1, 0);
      yield { do: 'reconcilePool', op: 1, slot: 0 };
      yield* settled(world);
      yield { do: 'create', slot: 1, spec };
      yield* settled(world, 12);
      yield { do: 'land', op: 1, index: 0 };
      yield* clusterCatchesUp(world, 0);
      yield* replacePod(0, 0, world.server.newest(mapKey(0)) - 2);
    },
  },
  {
    sentence: 'a grant that was never used is taken back only by a file of its generation',
    without: { unusedIsReturned: true },
    budget: 2,
    *tell(world) {
      yield { do: 'create', slot: 0, spec };
      yield* settled(world);
      yield { do: 'budget', total: 4 };
      yield* see(0, BUDGET);
      yield* budgetOnce(0);
      yield* once(0, 0);
      yield* see(0, poolKey(0));
      yield* liveOnce(0, 0);
      // The second operator sees a grant of 4 and writes the file, which takes long.
      yield* seePool(world, 1, 0);
      yield { do: 'lookMark', op: 1, slot: 0, ordinal: 0 };
      yield { do: 'lookCount', op: 1, slot: 0, ordinal: 0 };
      yield* poolStep(1, 0, true);
      yield { do: 'budget', total: 2 };
      yield* see(0, BUDGET, poolKey(0));
      yield* budgetOnce(0);
      yield* liveOnce(0, 0);
      yield* see(0, poolKey(0));
      yield* budgetOnce(0);
      yield { do: 'land', op: 1, index: 0 };
      yield* clusterCatchesUp(world, 0);
      yield { do: 'reload', op: 0, slot: 0, ordinal: 0 };
    },
  },
  {
    sentence:
      'a ledger that was lost gives nothing before each process was asked what it runs with',
    without: { raiseUnasked: true },
    budget: 4,
    *tell(world) {
      yield { do: 'create', slot: 0, spec };
      yield* settled(world);
      yield { do: 'create', slot: 1, spec };
      yield* see(0, BUDGET, poolKey(1));
      yield* budgetOnce(0);
      // The file says 2; the process has not read it, and only a grant of 4 remembered that.
      for (let i = 0; i < 3; i++) yield* poolRound(world, 0, 0);
      yield { do: 'wipe', slot: 0 };
      yield { do: 'crash', op: 0, back: 0 };
      for (let i = 0; i < 6; i++) {
        yield* budgetOnce(0);
        yield* poolRound(world, 0, 0);
        yield* poolRound(world, 0, 1);
      }
      yield* clusterCatchesUp(world, 1);
    },
  },
  {
    sentence: 'a pod that was replaced while its predecessor is still in view has proven nothing',
    without: { cachesAreProof: true },
    budget: 4,
    *tell(world) {
      yield { do: 'create', slot: 0, spec };
      yield* settled(world);
      yield { do: 'create', slot: 1, spec };
      yield* see(0, BUDGET, poolKey(1));
      yield* budgetOnce(0);
      yield* once(0, 0);
      yield* see(0, poolKey(0));
      yield* once(0, 0);
      yield* see(0, mapKey(0));
      // The file is lowered and the old pod follows it.
      yield { do: 'refresh', slot: 0, ordinal: 0, versions: NEWEST };
      yield { do: 'reload', op: 0, slot: 0, ordinal: 0 };
      yield { do: 'reconnect', op: 0, slot: 0, ordinal: 0 };
      yield { do: 'release', slot: 0, ordinal: 0, idle: false };
      yield { do: 'lookMark', op: 0, slot: 0, ordinal: 0 };
      yield { do: 'lookCount', op: 0, slot: 0, ordinal: 0 };
      // Then it is replaced by one with the volume of before, which the operator does not see.
      yield* replacePod(0, 0, 1);
      yield* once(0, 0);
      yield { do: 'controllerSees', slot: 0, versions: NEWEST };
      yield { do: 'controllerActs', slot: 0 };
      yield* see(0, setKey(0));
      yield* once(0, 0);
      yield* see(0, poolKey(0));
      yield* budgetOnce(0);
      for (let i = 0; i < 4; i++) yield* poolRound(world, 0, 1);
      yield* clusterCatchesUp(world, 1);
    },
  },
];

function endOf(story: Story, switches: Switches): string | undefined {
  const world = new World(story.budget, switches);
  const monitor = new Monitor(false);
  for (const step of story.tell(world)) {
    if (!world.apply(step)) continue;
    const broken = monitor.check(world, step);
    if (broken !== undefined) return broken;
  }
  return undefined;
}

for (const story of stories) {
  test(story.sentence, () => {
    assert.equal(endOf(story, {}), undefined);
    assert.match(endOf(story, story.without) ?? 'nothing was broken', /^PROMISE/);
  });
}
