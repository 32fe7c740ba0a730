// The ConnectionBudget: the owner's word on one Postgres cluster's connections, and the ledger of who holds them.
import * as z from 'zod';
import { conditions } from './conditions.ts';
import { poolAllotment, sizingSource } from './connection-pool-status.ts';
import { decimalQuantity, dnsLabel } from './formats.ts';
import { counted, described, fields, listMap, patterned, ruled, text } from './meta.ts';
import {
  clusterRefField,
  DEFAULT_RESERVED,
  endpointField,
  exactlyOneTarget,
  sameTarget,
} from './postgres-target.ts';

const setAside = fields({
  name: described(dnsLabel(), 'Who it is for: admin, migrations, monitoring, cron.'),
  connections: described(z.int().min(0).max(262143), 'Connections kept out of every pool.'),
});

const namespace = fields({
  name: described(
    patterned(
      63,
      /^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$/,
      'must be the name of a namespace, or "*" for every other one',
    ),
    'Name of the namespace; "*" is every namespace that no other entry names.',
  ),
  max: described(
    z.int().min(1).max(262143).optional(),
    'Connections that the pools of the namespace may have together, of each server. With "*" it counts for each namespace by itself.',
  ),
});

const postgres = ruled(
  fields({ clusterRef: clusterRefField, endpoint: endpointField }),
  exactlyOneTarget,
  sameTarget(
    'postgres must stay the same server (clusterRef, endpoint.host, endpoint.port), because the ledger in status belongs to it: create another ConnectionBudget',
  ),
  {
    cel: '!has(self.clusterRef) || !has(self.clusterRef.namespace)',
    holds: ({ clusterRef }) => clusterRef?.namespace === undefined,
    message:
      'postgres.clusterRef.namespace must not be set, because a ConnectionBudget lives in the namespace of its cluster: create it there, and remove namespace',
    at: '.clusterRef',
  },
);

const endpointMax = 'self.postgres.endpoint.maxConnections';
const endpointReserved = 'self.postgres.endpoint.reservedConnections';
const ownerSaid =
  'has(self.total) || has(self.share) || has(self.slack) || self.reserved.size() > 0';
const defaultSlack = `(${endpointMax} > 50 ? (${endpointMax} + 9) / 10 : 5)`;

export const connectionBudgetSpec = ruled(
  fields({
    postgres: described(
      postgres,
      'The Postgres cluster that the budget is of. It cannot be changed.',
    ),
    total: described(
      z.int().min(1).max(262143).optional(),
      'Connections that all pools together may open to one server, instead of the number computed from its cores.',
    ),
    share: described(
      z.int().min(1).max(100).optional(),
      'The same as a part of max_connections, in percent: it follows the server. Never more than reserved and slack leave. Either total or share.',
    ),
    reserved: described(
      listMap(setAside, ['name'], 32).default([]),
      'Connections set aside for others than pools.',
    ),
    slack: described(
      z.int().min(0).max(262143).optional(),
      'Connections left free below the limit. The default is a tenth of max_connections, at least 5.',
    ),
    coresFactor: described(
      decimalQuantity().optional(),
      'Connections per core, for every pool of the cluster. Default 2.',
    ),
    spindles: described(
      z.int().min(0).max(1024).optional(),
      'Effective spindles, for every pool of the cluster. Default 1.',
    ),
    namespaces: described(
      listMap(namespace, ['name'], 256).optional(),
      "Namespaces whose pools may attach, and with how much at most. The budget's own needs no entry, and is limited only by one that names it.",
    ),
  }),
  {
    cel: '!has(self.total) || !has(self.share)',
    holds: ({ total, share }) => total === undefined || share === undefined,
    message:
      'total and share cannot both be set, because each says how much all pools may have together: remove one of them',
    at: '.share',
  },
  {
    // Where the owner said nothing Spillway itself may have made the object: its status then says what is short.
    // Only where the limit is said: one that is not yet known cannot be exceeded. A share is whatever is left of it, so
    // one connection has to be.
    cel: `!has(self.postgres.endpoint) || !has(${endpointMax}) || !(${ownerSaid}) || (has(self.total) ? self.total : 1) + self.reserved.map(r, r.connections).sum() + (has(self.slack) ? self.slack : ${defaultSlack}) + (has(${endpointReserved}) ? ${endpointReserved} : ${DEFAULT_RESERVED}) <= ${endpointMax}`,
    holds: ({ postgres: { endpoint }, total, share, slack, reserved }) => {
      if (endpoint?.maxConnections === undefined) return true;
      const said = total ?? share ?? slack;
      if (said === undefined && reserved.length === 0) return true;
      const { maxConnections, reservedConnections = DEFAULT_RESERVED } = endpoint;
      const setAside = reserved.reduce((sum, r) => sum + r.connections, 0);
      const free = slack ?? Math.max(5, Math.ceil(maxConnections / 10));
      return (total ?? 1) + setAside + free + reservedConnections <= maxConnections;
    },
    message:
      'total, reserved and slack (its default is a tenth of max_connections, at least 5) are together more than postgres.endpoint.maxConnections leaves after reservedConnections: lower one of them, or correct maxConnections',
  },
);
export type ConnectionBudgetSpec = z.output<typeof connectionBudgetSpec>;

