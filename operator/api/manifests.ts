// The two resources as whole objects: spec and status, the rules that need metadata, and the names that
// Kubernetes knows them by.
import * as z from 'zod';
import { connectionBudgetSpec, connectionBudgetStatus } from './connection-budget.ts';
import { connectionPoolSpec, connectionPoolStatus } from './connection-pool.ts';
import { dnsLabel } from './formats.ts';
import { described, fields, ruled } from './meta.ts';
import { API_VERSION } from './resources.ts';
import { cel, type Rule } from './rules.ts';

/** The StatefulSet is `<pool>-pooler`, with a hash of 11 characters in a label of 63 at most. */
const MAX_POOL_NAME = 45;
const poolName = new RegExp(`^[a-z]([-a-z0-9]{0,${MAX_POOL_NAME - 2}}[a-z0-9])?$`);

/** What the schema of a CRD may say of metadata: the form of the name, and nothing else. */
export const poolNameSchema = {
  description: 'Name of the pool, and of the Service that applications connect to.',
  type: 'string',
  // The rule below says more than a bound would, which keeps rules from being judged at all.
  maxLength: 253,
  pattern: poolName.source,
} as const;
export const budgetNameSchema = {
  description: 'Name of the budget: the kind of its cluster in lower case, "-", and its name.',
  type: 'string',
  maxLength: 253,
} as const;

/** What `kubectl explain` says of whole objects and of their two halves; a line stays a line there. */
export const poolTexts = {
  object: `A ConnectionPool puts right-sized, managed connection poolers (PgBouncer) in front of a Postgres.
Applications connect to the Service of its name (shop.shop.svc, port 5432) instead of the database.
How many connections its pods may open is computed from the cores of the Postgres, and all pools of one server share that: status.sizing.explanation says how.`,
  spec: `Which Postgres it is for, and who logs in; all else has a default. The least that works, in words:

- postgres.clusterRef: apiGroup apps, kind StatefulSet, name shop-db (or postgres.endpoint: host and cores);
- users: one entry with the name shop, and secretRef.name shop-app, the Secret that has its password;
- nothing more.

Where the operator of the Postgres cluster makes its users known, users can be left out too.
Defaults: mode transaction, databases "*" (every one), pooler.replicas 2, port 5432, cores × 2 + 1 connections shared with the other pools by sizing.weight 1, 1000 clients for each pod, prepared statements, TLS to the server as far as it has it, a disruption budget, pods spread over nodes and zones.`,
  status:
    'What Spillway found and did: conditions, sizing and how it came about. Written by Spillway.',
};
export const budgetTexts = {
  object: `A ConnectionBudget is of one Postgres cluster: the owner's word on its connections (spec), and the ledger of which pool holds how many (status).
Spillway makes one where there is none; edit that one, or create it beside the cluster with the name that pools look for: kind in lower case, "-", name (cluster-shop-db).`,
  spec: `What the owner of the database says; only postgres is needed. An example, in words:

- postgres.clusterRef: apiGroup postgresql.cnpg.io, kind Cluster, name shop-db;
- reserved: one entry with the name migrations and 5 connections, kept out of every pool;
- namespaces: one entry with the name shop, and one with the name reporting and max 4: whose pools may attach.

Defaults: as many connections as work best (cores × 2 + 1), never more than max_connections leaves after what is reserved and a slack of a tenth (at least 5); pools of the cluster's own namespace attach, and no others (to an endpoint: those of every namespace).`,
  status: 'The ledger, and what each server said of itself. Written by Spillway.',
};

/** Everything but what the API server owns. */
const metadata = z.looseObject({
  name: z.string(),
  namespace: dnsLabel().optional(),
  uid: z.string().optional(),
  resourceVersion: z.string().optional(),
  generation: z.int().optional(),
  creationTimestamp: z.string().optional(),
});

interface Named<Spec> {
  readonly metadata: { readonly name: string };
  readonly spec: Spec;
}

const name = 'self.metadata.name';
const ref = 'self.spec.postgres.clusterRef';

