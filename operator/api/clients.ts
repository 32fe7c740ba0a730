// spec.clients: the applications that connect, and how large their own connection pools are.
import * as z from 'zod';
import { dnsSubdomain, nodeLabels } from './formats.ts';
import { atomicList, described, fields, ruled } from './meta.ts';

/** Where neither a number nor the workloads are given. */
export const DEFAULT_MAX_CLIENTS = 1000;
/** Most client connections of one pod. */
export const MAX_CLIENTS = 100_000;

export const workloadKind = z.enum(['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob']);
export type WorkloadKind = z.infer<typeof workloadKind>;

const matchLabels = 'clients.workloads[].selector.matchLabels';

const workload = ruled(
  fields({
    kind: described(workloadKind, 'Kind of the workload.'),
    name: described(dnsSubdomain().optional(), "Name of the workload, in the pool's namespace."),
    selector: described(
      fields({
        matchLabels: described(
          ruled(nodeLabels(matchLabels), {
            cel: 'self.size() > 0',
            holds: (self) => Object.keys(self).length > 0,
            message: `${matchLabels}: without a label every workload would be meant: give one, or use name`,
          }),
          'Labels that the workload itself has (not its pods).',
        ),
      }).optional(),
      'Instead of a name: every workload of the kind with these labels.',
    ),
    poolSize: described(
      z.int().min(1).max(10000),
      "Connections that one pod opens at most: the size of the application's own pool, times the processes in the pod.",
    ),
    maxReplicas: described(
      z.int().min(1).max(100000).optional(),
      'Most pods that there can be, where something else than a HorizontalPodAutoscaler scales it, or nothing in the cluster says it.',
    ),
    tasks: described(
      z.int().min(1).max(10000).optional(),
      'Tasks (threads, requests) of one pod that use the database at the same time.',
    ),
    connectionsPerTask: described(
      z.int().min(1).max(100).optional(),
      'Connections that one task holds at the same time. With more than 1, tasks can wait for each other for ever if the pool is too small.',
    ),
  }),
  {
    cel: 'has(self.name) != has(self.selector)',
    holds: (self) => (self.name === undefined) !== (self.selector === undefined),
    message:
      'clients.workloads: an entry must have exactly one of name and selector: set one of them and remove the other',
  },
  {
    cel: '!has(self.connectionsPerTask) || has(self.tasks)',
    holds: (self) => self.connectionsPerTask === undefined || self.tasks !== undefined,
    message:
      'clients.workloads: connectionsPerTask says nothing without the number of tasks: set tasks, or remove connectionsPerTask',
  },
);
export type Workload = z.output<typeof workload>;

export const clients = fields({
  max: described(
    z.int().min(1).max(MAX_CLIENTS).optional(),
    `Client connections that each pod accepts, so that the pool survives the loss of a pod. The default is computed from the workloads; without workloads it is ${DEFAULT_MAX_CLIENTS}.`,
  ),
  workloads: described(
    ruled(atomicList(workload, 32), {
      cel: 'self.all(a, !has(a.name) || self.exists_one(b, has(b.name) && b.name == a.name && b.kind == a.kind))',
      holds: (list) =>
        list.every(
          (a) =>
            a.name === undefined ||
            list.filter((b) => b.name === a.name && b.kind === a.kind).length === 1,
        ),
      message:
        'clients.workloads: the same workload is there twice, and would be counted twice: remove one of the entries',
    }).optional(),
    "The workloads that connect, in the pool's namespace. They are counted, and status.clients says what follows.",
  ),
  fileLimit: described(
    z.int().min(256).max(1073741816).optional(),
    'Files that a process in a pooler pod may have open, as the nodes set it (ulimit -n). Each client takes one, and PgBouncer refuses more. Spillway cannot see it; containerd 2 gives 1024 unless told otherwise.',
  ),
});
