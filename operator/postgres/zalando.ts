// Zalando's postgres-operator: a postgresql with Services <name> (the master) and <name>-repl.
import type {
  AdapterContext,
  ApplicationUser,
  Fault,
  Found,
  Lookup,
  PostgresAdapter,
  RawObject,
  Role,
  ServerTls,
  Sourced,
} from './adapter.ts';
import {
  coresFrom,
  malformed,
  maxConnections,
  noReplicas,
  readOnly,
  reservedConnections,
  stopped,
} from './managed.ts';
import { clusterLabel, coresOr, leaderOf } from './pods.ts';
import { asCount, asList, asMap, asText, at, defined } from './raw.ts';

/** Labels of the operator's own default configuration. */
const ROLE = 'spilo-role';
const APPLICATION = { application: 'spilo' };
const CLUSTER = 'cluster-name';

const GROUP = 'acid.zalan.do';
const KIND = 'postgresql';

export const zalando: PostgresAdapter = {
  apiGroup: GROUP,
  kind: KIND,
  version: 'v1',
  plural: 'postgresqls',
  // Cores that the owner leaves to the operator are only in what the operator made.
  related: [{ apiGroup: 'apps', kind: 'StatefulSet', version: 'v1', plural: 'statefulsets' }],
  pods: { ...clusterLabel(CLUSTER, APPLICATION), roleLabel: ROLE },
  reads: [
    ['spec', 'numberOfInstances'],
    ['spec', 'postgresql', 'parameters'],
    ['spec', 'resources'],
    ['spec', 'users'],
    ['spec', 'usersWithSecretRotation'],
    ['spec', 'preparedDatabases'],
    ['spec', 'standby'],
    ['spec', 'tls'],
  ],
  facts,
};

/** As the operator itself wants it; other users are never made. */
const USER_NAME = /^[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

function facts(object: RawObject, role: Role, context: AdapterContext): Found {
  const { clusterDomain, lookup, pods } = context;
  const name = asText(object.metadata?.name);
  const namespace = asText(object.metadata?.namespace);
  if (name === undefined || namespace === undefined) return malformed('postgresql');
  const where = `postgresql ${namespace}/${name}`;
  const cluster = { apiGroup: GROUP, kind: KIND, namespace, name };
  const { spec } = object;
  const instances = asCount(at(spec, 'numberOfInstances')) ?? 1;
  if (role === 'replicas' && instances < 2) {
    return noReplicas(where, instances, 'raise its spec.numberOfInstances');
  }
  const places = [
    { parameters: at(spec, 'postgresql', 'parameters'), source: `the parameters of ${where}` },
  ];
  return {
    ok: true,
    facts: {
      host: `${role === 'primary' ? name : `${name}-repl`}.${namespace}.svc.${clusterDomain}`,
      port: 5432,
      instances,
      replicas: Math.max(0, instances - 1),
      // Spilo, the image, computes it from the memory, from 100 up: the least is safe.
      maxConnections: maxConnections(places, 'the least that Spilo sets'),
      reservedConnections: reservedConnections(places),
      podSelector: { ...APPLICATION, [CLUSTER]: name },
      users: usersOf(spec, namespace, name),
      ...coresOr(coresOf(spec, namespace, name, where, lookup), context, cluster),
      ...defined({
        tls: tlsOf(spec, namespace),
        primary: leaderOf(pods?.(cluster) ?? [], ROLE),
        warning: warningOf(spec, instances, role, where),
      }),
    },
  };
}

/** What the manifest says, else what the operator's own defaults have made of it. */
function coresOf(
  spec: unknown,
  namespace: string,
  name: string,
  where: string,
  lookup: Lookup,
): Sourced<number> | undefined {
  const said = coresFrom(at(spec, 'resources'), where);
  if (said !== undefined) return said;
  const made = lookup({ apiGroup: 'apps', kind: 'StatefulSet', namespace, name });
  const containers = asList(at(made?.spec, 'template', 'spec', 'containers'));
  const postgres = containers.find((container) => at(container, 'name') === 'postgres');
  return coresFrom(at(postgres, 'resources'), `StatefulSet ${namespace}/${name}`);
}

/**
 * Users of the manifest, and the login roles of prepared databases and their schemas. Left out: who may not log in; superusers; users
 * whose Secret is in another namespace (their names have a dot); users whose name changes when their Secret is rotated.
 */
function usersOf(spec: unknown, namespace: string, cluster: string): ApplicationUser[] {
  const rotated = asList(at(spec, 'usersWithSecretRotation'));
  const listed = Object.entries(asMap(at(spec, 'users')))
    .filter(([user, flags]) => !rotated.includes(user) && isOrdinary(flags))
    .map(([user]) => user);
  const prepared = Object.entries(asMap(at(spec, 'preparedDatabases')))
    .filter(([, one]) => !asText(at(one, 'secretNamespace')))
    .flatMap(([database, one]) => [
      ...(at(one, 'defaultUsers') === true ? [database] : []),
      ...schemasWithUsers(one).map((schema) => `${database}_${schema}`),
    ])
    .flatMap((prefix) => ['owner', 'reader', 'writer'].map((r) => `${prefix}_${r}_user`));
  const names = [...new Set([...listed, ...prepared])].filter((name) => USER_NAME.test(name));
  return names.map((name) => ({
    name,
    namespace,
    secret: secretName(name, cluster),
    key: 'password',
  }));
}

/** A schema of a prepared database can have login roles of its own, which are made together with its other roles. */
function schemasWithUsers(database: unknown): string[] {
  return Object.entries(asMap(at(database, 'schemas')))
    .filter(([, one]) => at(one, 'defaultUsers') === true && at(one, 'defaultRoles') !== false)
    .map(([schema]) => schema);
}

function isOrdinary(flags: unknown): boolean {
  const words = asList(flags).map((flag) => String(asText(flag)).toLowerCase());
  return !['superuser', 'nologin', 'replication'].some((word) => words.includes(word));
}

/** The operator's default secret_name_template, in which an underscore, not allowed in a name, is a dash. */
function secretName(user: string, cluster: string): string {
  return `${user.replaceAll('_', '-')}.${cluster}.credentials.postgresql.acid.zalan.do`;
}

/** Without a CA file, or with one at a place of its own, the certificate is one that nothing here vouches for. */
function tlsOf(spec: unknown, namespace: string): ServerTls | undefined {
  const tls = at(spec, 'tls');
  const caKey = asText(at(tls, 'caFile'));
  const caSecret = asText(at(tls, 'caSecretName')) ?? asText(at(tls, 'secretName'));
  if (caKey === undefined || caSecret === undefined || caKey.includes('/')) return undefined;
  return { namespace, caSecret, caKey, namesHost: false };
}

function warningOf(spec: unknown, instances: number, role: Role, where: string): Fault | undefined {
  if (instances === 0) return stopped(where, 'numberOfInstances 0');
  return role === 'primary' && at(spec, 'standby') !== undefined
    ? readOnly(where, 'its spec.standby')
    : undefined;
}
