// Conditions: what is Ready, what waits, what is stuck, and when a time moves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeConditions, newsOf } from '../../../operator/core/pool/conditions.ts';
import {
  configApplied,
  coresKnown,
  credentialsFound,
  type Finding,
  objectsApplied,
  type PodCounts,
  podsReady,
  postgresFound,
  type ShareState,
  shareGranted,
  specAccepted,
  unknown,
  withinBudget,
} from '../../../operator/core/pool/findings.ts';
import { poolConditions, poolStatus } from '../../../operator/core/pool/status.ts';
import { view } from './fixture.ts';

const { server } = view();
const counts: PodCounts = {
  asked: 2,
  target: 2,
  existing: 2,
  ready: 2,
  confirmed: 2,
  toReplace: 0,
};
const share: ShareState = {
  share: 8,
  held: 8,
  namespace: 'shop',
  budget: 'shop/b',
  explanation: 'why',
};

function findings(change: Partial<Record<string, Finding>> = {}): Finding[] {
  const all: Record<string, Finding> = {
    spec: specAccepted(),
    postgres: postgresFound({ facts: server }),
    cores: coresKnown(server, '1 core'),
    credentials: credentialsFound([]),
    share: shareGranted(share),
    budget: withinBudget({ allotted: 8, charged: 8, unproven: [] }),
    objects: objectsApplied(),
    config: configApplied(counts),
    pods: podsReady(counts),
  };
  return Object.entries(all).map(([name, finding]) => change[name] ?? finding);
}

/** `Ready/Reconciling/Stalled` by their first letters, and the reason of Ready. */
function summary(list: readonly Finding[]): string {
  const conditions = poolConditions(list);
  const status = (type: string) => conditions.find((one) => one.type === type)?.status[0];
  return `${status('Ready')}${status('Reconciling')}${status('Stalled')} ${conditions[0]?.reason}`;
}

const fault = { reason: 'Because', message: 'it is so: do that' };
const waiting = { ...share, held: 3 };
const { milliCores: _, ...unknownCores } = server;
const old = { name: 'shop-pooler-1', version: '1.25.1', oldest: '1.25.2' };
const missing = { reason: 'PostgresDoesNotExist', message: 'there is none: create it' };

const cases: Readonly<Record<string, readonly [Partial<Record<string, Finding>>, string]>> = {
  'everything is as asked': [{}, 'TFF Ready'],
  'the spec cannot be bounded': [{ spec: specAccepted(fault) }, 'FFT Because'],
  'Postgres does not exist yet': [
    { postgres: postgresFound({ fault: missing }) },
    'FTF PostgresDoesNotExist',
  ],
  'Postgres cannot be read': [{ postgres: postgresFound({ fault }) }, 'FFT Because'],
  'the cores are not known': [{ cores: coresKnown(unknownCores, '1 core') }, 'TFF Ready'],
  'a Secret is missing': [{ credentials: credentialsFound([fault, fault]) }, 'FTF Because'],
  'others give back': [{ share: shareGranted(waiting) }, 'FTF WaitingForOthers'],
  'no pod fits': [{ share: shareGranted({ ...share, shortage: 'NoPod' }) }, 'FFT BudgetTooSmall'],
  'fewer pods fit': [{ share: shareGranted({ ...share, shortage: 'FewerPods' }) }, 'TFF Ready'],
  'fewer pods fit, and others still hold them': [
    { share: shareGranted({ ...waiting, shortage: 'FewerPods' }) },
    'FTF WaitingForOthers',
  ],
  'less than its min': [{ share: shareGranted({ ...share, shortage: 'BelowMin' }) }, 'TFF Ready'],
  'the pool gives back': [
    { budget: withinBudget({ allotted: 4, charged: 8, unproven: ['a'] }) },
    'FTF GivingBack',
  ],
  'the budget became smaller than what pools hold': [
    { budget: withinBudget({ allotted: 4, charged: 8, unproven: ['a'], shrunkTo: 9 }) },
    'FTF BudgetShrank',
  ],
  'the budget became smaller, and this pool has given back': [
    { budget: withinBudget({ allotted: 4, charged: 4, unproven: [], shrunkTo: 9 }) },
    'TFF Ready',
  ],
  'a file cannot be read': [
    { budget: withinBudget({ allotted: 4, charged: Number.POSITIVE_INFINITY, unproven: [] }) },
    'FTF GivingBack',
  ],
  'a name is taken': [{ objects: objectsApplied(fault) }, 'FFT Because'],
  'a pod has not confirmed': [
    { config: configApplied({ ...counts, confirmed: 1 }) },
    'FTF NotConfirmed',
  ],
  'a pod runs a version that is too old': [
    { config: configApplied({ ...counts, confirmed: 1, tooOld: [old] }) },
    'FFT PoolerTooOld',
  ],
  'it is replaced, as its image was corrected': [
    { config: configApplied({ ...counts, confirmed: 1, tooOld: [old], toReplace: 1 }) },
    'FTF ReplacingPods',
  ],
  'new entries wait for those that leave': [
    {
      config: configApplied({
        ...counts,
        leaving: ['database b (not counted yet)'],
        waiting: { names: ['database c'], until: '2026-01-01T00:01:00Z' },
      }),
    },
    'FTF EntriesWait',
  ],
  'pods are replaced': [
    { config: configApplied({ ...counts, toReplace: 1, restartFor: ['pkt_buf'] }) },
    'FTF ReplacingPods',
  ],
  'a pod is not ready': [{ pods: podsReady({ ...counts, ready: 1 }) }, 'FTF PodsNotReady'],
  'an image cannot be pulled': [{ pods: podsReady({ ...counts, ready: 1 }, fault) }, 'FTF Because'],
  'pods are leaving': [{ pods: podsReady({ ...counts, existing: 3 }) }, 'FTF PodsLeaving'],
  'no pods are asked for': [
    { pods: podsReady({ ...counts, asked: 0, target: 0, existing: 0, ready: 0, confirmed: 0 }) },
    'TFF Ready',
  ],
  'something waits and something is stuck': [
    { credentials: credentialsFound([missing]), objects: objectsApplied(fault) },
    'FTT PostgresDoesNotExist',
  ],
  'what comes later was not reached': [
    { spec: specAccepted(fault), pods: unknown('PodsReady', 'the spec comes first') },
    'FFT Because',
  ],
};
for (const [what, [change, expected]] of Object.entries(cases)) {
  test(`Ready, Reconciling and Stalled when ${what}: ${expected}`, () => {
    assert.equal(summary(findings(change)), expected);
  });
}