const serverName = 'The Postgres instance: "primary" or "replicas".';

export const allotmentRecord = fields({
  server: described(text(63), serverName),
  uid: described(
    text(64),
    "The pool's uid: a pool that is re-created under its name is another pool.",
  ),
  namespace: described(text(63), "The pool's namespace."),
  name: described(text(253), "The pool's name."),
  connections: counted('Connections that the pool may hold now.'),
  target: counted('Connections that the pool is to have.'),
  serial: counted('Grows with every change of connections; the pool takes each raise once only.'),
  why: described(text(200, 0).optional(), 'How the target came about, or why there is none.'),
  of: described(
    z.enum(['ConnectionBudget']).optional(),
    'ConnectionBudget: the row is of all pools that draw from another ConnectionBudget of the same server. Absent: of a pool.',
  ),
});
export type AllotmentRecord = z.infer<typeof allotmentRecord>;

export const sameServer = fields({
  namespace: described(text(63), 'Namespace of the ConnectionBudget.'),
  name: described(text(253), 'Name of the ConnectionBudget.'),
  server: described(text(63), serverName),
  reason: described(
    text(63),
    'SameCluster: an object stands for it; SameService: a Service leads to it; SameSystem: the server said so.',
  ),
  why: described(text(1024, 0), 'How it was found.'),
});
export type SameServer = z.infer<typeof sameServer>;

export const serverRecord = fields({
  name: described(text(63), serverName),
  sameAs: described(
    sameServer.optional(),
    'Another ConnectionBudget that is of the same server: this one draws from it, as a pool does, for as long as it is there.',
  ),
  taken: described(
    poolAllotment.optional(),
    'What this one has taken of its row in the other ConnectionBudget.',
  ),
  budget: counted('Connections that all pools of this server may open together.'),
  allotted: counted('Connections that pools hold now.'),
  free: counted('Connections of the budget that no pool holds.'),
  over: counted(
    'Connections beyond the budget that pools hold still, because it became smaller under them: they give them back.',
  ).optional(),
  explanation: described(text(32768, 0).optional(), 'How the budget came about.'),
  sources: described(
    listMap(sizingSource, ['field'], 32).optional(),
    'Where each number comes from, and how the pools share the budget.',
  ),
});
export type ServerRecord = z.infer<typeof serverRecord>;

export const observedServer = fields({
  server: described(text(63), serverName),
  maxConnections: counted('max_connections.'),
  superuserReserved: counted('superuser_reserved_connections.'),
  reserved: counted('reserved_connections; 0 before PostgreSQL 16.'),
  version: described(text(63), 'The version, as the server says it.'),
  inRecovery: described(z.boolean(), 'It follows another server and only reads.'),
  systemIdentifier: described(
    text(32).optional(),
    "The server's system_identifier, where the pool's user may read it. Replicas and clones share it.",
  ),
  address: described(
    text(64).optional(),
    "The server's own address and port; not of replicas, of which another one may answer each time.",
  ),
  since: described(text(32), 'When the server was first found like this, RFC 3339.'),
});
export type ObservedServer = z.infer<typeof observedServer>;

export const connectionBudgetStatus = fields({
  observedGeneration: counted('The generation of the spec that this status speaks of.').optional(),
  conditions: conditions().optional(),
  servers: described(listMap(serverRecord, ['name'], 16).optional(), 'The budget of each server.'),
  observed: described(
    listMap(observedServer, ['server'], 16).optional(),
    'What each server said of itself when it was asked through a pool. Sizes are made from it where neither the cluster nor the owner says.',
  ),
  allotments: described(
    listMap(allotmentRecord, ['server', 'uid'], 5000).optional(),
    'The ledger: what each pool may hold of each server.',
  ),
});
export type ConnectionBudgetStatus = z.infer<typeof connectionBudgetStatus>;
