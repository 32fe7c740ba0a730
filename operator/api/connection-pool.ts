// The ConnectionPool: what a platform engineer applies, and what Spillway answers in its status.
import * as z from 'zod';
import { databases, users } from './access.ts';
import { clients } from './clients.ts';
import { decimalQuantity } from './formats.ts';
import { described, fields, ruled } from './meta.ts';
import { parameters } from './parameters.ts';
import { pause } from './pause.ts';
import { poolMode } from './pool-mode.ts';
import { pooler } from './pooler.ts';
import {
  clusterRefField,
  DEFAULT_RESERVED,
  endpointField,
  exactlyOneTarget,
  sameTarget,
} from './postgres-target.ts';
import { tls } from './tls.ts';
import { podsAtOnce, podsAtOnceCel } from './workload.ts';

export type { Workload, WorkloadKind } from './clients.ts';
export * from './connection-pool-status.ts';
export { type PoolMode, poolMode } from './pool-mode.ts';

const immutable =
  'connections to the old server may still be open: create a new ConnectionPool and delete this one';

const postgres = ruled(
  fields({
    clusterRef: clusterRefField,
    endpoint: endpointField,
    role: described(
      z.enum(['primary', 'replicas']).default('primary'),
      'Which instances the pool leads to: the primary, or the read replicas.',
    ),
  }),
  exactlyOneTarget,
  sameTarget(
    `postgres must stay the same server (clusterRef, endpoint.host, endpoint.port), because ${immutable}`,
  ),
  {
    cel: 'self.role == oldSelf.role',
    message: `postgres.role is immutable, because ${immutable}`,
    at: '.role',
  },
  {
    cel: "!has(self.endpoint) || self.role == 'primary'",
    holds: (self) => self.endpoint === undefined || self.role === 'primary',
    message:
      "postgres.role must be primary with an endpoint: name the replicas' own host in postgres.endpoint.host instead",
    at: '.role',
  },
);

const sizing = ruled(
  fields({
    weight: described(
      z.int().min(1).max(1000).default(1),
      'Part of the budget relative to the other pools of the same server.',
    ),
    coresFactor: described(
      decimalQuantity().optional(),
      'Connections per core; the formula is cores × coresFactor + spindles. Default 2.',
    ),
    spindles: described(
      z.int().min(0).max(1024).optional(),
      'Effective spindles: 0 when the data is cached, 1 on SSD or cloud disks. Default 1.',
    ),
    min: described(
      z.int().min(1).max(262143).optional(),
      'The pool gets at least this many connections while the budget has room: after the pods of every pool, older pools first. One that asks for more than there is gets what there is.',
    ),
    max: described(
      z.int().min(1).max(262143).optional(),
      'The pool gets at most this many connections.',
    ),
  }),
  {
    cel: '!has(self.min) || !has(self.max) || self.min <= self.max',
    holds: ({ min, max }) => min === undefined || max === undefined || min <= max,
    message: 'sizing.min must not be greater than sizing.max: lower min or raise max',
  },
);

const isStatefulSet = "self.postgres.clusterRef.kind == 'StatefulSet'";
const anyDatabase = "self.databases.exists(d, d.name == '*')";
const entries = `(${anyDatabase} ? (has(self.users) ? self.users.size() : 1) : self.databases.size())`;

