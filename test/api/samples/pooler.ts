// Samples of the rules about the pods.
import { pool } from '../objects.ts';
import { pooler, type Sample, users } from './sample.ts';

const key = (key: string) => ({ [key]: 'x' });
const maps = [
  { field: 'podLabels', at: 'spec.pooler.podLabels', of: (m: object) => pooler({ podLabels: m }) },
  {
    field: 'podAnnotations',
    at: 'spec.pooler.podAnnotations',
    of: (m: object) => pooler({ podAnnotations: m }),
  },
  {
    field: 'service.annotations',
    at: 'spec.pooler.service.annotations',
    of: (m: object) => pooler({ service: { annotations: m } }),
  },
];
export const poolerSamples: readonly Sample[] = [
  ...maps.flatMap(({ field, at, of }) => [
    {
      says: `pooler.${field}: every key must be a name`,
      at,
      refused: of(key('a b')),
      accepted: of(key('example.com/a_b.c')),
    },
    {
      says: `pooler.${field}: every key must be a name`,
      at,
      refused: of(key('x'.repeat(64))),
      accepted: of(key('x'.repeat(63))),
    },
    {
      says: `pooler.${field}: keys that begin with "spillway.dev/"`,
      at,
      refused: of(key('spillway.dev/touched')),
      accepted: of(key('my.spillway.dev/touched')),
    },
  ]),
  {
    says: 'pooler.podLabels: keys that begin with "spillway.dev/"',
    at: 'spec.pooler.podLabels',
    refused: pooler({ podLabels: key('app.kubernetes.io/name') }),
    accepted: pooler({ podLabels: key('app.kubernetes.io/part-of') }),
  },
  {
    says: 'pooler.nodeSelector: every key must be a name',
    at: 'spec.pooler.nodeSelector',
    refused: pooler({ nodeSelector: key('-x') }),
    accepted: pooler({ nodeSelector: key('kubernetes.io/os') }),
  },
  {
    says: 'must be a label value',
    at: 'spec.pooler.podLabels.team',
    refused: pooler({ podLabels: { team: 'a b' } }),
    accepted: pooler({ podLabels: { team: '' } }),
  },
  ...[
    ['example.com/PgBouncer', 'example.com:5000/pg/bouncer_x:1.25.2'],
    ['pgbouncer:1 2', 'pgbouncer'],
    ['pgbouncer@sha256:12', `pgbouncer:1@sha256:${'0a'.repeat(32)}`],
    ['https://example.com/x', '[::1]:5000/x'],
  ].map(([refused = '', accepted = '']) => ({
    says: 'must be an image reference',
    at: 'spec.pooler.image',
    refused: pooler({ image: refused }),
    accepted: pooler({ image: accepted }),
  })),
  {
    says: 'must be a name of Kubernetes',
    at: 'spec.pooler.priorityClassName',
    refused: pooler({ priorityClassName: 'High' }),
    accepted: pooler({ priorityClassName: 'high' }),
  },
  {
    says: 'limits.memory must be at least 16Mi',
    at: 'spec.pooler.resources.limits',
    refused: pooler({ resources: { limits: { memory: '256m' } } }),
    accepted: pooler({ resources: { limits: { memory: '16384Ki' } } }),
  },
  ...[
    [{ cpu: 2 }, { cpu: '1999m' }, { cpu: '2.0' }],
    [{ memory: '1Gi' }, { memory: '1000M' }, { memory: '1024Mi' }],
  ].map(([request = {}, less = {}, same = {}]) => ({
    says: 'no request may be more than its limit',
    at: 'spec.pooler.resources',
    refused: pooler({ resources: { requests: request, limits: less } }),
    accepted: pooler({ resources: { requests: request, limits: same } }),
  })),
  ...['limits', 'requests'].flatMap((list) =>
    ['a b', 'foo', 'cpus', 'hugepages-', 'Example.com/gpu', '/gpu', 'example.com/'].map((name) => ({
      says: `pooler.resources.${list}: every key must be a resource`,
      at: `spec.pooler.resources.${list}`,
      refused: pooler({ resources: { [list]: { [name]: 1 } } }),
      accepted: pooler({
        resources: {
          [list]: { cpu: 1, 'ephemeral-storage': '1Gi', 'hugepages-2Mi': 1, 'example.com/gpu': 1 },
        },
      }),
    })),
  ),
  {
    says: 'must be the key of a taint',
    at: 'spec.pooler.tolerations[0].key',
    refused: pooler({ tolerations: [{ key: 'a b' }] }),
    accepted: pooler({ tolerations: [{ key: 'example.com/a_b' }] }),
  },
  {
    says: 'must be a label value',
    at: 'spec.pooler.tolerations[0].value',
    refused: pooler({ tolerations: [{ key: 'a', value: '-' }] }),
    accepted: pooler({ tolerations: [{ key: 'a', value: '' }] }),
  },
  {
    says: 'must be Exists or Equal',
    at: 'spec.pooler.tolerations[0].operator',
    refused: pooler({ tolerations: [{ key: 'a', operator: 'In' }] }),
    accepted: pooler({ tolerations: [{ key: 'a', operator: 'Equal', value: 'b' }] }),
  },
  {
    says: 'must be NoSchedule, PreferNoSchedule or NoExecute',
    at: 'spec.pooler.tolerations[0].effect',
    refused: pooler({ tolerations: [{ key: 'a', effect: 'Never' }] }),
    accepted: pooler({ tolerations: [{ key: 'a', effect: 'NoExecute', tolerationSeconds: 5 }] }),
  },
  {
    says: 'without a key, operator must be Exists',
    at: 'spec.pooler.tolerations[0]',
    refused: pooler({ tolerations: [{ effect: 'NoSchedule' }] }),
    accepted: pooler({ tolerations: [{ effect: 'NoSchedule', operator: 'Exists' }] }),
  },
  {
    says: 'with operator Exists there is no value',
    at: 'spec.pooler.tolerations[0]',
    refused: pooler({ tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] }),
    accepted: pooler({ tolerations: [{ key: 'a', operator: 'Exists', value: '' }] }),
  },
  {
    says: 'tolerationSeconds is only for the effect NoExecute',
    at: 'spec.pooler.tolerations[0]',
    refused: pooler({ tolerations: [{ key: 'a', effect: 'NoSchedule', tolerationSeconds: 5 }] }),
    accepted: pooler({ tolerations: [{ key: 'a', effect: 'NoSchedule' }] }),
  },
  {
    says: 'autoscaling.minReplicas must not be greater than maxReplicas',
    at: 'spec.pooler.autoscaling.minReplicas',
    refused: pooler({ autoscaling: { minReplicas: 4, maxReplicas: 3 } }),
    accepted: pooler({ autoscaling: { minReplicas: 3, maxReplicas: 3 } }),
  },
  {
    says: 'pooler.processes must be 1 with pooler.workload Deployment',
    at: 'spec.pooler.processes',
    refused: pooler({ workload: 'Deployment', processes: 2 }),
    accepted: pooler({ workload: 'StatefulSet', processes: 2 }),
  },
  ...[{ requests: { cpu: '1' } }, { limits: { cpu: 2 } }].map((resources) => ({
    says: 'pooler.autoscaling measures use of CPU in percent of the request',
    at: 'spec.pooler.autoscaling',
    refused: pooler({
      autoscaling: { maxReplicas: 3 },
      resources: { requests: { memory: '1Gi' }, limits: { memory: '1Gi' } },
    }),
    accepted: pooler({ autoscaling: { maxReplicas: 3 }, resources }),
  })),
  ...[
    { databases: [{ name: '*' }] },
    { databases: [{ name: 'a' }, { name: 'b' }], users: users('one', 'two', 'three') },
  ].map((spec) => {
    const with5 = (sizing: object) =>
      pool({ ...spec, sizing, pooler: { autoscaling: { maxReplicas: 5 } } });
    const most = 5 * spec.databases.length;
    return {
      says: 'pooler.autoscaling.maxReplicas is more than sizing.max allows',
      at: 'spec',
      refused: with5({ max: most - 1 }),
      accepted: with5({ max: most }),
    };
  }),
  ...[
    'tomorrow',
    '2026-02-01T10:00:00',
    '2026-02-30T10:00:00Z',
    '2026-13-01T10:00:00Z',
    '2026-02-01T24:00:00Z',
  ].map((until) => ({
    says: 'must be a time with its zone',
    at: 'spec.pause.until',
    refused: pool({ pause: { until } }),
    accepted: pool({ pause: { until: '2026-02-01T10:00:00.5+01:00' } }),
  })),
];