test('progress is said in words, with every pod in the way, and is the same until something changes', () => {
  const said = (more: Partial<PodCounts>) => configApplied({ ...counts, target: 4, ...more });
  assert.equal(said({ confirmed: 3 }).message, '3 of 4 pods have confirmed their configuration');
  assert.deepEqual(said({ confirmed: 3, ready: 1, existing: 3 }), said({ confirmed: 3 }));
  const silent = Array.from({ length: 7 }, (_, n) => `pod-${n}: why`);
  assert.equal(
    said({ confirmed: 1, silent }).message,
    '1 of 4 pods have confirmed their configuration; pod-0: why, pod-1: why, pod-2: why, pod-3: why, pod-4: why and 2 more',
  );
  const replacing = said({
    confirmed: 1,
    toReplace: 2,
    restartFor: ['pkt_buf'],
    silent: ['p: why'],
  });
  assert.match(replacing.message, /pkt_buf.*; 1 of 4 pods have confirmed.*; p: why$/);
});

test('a message names what restarts the pods, and how many connections are unknown', () => {
  assert.match(
    configApplied({ ...counts, toReplace: 1, restartFor: ['pkt_buf'] }).message,
    /pkt_buf/,
  );
  const unreadable = withinBudget({ allotted: 4, charged: Number.POSITIVE_INFINITY, unproven: [] });
  assert.match(unreadable.message, /^An unknown number/);
});

test('a version that is too old is told with the pod, what would do, and where the image is set', () => {
  const { message } = configApplied({
    ...counts,
    tooOld: [old, { ...old, name: 'shop-pooler-2' }],
  });
  for (const part of ['shop-pooler-1 (and 1 more)', '1.25.1', '1.25.2', 'spec.pooler.image'])
    assert.ok(message.includes(part), message);
});

const first = '2026-01-01T00:00:00Z';
const later = '2026-01-02T00:00:00Z';

test('a time moves when the status does, not when the words do', () => {
  const one = mergeConditions(undefined, poolConditions(findings()), 1, first);
  const words = findings({ pods: podsReady({ ...counts, asked: 3 }) });
  const two = mergeConditions(one, poolConditions(words), 2, later);
  assert.ok(two.every((condition) => condition.lastTransitionTime === first));
  assert.ok(two.every((condition) => condition.observedGeneration === 2));
  const lost = findings({ pods: podsReady({ ...counts, ready: 0 }) });
  const three = mergeConditions(two, poolConditions(lost), 2, later);
  const moved = three.filter((condition) => condition.lastTransitionTime === later);
  assert.deepEqual(
    moved.map((condition) => condition.type),
    ['Ready', 'Reconciling', 'PodsReady'],
  );
});

test('an event is for a status or a reason that changed', () => {
  const one = mergeConditions(undefined, poolConditions(findings()), 1, first);
  assert.equal(newsOf(undefined, one).length, one.length);
  assert.deepEqual(newsOf(one, mergeConditions(one, poolConditions(findings()), 2, later)), []);
  const lost = poolConditions(findings({ pods: podsReady({ ...counts, ready: 0 }) }));
  const news = newsOf(one, mergeConditions(one, lost, 1, later));
  assert.deepEqual(
    news.map((condition) => condition.type),
    ['Ready', 'Reconciling', 'PodsReady'],
  );
});

test('the same findings give the same status, whatever the time', () => {
  const input = {
    identity: view().identity,
    generation: 3,
    clusterDomain: 'cluster.local',
    servicePort: 5432,
    findings: findings(),
    pods: counts,
    budget: 'shop/b',
  };
  const one = poolStatus({ ...input, now: first });
  const two = poolStatus({ ...input, now: later, previous: one.conditions ?? [] });
  assert.deepEqual(two, one);
  assert.equal(one.address, 'shop.shop.svc.cluster.local:5432');
  assert.equal(one.confirmed, '2/2');
  assert.match(one.selector ?? '', /^[^=,]+=[^=,]+(,[^=,]+=[^=,]+)*$/);
});

test('a message longer than a condition may be is cut', () => {
  const long = { reason: 'Long', message: 'x'.repeat(50_000) };
  const [ready] = mergeConditions(undefined, poolConditions([specAccepted(long)]), 1, first);
  assert.ok((ready?.message.length ?? 0) <= 32_768);
});
