// How many pods can connect: each kind, its autoscaler, its rollout, and what is not known.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Workload } from '../../../operator/api/connection-pool.ts';
import {
  type ClientKind,
  type ClientLookup,
  countWorkloads,
  kindsOf,
} from '../../../operator/core/clients/count.ts';
import { countedText, keepCounted } from '../../../operator/core/clients/keep.ts';
import type { RawObject } from '../../../operator/postgres/adapter.ts';

const object = (kind: string, name: string, spec: object, more: object = {}): RawObject => ({
  kind,
  metadata: { name, namespace: 'shop', labels: { app: name, tier: 'web' } },
  spec,
  ...more,
});
const scaler = (kind: string, name: string, maxReplicas: number, apiVersion = 'apps/v1') =>
  object('HorizontalPodAutoscaler', `${name}-scaler`, {
    scaleTargetRef: { apiVersion, kind, name },
    maxReplicas,
  });
const among =
  (...objects: readonly RawObject[]): ClientLookup =>
  (kind, namespace) =>
    objects.filter((o) => o.kind === kind && o.metadata?.namespace === namespace);
const entry = (kind: Workload['kind'], more: Partial<Workload> = {}): Workload => ({
  kind,
  name: 'web',
  poolSize: 5,
  ...more,
});

const recreate = { type: 'Recreate' };
const surge = (maxSurge: unknown) => ({ type: 'RollingUpdate', rollingUpdate: { maxSurge } });

const cases: Readonly<Record<string, readonly [Workload, readonly RawObject[], number, RegExp]>> = {
  'a Deployment has its replicas and a quarter more while it rolls': [
    entry('Deployment'),
    [object('Deployment', 'web', { replicas: 10 })],
    13,
    /^spec.replicas 10, and 3 more while it rolls \(maxSurge 25%\)$/,
  ],
  'a Deployment without replicas has 1, and the surge is rounded up': [
    entry('Deployment'),
    [object('Deployment', 'web', {})],
    2,
    /maxSurge 25%/,
  ],
  'a Deployment that is made anew has no surge': [
    entry('Deployment'),
    [object('Deployment', 'web', { replicas: 10, strategy: recreate })],
    10,
    /^spec.replicas 10$/,
  ],
  'a surge can be a number': [
    entry('Deployment'),
    [object('Deployment', 'web', { replicas: 10, strategy: surge(1) })],
    11,
    /maxSurge 1\)/,
  ],
  'a surge of 0 adds nothing': [
    entry('Deployment'),
    [object('Deployment', 'web', { replicas: 10, strategy: surge('0%') })],
    10,
    /^spec.replicas 10$/,
  ],
  'a Deployment without pods has no surge': [
    entry('Deployment'),
    [object('Deployment', 'web', { replicas: 0 })],
    0,
    /^spec.replicas 0$/,
  ],
  'an autoscaler may ask for more': [
    entry('Deployment'),
    [object('Deployment', 'web', { replicas: 2 }), scaler('Deployment', 'web', 20)],
    25,
    /^maxReplicas 20 of HorizontalPodAutoscaler web-scaler, and 5 more/,
  ],
  'an autoscaler of another kind says nothing': [
    entry('Deployment'),
    [
      object('Deployment', 'web', { replicas: 4, strategy: recreate }),
      scaler('StatefulSet', 'web', 20),
      scaler('Deployment', 'other', 20),
      scaler('Deployment', 'web', 20, 'example.com/v1'),
    ],
    4,
    /^spec.replicas 4$/,
  ],
  'more pods than the autoscaler allows are counted as they are': [
    entry('StatefulSet'),
    [object('StatefulSet', 'web', { replicas: 9 }), scaler('StatefulSet', 'web', 3)],
    9,
    /^spec.replicas 9$/,
  ],
  "the user's number stands instead of the autoscaler's": [
    entry('StatefulSet', { maxReplicas: 6 }),
    [object('StatefulSet', 'web', { replicas: 3 }), scaler('StatefulSet', 'web', 30)],
    6,
    /^maxReplicas 6 of the entry$/,
  ],
  "more pods than the user's number are counted as they are": [
    entry('StatefulSet', { maxReplicas: 2 }),
    [object('StatefulSet', 'web', { replicas: 3 })],
    3,
    /^spec.replicas 3$/,
  ],
  'a DaemonSet has a pod on each of its nodes': [
    entry('DaemonSet'),
    [object('DaemonSet', 'web', {}, { status: { desiredNumberScheduled: 7 } })],
    7,
    /^7 nodes$/,
  ],
  'a DaemonSet may surge': [
    entry('DaemonSet'),
    [
      object(
        'DaemonSet',
        'web',
        { updateStrategy: surge('10%') },
        { status: { desiredNumberScheduled: 7 } },
      ),
    ],
    8,
    /and 1 more while it rolls/,
  ],
  'a CronJob has the pods of one run': [
    entry('CronJob'),
    [
      object('CronJob', 'web', {
        concurrencyPolicy: 'Forbid',
        jobTemplate: { spec: { parallelism: 4 } },
      }),
    ],
    4,
    /^parallelism 4 of one run$/,
  ],
  'a CronJob never runs more pods than it has completions': [
    entry('CronJob'),
    [
      object('CronJob', 'web', {
        concurrencyPolicy: 'Replace',
        jobTemplate: { spec: { parallelism: 4, completions: 3 } },
      }),
    ],
    3,
    /^parallelism 3/,
  ],
  'a CronJob whose runs may overlap says that they are not counted': [
    entry('CronJob'),
    [object('CronJob', 'web', { jobTemplate: { spec: {} } })],
    1,
    /runs that overlap \(concurrencyPolicy Allow\) are not counted/,
  ],
};