export const connectionPoolSpec = ruled(
  fields({
    postgres: described(
      postgres,
      'The Postgres that the pool stands in front of. It cannot be changed: create another pool instead.',
    ),
    databases,
    users,
    mode: described(
      poolMode.default('transaction'),
      'When a server connection returns to the pool: after the transaction, the session or the statement.',
    ),
    pooler: described(pooler.prefault({}), 'The pods that run the pooler.'),
    sizing: described(
      sizing.prefault({}),
      'How the budget is computed and shared. Everything has a good default.',
    ),
    clients: described(clients.prefault({}), 'The applications that connect.'),
    tls,
    parameters,
    pause: described(
      pause.optional(),
      'While it stands here, and its time has not come, clients wait: transactions in hand end, no new one begins.',
    ),
  }),
  {
    cel: `has(self.users) || (has(self.postgres.clusterRef) && !(${isStatefulSet}))`,
    holds: ({ users, postgres }) =>
      users !== undefined ||
      (postgres.clusterRef !== undefined && postgres.clusterRef.kind !== 'StatefulSet'),
    message:
      'users is needed, because neither an endpoint nor a StatefulSet says who may log in, and with the database "*" connections are counted by user: list each role with the Secret that has its password',
  },
  {
    cel: `!has(self.sizing.max) || self.sizing.max >= ${podsAtOnceCel('1')} * ${entries}`,
    holds: ({ sizing, users, databases, pooler: { workload } }) =>
      sizing.max === undefined ||
      sizing.max >=
        podsAtOnce(workload, 1) *
          (databases.some((d) => d.name === '*') ? (users?.length ?? 1) : databases.length),
    message:
      'sizing.max must be at least the number of databases (with "*": of users), because each needs a connection of its own, and three times that with pooler.workload Deployment, of which one replica can be three pods: raise it, or list fewer',
  },
  {
    cel: `!has(self.sizing.max) || !has(self.pooler.autoscaling) || self.sizing.max >= ${podsAtOnceCel('self.pooler.autoscaling.maxReplicas')} * ${entries}`,
    holds: ({ sizing, users, databases, pooler: { autoscaling, workload } }) =>
      sizing.max === undefined ||
      autoscaling === undefined ||
      sizing.max >=
        podsAtOnce(workload, autoscaling.maxReplicas) *
          (databases.some((d) => d.name === '*') ? (users?.length ?? 1) : databases.length),
    message:
      'pooler.autoscaling.maxReplicas is more than sizing.max allows, because each pod (of a Deployment: each of 2 × maxReplicas + 1) needs a connection for each database (with "*": for each user): raise sizing.max or lower maxReplicas',
  },
  {
    cel: `!has(self.sizing.min) || !has(self.postgres.endpoint) || !has(self.postgres.endpoint.maxConnections) || self.sizing.min <= self.postgres.endpoint.maxConnections - (has(self.postgres.endpoint.reservedConnections) ? self.postgres.endpoint.reservedConnections : ${DEFAULT_RESERVED})`,
    holds: ({ sizing, postgres: { endpoint } }) =>
      sizing.min === undefined ||
      endpoint?.maxConnections === undefined ||
      sizing.min <= endpoint.maxConnections - (endpoint.reservedConnections ?? DEFAULT_RESERVED),
    message:
      'sizing.min is more than postgres.endpoint.maxConnections leaves after reservedConnections: lower min, or correct maxConnections',
  },
  {
    cel: 'self.databases.all(d, !has(d.user) || (has(self.users) && self.users.exists(u, u.name == d.user)))',
    holds: ({ databases, users }) =>
      databases.every(
        ({ user }) => user === undefined || users?.some(({ name }) => name === user) === true,
      ),
    message:
      'databases: user must be one of users, because its password is read from there: list it in users with its Secret',
  },
  {
    cel: `self.databases.all(d, !has(d.max) || (d.max >= ${podsAtOnceCel('self.pooler.replicas')} * self.pooler.processes && (!has(self.pooler.autoscaling) || d.max >= ${podsAtOnceCel('self.pooler.autoscaling.maxReplicas')} * self.pooler.processes)))`,
    holds: ({ databases, pooler: { replicas, processes, autoscaling, workload } }) =>
      databases.every(
        ({ max = Number.POSITIVE_INFINITY }) =>
          max >= podsAtOnce(workload, replicas) * processes &&
          (autoscaling === undefined ||
            max >= podsAtOnce(workload, autoscaling.maxReplicas) * processes),
      ),
    message:
      'databases: max must be at least the number of pods (pooler.replicas, pooler.autoscaling.maxReplicas; of a Deployment twice that and one) times pooler.processes, because each process needs a connection for each database: raise it, or have fewer of them',
  },
  {
    cel: '!has(self.sizing.min) || self.databases.exists(d, !has(d.max)) || self.sizing.min <= self.databases.map(d, d.max).sum()',
    holds: ({ sizing: { min }, databases }) =>
      min === undefined ||
      databases.some(({ max }) => max === undefined) ||
      min <= databases.reduce((sum, { max = 0 }) => sum + max, 0),
    message: 'sizing.min is more than every max in databases together: lower min, or raise a max',
  },
  {
    cel: `!has(self.users) || self.users.all(u, !has(u.binding) || !has(u.binding.database) || self.databases.exists(d, d.name == '*' || d.name == u.binding.database))`,
    holds: ({ users, databases }) =>
      (users ?? []).every(
        ({ binding }) =>
          binding?.database === undefined ||
          databases.some((d) => d.name === '*' || d.name === binding.database),
      ),
    message:
      'users: binding.database is none of the databases that the pool lists: add it to databases, or correct it',
  },
);
/** The spec with every default filled in. */
export type ConnectionPoolSpec = z.output<typeof connectionPoolSpec>;
/** The spec as a user may write it. */
export type ConnectionPoolSpecInput = z.input<typeof connectionPoolSpec>;
