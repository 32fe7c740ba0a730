// Who may log in to a pool, and where their passwords are: the users that the spec lists, or without such a list the
// application users that the owner of the Postgres cluster has made.
import { type User, users as usersSchema } from '../../api/access.ts';
import type { ConnectionBudgetSpec } from '../../api/connection-budget.ts';
import type { ConnectionPoolSpec } from '../../api/connection-pool.ts';
import type { ApplicationUser, Fault, ServerFacts } from '../../postgres/adapter.ts';
import { compare } from './manifest.ts';

/** One user and the Secret with the password. */
export interface PoolUser {
  readonly name: string;
  readonly namespace: string;
  readonly secret: string;
  readonly key: string;
  /** Where the user is named, for a message: `spec.users[shop].secretRef`. */
  readonly field: string;
  /** What to do when the Secret is not there. */
  readonly fix: string;
}

export interface Access {
  /** The spec with its users filled in; without users when it is not known who they are. */
  readonly spec: ConnectionPoolSpec;
  readonly users: readonly PoolUser[];
  /** The users are those of the cluster's owner. */
  readonly found: boolean;
  /** Why there are no users. */
  readonly fault?: Fault;
}

/** As many as spec.users may list. */
const MOST_USERS = 64;

/**
 * The spec with its users filled in; without users when nobody says who they are. For a look at all pools of a server,
 * hence without a word for each user.
 */
export function specWithUsers(
  spec: ConnectionPoolSpec,
  facts: ServerFacts | undefined,
): ConnectionPoolSpec {
  if (spec.users !== undefined || facts === undefined) return spec;
  const users = listable(facts);
  if (users.length === 0 || users.length > MOST_USERS) return spec;
  return { ...spec, users: users.map(asListed) };
}

/** `facts` are undefined while the Postgres is not found; then only the spec says who the users are. */
export function accessOf(
  spec: ConnectionPoolSpec,
  namespace: string,
  facts: ServerFacts | undefined,
): Access {
  if (spec.users !== undefined) {
    const users = spec.users.map(({ name, secretRef }) => ({
      name,
      namespace,
      secret: secretRef.name,
      key: secretRef.key,
      field: `spec.users[${name}].secretRef`,
      fix: 'create it, or correct the name',
    }));
    return { spec, users, found: false };
  }
  if (facts === undefined) return { spec, users: [], found: true };
  const named = listable(facts);
  const where = `${spec.postgres.clusterRef?.kind ?? 'the Postgres'} ${spec.postgres.clusterRef?.name ?? ''}`;
  const list = 'list them in spec.users with the Secrets that hold their passwords';
  if (named.length === 0) {
    const message = `spec.users: ${where.trim()} names no user that applications log in as: ${list}`;
    return { spec, users: [], found: true, fault: { reason: 'UsersUnknown', message } };
  }
  if (named.length > MOST_USERS) {
    const message = `spec.users: ${where.trim()} names ${named.length} users and a pool takes ${MOST_USERS}: choose those of this pool, and ${list}`;
    return { spec, users: [], found: true, fault: { reason: 'TooManyUsers', message } };
  }
  const users = named.map((user) => ({
    ...user,
    field: `user ${user.name} of ${where.trim()}`,
    fix: 'its operator makes it soon; else list the users in spec.users',
  }));
  return { spec: specWithUsers(spec, facts), users, found: true };
}

/**
 * The passwords of an owner's users are for the owner's namespace, and for those that the ConnectionBudget lists by
 * name: whoever may read Secrets in the pool's namespace can read the pool's. "*" lets pools attach, and tells nobody
 * a password.
 */
export function sharedFault(
  { found, users }: Access,
  namespace: string,
  budget: Pick<ConnectionBudgetSpec, 'namespaces'> | undefined,
  budgetKey: string | undefined,
): Fault | undefined {
  const elsewhere = users.find((user) => user.namespace !== namespace);
  if (!found || elsewhere === undefined) return undefined;
  if (budget?.namespaces?.some(({ name }) => name === namespace) === true) return undefined;
  return {
    reason: 'UsersNotShared',
    message: `spec.users: the passwords of ${elsewhere.field} are for its own namespace ${elsewhere.namespace}: list the users here with Secrets of this namespace, or let the owner list ${namespace} by name in spec.namespaces of ConnectionBudget ${budgetKey ?? ''}`,
  };
}

/** By the facts: all pools of a server are looked at together, with the same facts. */
const listed = new WeakMap<ServerFacts, readonly ApplicationUser[]>();

/** The same rules as for users in the spec: what could not be listed there is not written into a file either. */
function listable(facts: ServerFacts): readonly ApplicationUser[] {
  const known = listed.get(facts);
  if (known !== undefined) return known;
  const users = (facts.users ?? [])
    .filter((user) => usersSchema.safeParse([asListed(user)]).success)
    .sort((a, b) => compare(a.name, b.name));
  listed.set(facts, users);
  return users;
}

function asListed({ name, secret, key }: ApplicationUser): User {
  return { name, secretRef: { name: secret, key } };
}