export const poolRules: readonly Rule<Named<z.output<typeof connectionPoolSpec>>>[] = [
  {
    cel: `${name}.matches(${cel(poolName.source)})`,
    holds: (self) => poolName.test(self.metadata.name),
    message: `metadata.name must have at most ${MAX_POOL_NAME} lower-case letters, digits and "-", beginning with a letter and ending with a letter or digit, because a Service, a StatefulSet and pods are named after it: choose another name`,
    at: '.metadata.name',
  },
  {
    cel: `!has(self.spec.postgres.endpoint) || self.spec.postgres.endpoint.host.lowerAscii() != ${name}`,
    holds: ({ metadata, spec }) => spec.postgres.endpoint?.host.toLowerCase() !== metadata.name,
    message:
      "postgres.endpoint.host is the name of the pool's own Service, so that it would connect to itself: name the server, or rename the pool",
    at: '.spec.postgres.endpoint.host',
  },
  {
    cel: `!has(${ref}) || has(${ref}.namespace) || ${ref}.name != ${name} + '-pooler'`,
    holds: ({ metadata, spec: { postgres } }) =>
      postgres.clusterRef?.namespace !== undefined ||
      postgres.clusterRef?.name !== `${metadata.name}-pooler`,
    message:
      "postgres.clusterRef.name is the pool's own workload: name the object of the Postgres cluster, or rename the pool",
    at: '.spec.postgres.clusterRef.name',
  },
  {
    // The names are put together once, outside of the loop: the name of an object has no bound to CEL.
    cel: `!has(self.spec.users) || [${name} + '-pooler-users', ${name} + '-pooler-console'].all(n, !self.spec.users.exists(u, u.secretRef.name == n || (has(u.binding) && u.binding.secretName == n)))`,
    holds: ({ metadata, spec }) =>
      spec.users?.some(({ secretRef, binding }) =>
        ['users', 'console'].some((part) =>
          [secretRef.name, binding?.secretName].includes(`${metadata.name}-pooler-${part}`),
        ),
      ) !== true,
    message:
      "users: this Secret is one that Spillway makes for the pool itself: name the Secret that has the role's password, and choose another name for a binding",
    at: '.spec.users',
  },
];

const budgetOf = `(${ref}.kind.lowerAscii() + '-' + ${ref}.name)`;

export const budgetRules: readonly Rule<Named<z.output<typeof connectionBudgetSpec>>>[] = [
  {
    // Names end at 253 characters; a longer one is cut off.
    cel: `!has(${ref}) || ${budgetOf} == ${name} || (${name}.size() == 253 && ${budgetOf}.startsWith(${name}))`,
    holds: ({ metadata, spec: { postgres } }) =>
      postgres.clusterRef === undefined ||
      `${postgres.clusterRef.kind.toLowerCase()}-${postgres.clusterRef.name}`.slice(0, 253) ===
        metadata.name,
    message:
      'metadata.name must be the kind in lower case, "-", and the name of postgres.clusterRef (statefulset-shop-db), because pools find their budget by it: rename the ConnectionBudget',
    at: '.metadata.name',
  },
  {
    cel: `!has(self.spec.postgres.endpoint) || ${name}.matches('^endpoint-[0-9a-f]{16}$')`,
    holds: ({ metadata, spec: { postgres } }) =>
      postgres.endpoint === undefined || /^endpoint-[0-9a-f]{16}$/.test(metadata.name),
    message:
      'metadata.name of the budget of an endpoint is "endpoint-" and a hash of host and port, because pools find their budget by it: edit the one that Spillway made (status.budget of a pool names it)',
    at: '.metadata.name',
  },
];

export const connectionPool = ruled(
  fields({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('ConnectionPool'),
    metadata,
    spec: described(connectionPoolSpec, poolTexts.spec),
    status: described(connectionPoolStatus.optional(), poolTexts.status),
  }),
  ...poolRules,
);

export const connectionBudget = ruled(
  fields({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('ConnectionBudget'),
    metadata,
    spec: described(connectionBudgetSpec, budgetTexts.spec),
    status: described(connectionBudgetStatus.optional(), budgetTexts.status),
  }),
  ...budgetRules,
);
