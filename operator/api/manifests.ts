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
    spec: described(connectionPoolSpec, 'What is wanted.'),
    status: described(
      connectionPoolStatus.optional(),
      'What Spillway found and did. Written by Spillway.',
    ),
  }),
  ...poolRules,
);

export const connectionBudget = ruled(
  fields({
    apiVersion: z.literal(API_VERSION),
    kind: z.literal('ConnectionBudget'),
    metadata,
    spec: described(connectionBudgetSpec, 'What the owner says.'),
    status: described(connectionBudgetStatus.optional(), 'The ledger. Written by Spillway.'),
  }),
  ...budgetRules,
);
