// spec.pooler: the pods that run the pooler, and the Service in front of them.
import * as z from 'zod';
import { affinity } from './affinity.ts';
import { autoscaling } from './autoscaling.ts';
import {
  annotations,
  dnsSubdomain,
  imageReference,
  labels,
  labelValue,
  nodeLabels,
  taintKey,
} from './formats.ts';
import { atomicList, described, fields, listMap, patterned, ruled } from './meta.ts';
import { resources } from './pod-resources.ts';

const service = fields({
  type: described(
    z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']).default('ClusterIP'),
    'Type of the Service that clients connect to.',
  ),
  port: described(z.int().min(1).max(65535).default(5432), 'Port of the Service.'),
  annotations: described(
    annotations('pooler.service.annotations').optional(),
    'Annotations of the Service, for a load balancer.',
  ),
});

const toleration = ruled(
  fields({
    key: described(taintKey().optional(), 'Key of the taint; without it, every taint.'),
    operator: described(
      patterned(16, /^(Exists|Equal)$/, 'must be Exists or Equal').optional(),
      'Exists takes any value, Equal the one given. The default of Kubernetes is Equal.',
    ),
    value: described(labelValue().optional(), 'Value of the taint.'),
    effect: described(
      patterned(
        32,
        /^(NoSchedule|PreferNoSchedule|NoExecute)$/,
        'must be NoSchedule, PreferNoSchedule or NoExecute',
      ).optional(),
      'Effect of the taint; without it, every effect.',
    ),
    tolerationSeconds: described(
      z.int().optional(),
      'How long a NoExecute taint is tolerated, in seconds.',
    ),
  }),
  {
    cel: "has(self.key) && self.key != '' || has(self.operator) && self.operator == 'Exists'",
    holds: (t) => (t.key ?? '') !== '' || t.operator === 'Exists',
    message: 'without a key, operator must be Exists: set operator to Exists, or give the key',
  },
  {
    cel: "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
    holds: (t) => t.operator !== 'Exists' || (t.value ?? '') === '',
    message: 'with operator Exists there is no value to compare: remove value, or use Equal',
  },
  {
    cel: "!has(self.tolerationSeconds) || has(self.effect) && self.effect == 'NoExecute'",
    holds: (t) => t.tolerationSeconds === undefined || t.effect === 'NoExecute',
    message: 'tolerationSeconds is only for the effect NoExecute: remove it, or set the effect',
  },
);

/** Labels that select the pods and lead back to the pool. */
const podLabelsOfSpillway = [
  'app.kubernetes.io/component',
  'app.kubernetes.io/instance',
  'app.kubernetes.io/managed-by',
  'app.kubernetes.io/name',
];

const poolerFields = fields({
  engine: described(
    z.enum(['pgbouncer']).default('pgbouncer'),
    'The pooler that runs in the pods.',
  ),
  workload: described(
    ruled(z.enum(['StatefulSet', 'Deployment']), {
      cel: 'self == oldSelf',
      message:
        'pooler.workload is immutable, because pods of the old one may still hold connections: create a new ConnectionPool with the other workload, lead the applications there, and delete this one',
    }).default('StatefulSet'),
    'What keeps the pods. With StatefulSet each pod has a file and a part of the budget of its own, which it keeps: the budget holds exactly. With Deployment a pod that is lost is replaced at once, under another name, and all pods have one file: what each may open is the budget divided by the most pods that there can be, 2 × replicas + 1, so that fewer connections are in use.',
  ),
  replicas: described(
    z.int().min(0).max(100).default(2),
    'Pooler pods. The budget is divided over them, so more pods never mean more connections.',
  ),
  processes: described(
    z.int().min(1).max(8).default(1),
    "Pooler processes in each pod, a container each. One process uses one core: raise this where a pod's process needs a whole core. The pool's connections are divided over pods × processes, each of which needs one for each database (or user). A change replaces the pods, one at a time.",
  ),
  autoscaling: described(
    autoscaling.optional(),
    'Lets Kubernetes choose the number of pods by their use of CPU. It writes `replicas`, which is then left out here.',
  ),
  image: described(
    imageReference().optional(),
    "Image of the pooler, PgBouncer 1.25.2 or newer. The default is the operator's.",
  ),
  imagePullPolicy: described(
    z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
    'When the image is pulled.',
  ),
  imagePullSecrets: described(
    listMap(
      fields({ name: described(dnsSubdomain(), "Name of the Secret, in the pool's namespace.") }),
      ['name'],
      16,
    ).optional(),
    'Secrets for the registry.',
  ),
  resources: described(
    resources.default({
      requests: { cpu: '100m', memory: '64Mi' },
      limits: { memory: '256Mi' },
    }),
    'Resource requirements of the pooler container, of each one where `processes` is more than 1. What is given here replaces the whole default.',
  ),
  nodeSelector: described(
    nodeLabels('pooler.nodeSelector').optional(),
    'Labels of the nodes that the pods may run on.',
  ),
  tolerations: described(atomicList(toleration, 64).optional(), 'Tolerations of the pods.'),
  affinity: described(
    affinity.optional(),
    'Affinity of the pods, as in a pod. The pods are spread over nodes and zones without it.',
  ),
  priorityClassName: described(dnsSubdomain().optional(), 'Priority class of the pods.'),
  podLabels: described(
    labels('pooler.podLabels', podLabelsOfSpillway).optional(),
    'Further labels of the pods.',
  ),
  podAnnotations: described(
    annotations('pooler.podAnnotations').optional(),
    'Further annotations of the pods.',
  ),
  terminationGracePeriodSeconds: described(
    z.int().min(30).max(86400).default(300),
    'How long a pod that must go waits for its clients to leave, in seconds.',
  ),
  drainSeconds: described(
    z.int().min(0).max(86400).default(60),
    'How long a pod that is scaled down or replaced keeps the clients that it has: no new ones come, and idle ones are closed little by little, never one inside a transaction. It ends as soon as none is left. Databases and users that are removed leave in the same way. 0 drains nothing.',
  ),
  service: described(
    service.prefault({}),
    'The Service that clients connect to. It has the name of the pool.',
  ),
});

const names = (list: string) => `has(self.resources.${list}) && 'cpu' in self.resources.${list}`;

export const pooler = ruled(
  poolerFields,
  {
    cel: `!has(self.autoscaling) || ${names('requests')} || ${names('limits')}`,
    holds: ({ autoscaling, resources: { requests, limits } }) =>
      autoscaling === undefined || requests?.cpu !== undefined || limits?.cpu !== undefined,
    message:
      'pooler.autoscaling measures use of CPU in percent of the request: set pooler.resources.requests.cpu',
    at: '.autoscaling',
  },
  {
    cel: "self.workload != 'Deployment' || self.processes == 1",
    holds: ({ workload, processes }) => workload !== 'Deployment' || processes === 1,
    message:
      'pooler.processes must be 1 with pooler.workload Deployment, whose pods all read one file: have more replicas, or use a StatefulSet',
    at: '.processes',
  },
);
