// The ledger of a pool with a Deployment, step by step in a model: whatever happens in whatever order, what runs may
// open no more than what is written down, as long as there are no more pods than there can be; and in the end all of it
// is in use. Planners with a fault are caught.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planBoundedLedger } from '../../../operator/core/ledger/bounded.ts';
import { Model, type Planner, type Random } from './bounded-model.ts';

/** mulberry32: the same numbers for the same seed. */
function randomFrom(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

function walk(plan: Planner, seed: number): Model {
  const model = new Model(plan, randomFrom(seed));
  for (let step = 0; step < STEPS; step++) {
    model.step();
    model.check();
  }
  return model;
}

const STEPS = 600;

/** The seed of the first walk in which more may be open than is written down; undefined: in none. */
function caught(plan: Planner, walks: number): number | undefined {
  for (let seed = 1; seed <= walks; seed++) {
    try {
      walk(plan, seed);
    } catch {
      return seed;
    }
  }
  return undefined;
}

test('what runs is within what is written down, and in the end everything is as it is to be', () => {
  for (let seed = 1; seed <= 400; seed++) {
    try {
      walk(planBoundedLedger, seed).settle();
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`);
    }
  }
});

const faults: Readonly<Record<string, Planner>> = {
  'replicas are raised before the pods that there are have proven the smaller file': (input) => {
    const plan = planBoundedLedger(input);
    return { ...plan, holders: { ...plan.holders, replicas: plan.holders.pods } };
  },
  'a pod is believed before it has said anything': (input) =>
    planBoundedLedger({
      ...input,
      pods: input.pods.map((pod) => {
        if (pod.file === undefined || pod.file === 'unreadable' || pod.pod === undefined)
          return pod;
        const { revision, generation, caps } = pod.file;
        const said = { podUid: pod.pod.uid, revision, generation, caps, sessions: [] };
        return { ...pod, observation: said, asked: true };
      }),
    }),
  'pods that are ending are not counted': (input) =>
    planBoundedLedger({
      ...input,
      pods: input.pods.filter(({ pod }) => pod?.terminating !== true),
    }),
  'a new template does not wait for room': (input) => {
    const plan = planBoundedLedger(input);
    return { ...plan, holders: { ...plan.holders, mayRoll: true } };
  },
};

for (const [fault, plan] of Object.entries(faults)) {
  test(`it is found out when ${fault}`, (t) => {
    const seed = caught(plan, 400);
    assert.notEqual(seed, undefined);
    t.diagnostic(`caught with seed ${seed}`);
  });
}