for (const [sentence, [workload, objects, pods, source]] of Object.entries(cases)) {
  test(sentence, () => {
    const { workloads, faults } = countWorkloads([workload], 'shop', among(...objects));
    assert.deepEqual(faults, []);
    assert.equal(workloads[0]?.pods, pods);
    assert.match(workloads[0]?.source ?? '', source);
  });
}

test('a selector counts every workload with the labels, by name', () => {
  const lookup = among(
    object('StatefulSet', 'b', { replicas: 1 }),
    object('StatefulSet', 'a', { replicas: 2 }),
    { ...object('StatefulSet', 'c', { replicas: 4 }), metadata: { name: 'c', namespace: 'shop' } },
  );
  const by = { kind: 'StatefulSet', poolSize: 5, selector: { matchLabels: { tier: 'web' } } };
  const { workloads } = countWorkloads([by as Workload], 'shop', lookup);
  assert.deepEqual(
    workloads.map((w) => [w.name, w.pods]),
    [
      ['a', 2],
      ['b', 1],
    ],
  );
});

const faults: Readonly<Record<string, readonly [Workload, readonly RawObject[], string, RegExp]>> =
  {
    'a workload that is not there is named': [
      entry('Deployment'),
      [{ ...object('Deployment', 'web', {}), metadata: { name: 'web', namespace: 'other' } }],
      'WorkloadDoesNotExist',
      /there is no Deployment shop\/web/,
    ],
    'labels that no workload has are named': [
      entry('Deployment', { name: undefined, selector: { matchLabels: { a: 'b' } } } as never),
      [object('Deployment', 'web', {})],
      'WorkloadDoesNotExist',
      /no Deployment in namespace shop with the labels a=b/,
    ],
    'a DaemonSet whose nodes nobody counted needs a number': [
      entry('DaemonSet'),
      [object('DaemonSet', 'web', {})],
      'PodsNotKnown',
      /set maxReplicas/,
    ],
  };
for (const [sentence, [workload, objects, reason, message]] of Object.entries(faults)) {
  test(sentence, () => {
    const [fault] = countWorkloads([workload], 'shop', among(...objects)).faults;
    assert.equal(fault?.reason, reason);
    assert.match(fault?.message ?? '', message);
  });
}

test('autoscalers are read only for kinds that they can scale', () => {
  assert.deepEqual(kindsOf([]), []);
  assert.deepEqual(kindsOf([entry('CronJob'), entry('DaemonSet')]), ['CronJob', 'DaemonSet']);
  assert.deepEqual(kindsOf([entry('Deployment'), entry('Deployment')]), [
    'Deployment',
    'HorizontalPodAutoscaler',
  ]);
});

const kinds: readonly Workload['kind'][] = ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob'];
const anything = fc.option(fc.oneof(fc.nat(50), fc.constantFrom('25%', 'x', '3'), fc.jsonValue()), {
  nil: undefined,
});

test('whatever the objects say, what a store keeps of them counts the same as they do', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.record({ replicas: anything, parallelism: anything, surge: anything, nodes: anything }),
      fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
      fc.nat(40),
      (kind, { replicas, parallelism, surge: maxSurge, nodes }, maxReplicas, hpa) => {
        const rolling = { rollingUpdate: { maxSurge } };
        const whole = [
          object(
            kind,
            'web',
            {
              replicas,
              strategy: rolling,
              updateStrategy: rolling,
              jobTemplate: { spec: { parallelism } },
              template: { spec: {} },
            },
            { status: { desiredNumberScheduled: nodes, replicas: 3 } },
          ),
          scaler(kind, 'web', hpa),
        ];
        const kept = whole.map((o) => keepCounted(o.kind as ClientKind, o));
        const entries = [entry(kind, maxReplicas === undefined ? {} : { maxReplicas })];
        const count = countWorkloads(entries, 'shop', among(...whole));
        assert.deepEqual(countWorkloads(entries, 'shop', among(...kept)), count);
        assert.equal(countedText(kind, kept[0]), countedText(kind, whole[0]));
        const pods = count.workloads[0]?.pods ?? -1;
        assert.ok(Number.isSafeInteger(pods) && pods >= 0, `${pods}`);
        assert.ok(pods >= (maxReplicas ?? 0), `${pods} is less than the user's ${maxReplicas}`);
      },
    ),
  );
});
