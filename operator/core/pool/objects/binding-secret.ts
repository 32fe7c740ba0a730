// The Secret for applications of one user, as the Service Binding specification wants it (Provisioned Service): made
// only where the spec asks, because it holds the password once more.
import { base64, type Manifest, metadataOf, sortedKeys } from '../manifest.ts';
import { clientHost } from '../names.ts';
import type { Fault, PoolIdentity, PoolView, UserCredential } from '../view.ts';

const TYPE = 'postgresql';
const PROVIDER = 'spillway';
export const BINDING_TYPE = `servicebinding.io/${TYPE}`;

/** One for each user whose spec asks for it and whose password is known, in the order of the spec. */
export function bindingSecrets(view: PoolView): Manifest[] {
  const passwords = new Map(view.users.map((user) => [user.name, user]));
  return (view.spec.users ?? []).flatMap(({ name, binding }) => {
    const user = passwords.get(name);
    if (binding === undefined || user === undefined || isVerifier(user.password)) return [];
    return [bindingSecret(view, user, binding.secretName, binding.database)];
  });
}

/** Why a binding that is asked for cannot be made; for the pool itself such a password will do. */
export function bindingFault({ spec, users }: PoolView): Fault | undefined {
  const verifiers = users.filter((user) => isVerifier(user.password)).map((user) => user.name);
  const user = spec.users?.find((one) => one.binding !== undefined && verifiers.includes(one.name));
  if (user === undefined) return undefined;
  return {
    reason: 'BindingNeedsPassword',
    message: `users[${user.name}].binding: Secret ${user.secretRef.name} has what Postgres stores of the password, with which no application can log in: put the password itself there, or remove binding`,
  };
}

/** A SCRAM or md5 secret as Postgres stores it. */
function isVerifier(password: string): boolean {
  return /^SCRAM-SHA-256\$|^md5[0-9a-f]{32}$/.test(password);
}

/** Whether a Secret's data (as the API server keeps it) is that of a binding. */
export function isBinding(data: Readonly<Record<string, string>>): boolean {
  return data.provider === base64(PROVIDER) && data.type === base64(TYPE);
}

/**
 * The same Secret with nothing in it, for one that the spec asks for no more: the operator may not delete Secrets, and
 * the password must not stay.
 */
export function emptyBindingSecret(identity: PoolIdentity, name: string): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadataOf(identity, name),
    type: BINDING_TYPE,
    data: {},
  };
}

function bindingSecret(
  view: PoolView,
  user: UserCredential,
  secretName: string,
  asked: string | undefined,
): Manifest {
  const { identity, spec, settings } = view;
  const host = clientHost(identity.name, identity.namespace, settings.clusterDomain);
  const port = spec.pooler.service.port;
  const database = asked ?? onlyDatabase(view);
  const entries = {
    type: TYPE,
    provider: PROVIDER,
    host,
    port: String(port),
    username: user.name,
    password: user.password,
    ...(database === undefined
      ? {}
      : { database, uri: uriOf({ host, port, user, database, tls: spec.tls.client?.mode }) }),
  };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadataOf(identity, secretName),
    type: BINDING_TYPE,
    data: sortedKeys(
      Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, base64(value)])),
    ),
  };
}

function onlyDatabase({ spec }: PoolView): string | undefined {
  const [first, second] = spec.databases;
  return second === undefined && first?.name !== '*' ? first?.name : undefined;
}

/** As libpq reads it (RFC 3986): everything that could end a part is escaped. */
function uriOf(to: {
  host: string;
  port: number;
  user: UserCredential;
  database: string;
  tls: string | undefined;
}): string {
  const { host, port, user, database, tls } = to;
  const login = `${encodeURIComponent(user.name)}:${encodeURIComponent(user.password)}`;
  const query = tls === 'require' ? '?sslmode=require' : '';
  return `postgresql://${login}@${host}:${port}/${encodeURIComponent(database)}${query}`;
}
