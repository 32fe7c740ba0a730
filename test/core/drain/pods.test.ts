// Which pods are drained, and when one may go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DrainPod, planDrains, podsMeanwhile } from '../../../operator/core/drain/pods.ts';

const NOW = 1_000_000_000;

/** `2 ready`, `1 ready drained:30 left:4`, `0 leaving`: ordinal, and what is the case. */
function pod(text: string): DrainPod {
  const [ordinal = '', ...words] = text.split(' ');
  const number = (key: string) => {
    const word = words.find((w) => w.startsWith(`${key}:`));
    return word === undefined ? undefined : Number(word.slice(key.length + 1));
  };
  const drained = number('drained');
  const clients = number('left');
  return {
    uid: `u${ordinal}`,
    ordinal: Number(ordinal),
    ready: words.includes('ready'),
    leaving: words.includes('leaving'),
    ...(drained === undefined ? {} : { since: NOW - drained * 1000 }),
    ...(clients === undefined ? {} : { clients }),
  };
}

interface Case {
  readonly pods: readonly string[];
  readonly target: number;
  readonly replace?: string;
  readonly limit?: number;
  readonly start?: readonly string[];
  readonly stop?: readonly string[];
  /** A `!` behind it: at once, because it is empty. */
  readonly remove?: readonly string[];
}

const cases: Readonly<Record<string, Case>> = {
  'nothing is to go': { pods: ['0 ready', '1 ready'], target: 2 },
  'a pod too many leaves the Service first': {
    pods: ['0 ready', '1 ready'],
    target: 1,
    start: ['u1'],
  },
  'all that are too many leave together': {
    pods: ['0 ready', '1 ready', '2 ready'],
    target: 1,
    start: ['u1', 'u2'],
  },
  'it stays while it has clients': { pods: ['0 ready', '1 ready drained:30 left:4'], target: 1 },
  'it stays while nobody has counted them': { pods: ['0 ready', '1 ready drained:30'], target: 1 },
  'it goes at once when it is empty': {
    pods: ['0 ready', '1 ready drained:5 left:0'],
    target: 1,
    remove: ['u1!'],
  },
  'it goes with its clients when the time is over': {
    pods: ['0 ready', '1 ready drained:60 left:4'],
    target: 1,
    remove: ['u1'],
  },
  'it serves again when it is to stay': {
    pods: ['0 ready', '1 ready drained:30 left:4'],
    target: 2,
    stop: ['u1'],
  },
  'one too many waits for another to serve': { pods: ['0', '1 ready'], target: 1 },
  'one too many serves again when it is the only one that can': {
    pods: ['0', '1 ready drained:3 left:0'],
    target: 1,
    stop: ['u1'],
  },
  'one that does not serve goes without a drain': {
    pods: ['0 ready', '1'],
    target: 1,
    remove: ['u1'],
  },
  'the last pods are drained too': { pods: ['0 ready'], target: 0, start: ['u0'] },
  'a pod that is replaced leaves the Service first': {
    pods: ['0 ready', '1 ready'],
    target: 2,
    replace: 'u1',
    start: ['u1'],
  },
  'the only pod is replaced without a drain': {
    pods: ['0 ready'],
    target: 1,
    replace: 'u0',
    remove: ['u0'],
  },
  'a pod is not replaced by itself while another is drained': {
    pods: ['0 ready', '1 ready drained:3 left:9'],
    target: 1,
    replace: 'u0',
    remove: ['u0'],
    stop: ['u1'],
  },
  'without a time for it nothing is drained': {
    pods: ['0 ready', '1 ready'],
    target: 1,
    limit: 0,
    remove: ['u1'],
  },
  'a pod that was deleted is let alone': { pods: ['0 ready', '1 ready leaving'], target: 1 },
};

for (const [sentence, { pods, target, replace, limit = 60, start, stop, remove }] of Object.entries(
  cases,
)) {
  test(sentence, () => {
    const plan = planDrains({
      pods: pods.map(pod),
      target,
      replace,
      now: NOW,
      limitSeconds: limit,
    });
    assert.deepEqual(
      {
        start: plan.start,
        stop: plan.stop,
        remove: plan.remove.map((r) => `${r.uid}${r.empty ? '!' : ''}`),
      },
      { start: start ?? [], stop: stop ?? [], remove: remove ?? [] },
    );
  });
}

test('the plan says when the first limit is over', () => {
  const pods = ['0 ready', '1 ready drained:30 left:4', '2 ready drained:45 left:2'].map(pod);
  assert.equal(planDrains({ pods, target: 1, now: NOW, limitSeconds: 60 }).nextSeconds, 15);
});

const anyPod = fc.record({
  ready: fc.boolean(),
  leaving: fc.boolean(),
  drained: fc.option(fc.integer({ min: 0, max: 120 }), { nil: undefined }),
  clients: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
});

test('no plan takes the last pod that serves out of the Service while one is to stay', () => {
  fc.assert(
    fc.property(
      fc.array(anyPod, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 5 }),
      fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
      (list, target, replace) => {
        const pods = list.map(
          ({ ready, leaving, drained, clients }, ordinal): DrainPod => ({
            uid: `u${ordinal}`,
            ordinal,
            ready,
            leaving,
            ...(drained === undefined ? {} : { since: NOW - drained * 1000 }),
            ...(clients === undefined ? {} : { clients }),
          }),
        );
        const plan = planDrains({
          pods,
          target,
          replace: replace === undefined ? undefined : `u${replace}`,
          now: NOW,
          limitSeconds: 60,
        });
        const out = (p: DrainPod) => plan.start.includes(p.uid);
        const removed = (p: DrainPod) => plan.remove.some((r) => r.uid === p.uid);
        const serving = pods.filter((p) => p.ready && !p.leaving && p.since === undefined);
        const after = serving.filter((p) => !out(p) && !removed(p));
        // The one exception: the only pod, which has to be replaced.
        const only = serving.every((p) => p.uid === `u${replace}` && p.ordinal < target);
        assert.ok(serving.length === 0 || after.length > 0 || only, JSON.stringify(plan));
        for (const p of pods.filter((p) => p.leaving)) assert.ok(!out(p) && !removed(p));
        for (const p of plan.remove.filter((r) => r.empty)) {
          assert.equal(pods.find((one) => one.uid === p.uid)?.clients, 0);
        }
      },
    ),
  );
});

test('pods that are too many keep their place until they are deleted, and no more of them come', () => {
  const pods = (...list: string[]) => list.map(pod);
  assert.equal(podsMeanwhile(1, 3, pods('0 ready', '1 ready', '2 ready')), 3);
  assert.equal(podsMeanwhile(1, 3, pods('0 ready', '1 ready', '2 leaving')), 2);
  assert.equal(podsMeanwhile(1, 3, pods('0 ready', '1 leaving', '2 leaving')), 1);
  assert.equal(podsMeanwhile(4, 3, pods('0 ready', '1 ready', '2 ready')), 4);
  // Of before the replicas were lowered: its controller deletes it.
  assert.equal(podsMeanwhile(1, 2, pods('0 ready', '1 leaving', '2 ready')), 1);
});
