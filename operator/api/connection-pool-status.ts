// What Spillway answers in the status of a ConnectionPool. No fast-changing numbers: those are metrics.
import * as z from 'zod';
import { conditions } from './conditions.ts';
import { atomicList, counted, described, fields, listMap, text } from './meta.ts';

export const sizingSource = fields({
  field: described(text(63), 'What the number is: cores, maxConnections, share, …'),
  value: described(text(63), 'The number.'),
  source: described(text(1024), 'Where it was found, or how it was computed.'),
});
export type SizingSource = z.infer<typeof sizingSource>;

export const poolSizing = fields({
  cores: described(text(32).optional(), 'Cores of one Postgres instance, as a decimal.'),
  instances: counted('Postgres instances of the cluster.').optional(),
  optimum: counted(
    'floor(cores × coresFactor + spindles): connections that one server works best with.',
  ).optional(),
  maxConnections: counted("The server's max_connections.").optional(),
  reserved: counted('Connections kept for superusers and set aside by the owner.').optional(),
  slack: counted(
    'Connections left free below the limit for cancels, look-ups and sessions that outlive their client.',
  ).optional(),
  budget: counted('Connections that all pools of the server may open together.').optional(),
  share: counted("This pool's part of the budget.").optional(),
  perPod: described(
    atomicList(z.int().min(0), 100).optional(),
    'Connections of each pod, by ordinal.',
  ),
  maxClientConn: counted('Client connections that one pod accepts.').optional(),
  explanation: described(text(32768, 0).optional(), 'How the numbers came about, in one sentence.'),
  sources: described(
    listMap(sizingSource, ['field'], 32).optional(),
    'Where each number comes from.',
  ),
});
export type PoolSizing = z.infer<typeof poolSizing>;

export const grantRecord = fields({
  holder: described(
    text(253),
    'The pooler process: pod name and process number. With `pooler.workload: Deployment` the file that all pods read.',
  ),
  connections: counted('Server connections that the process may hold.'),
  generation: counted(
    'Generation of the file that may first use the grant: a file at or past it has used or returned it.',
  ),
  pods: counted(
    'With `pooler.workload: Deployment`: the most pods that there can be. Each may hold connections divided by pods.',
  ).optional(),
});
export type GrantRecord = z.infer<typeof grantRecord>;

export const poolAllotment = fields({
  connections: counted(
    'Server connections that the pool may hold; never more than its row in the ConnectionBudget.',
  ),
  serial: counted('Serial of the row that was last taken: a raise is taken once only.'),
});
export type PoolAllotment = z.infer<typeof poolAllotment>;

export const countedWorkload = fields({
  kind: described(text(63), 'Kind of the workload.'),
  name: described(text(253), 'Its name.'),
  pods: counted('Most pods that it can have.'),
  source: described(text(1024), 'Where that number comes from.'),
  poolSize: counted('Connections that one pod opens at most, as the spec says.'),
  connections: counted('pods × poolSize.'),
  recommendedPoolSize: counted(
    "What one pod's own connection pool should be, and why is in advice.",
  ),
  advice: described(text(1024), 'How the recommendation came about.'),
});
export type CountedWorkload = z.infer<typeof countedWorkload>;

export const poolClients = fields({
  connections: counted('Client connections that the counted workloads can open together.'),
  workloads: described(atomicList(countedWorkload, 512), 'The workloads that were counted.'),
});
export type PoolClients = z.infer<typeof poolClients>;

export const leavingEntry = fields({
  kind: described(z.enum(['Database', 'User']), 'What it is.'),
  name: described(text(63), 'Its name.'),
  since: described(text(32), 'Since when no new client is let in, RFC 3339.'),
});
export type LeavingEntry = z.infer<typeof leavingEntry>;

export const topology = fields({
  primary: described(text(253).optional(), 'Pod that was the primary, where the cluster says so.'),
  replicas: counted('Read replicas that there were.'),
});
export type Topology = z.infer<typeof topology>;

export const connectionPoolStatus = fields({
  observedGeneration: counted('The generation of the spec that this status speaks of.').optional(),
  conditions: conditions().optional(),
  replicas: counted('Pods that exist.').optional(),
  readyReplicas: counted('Pods that serve clients.').optional(),
  selector: described(text(1024).optional(), "The pods' label selector, for autoscalers."),
  address: described(text(512).optional(), 'host:port that applications connect to.'),
  budget: described(
    text(512).optional(),
    'namespace/name of the ConnectionBudget that the pool draws from.',
  ),
  confirmed: described(
    text(32).optional(),
    'Pods whose running process has confirmed its configuration, of all: "2/2".',
  ),
  sizing: described(poolSizing.optional(), 'What was found and what was computed.'),
  clients: described(
    poolClients.optional(),
    'What was counted of spec.clients.workloads, and what follows for them.',
  ),
  binding: described(
    fields({
      name: described(text(253), "Name of the Secret, in the pool's namespace."),
    }).optional(),
    'The Secret for applications, as the Service Binding specification looks for it: that of the first user who has one.',
  ),
  sharers: counted(
    'Users of one database (with "*": databases of one user) that were seen to want connections at the same time while one of them had none. Each of so many is kept one.',
  ).optional(),
  topology: described(
    topology.optional(),
    'Of a pool for replicas: every server session that it has was opened after the cluster looked like this. A promoted replica has none of them any more.',
  ),
  allotment: described(
    poolAllotment.optional(),
    'What the pool has taken of its row in the ConnectionBudget.',
  ),
  leaving: described(
    listMap(leavingEntry, ['kind', 'name'], 256).optional(),
    'Databases and users that the spec names no more. They are drained before they go from the files, for up to pooler.drainSeconds.',
  ),
  grants: described(
    listMap(grantRecord, ['holder'], 400).optional(),
    'What each pooler process may hold now; the sum is charged to the budget.',
  ),
});
export type ConnectionPoolStatus = z.infer<typeof connectionPoolStatus>;
