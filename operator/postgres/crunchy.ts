// Crunchy's PostgresCluster and Percona's PerconaPGCluster, which is built on it: Services <name>-primary and
// <name>-replicas, one or more instance sets, Patroni's dynamic configuration.
import type {
  AdapterContext,
  ApplicationUser,
  Fault,
  Found,
  PodKind,
  PostgresAdapter,
  PostgresRef,
  RawObject,
  Role,
  ServerTls,
} from './adapter.ts';
import {
  coresFrom,
  malformed,
  maxConnections,
  noReplicas,
  readOnly,
  reservedConnections,
  smallest,
  stopped,
} from './managed.ts';
import { clusterLabel, coresOfNodes, leaderOf } from './pods.ts';
import { asCount, asList, asText, at, defined } from './raw.ts';

/** Percona's operator keeps the labels of Crunchy's. */
const LABELS = 'postgres-operator.crunchydata.com/';
const CLUSTER = `${LABELS}cluster`;
const INSTANCES = { [`${LABELS}data`]: 'postgres' };
const pods: PodKind = { ...clusterLabel(CLUSTER, INSTANCES), roleLabel: `${LABELS}role` };

/** Where the two differ. */
interface Dialect {
  readonly apiGroup: string;
  readonly kind: string;
  /** What `spec.users` without an entry means: no user, or the one of the cluster's own name. */
  readonly emptyMeansDefault: boolean;
  /** Roles that are not for applications. */
  readonly reserved: readonly string[];
  readonly certificate: readonly string[];
  readonly systemIdentifier: readonly string[];
  readonly stop: string;
  /** What spec.standby means when it does not say whether it is enabled. */
  readonly standbyDefault: boolean;
}

const readsOf = ({ systemIdentifier, certificate, stop }: Dialect) => [
  ['spec', 'instances'],
  ['spec', 'port'],
  ['spec', 'config', 'parameters'],
  ['spec', 'patroni', 'dynamicConfiguration', 'postgresql', 'parameters'],
  ['spec', 'users'],
  ['spec', 'standby'],
  systemIdentifier,
  certificate,
  ['spec', stop],
];

const crunchys: Dialect = {
  apiGroup: 'postgres-operator.crunchydata.com',
  kind: 'PostgresCluster',
  emptyMeansDefault: false,
  reserved: ['postgres'],
  certificate: ['spec', 'customTLSSecret'],
  systemIdentifier: ['status', 'patroni', 'systemIdentifier'],
  stop: 'shutdown',
  standbyDefault: true,
};

export const crunchy: PostgresAdapter = {
  apiGroup: crunchys.apiGroup,
  kind: crunchys.kind,
  // Served by every version that is still maintained; v1 only by the newest.
  version: 'v1beta1',
  plural: 'postgresclusters',
  pods,
  reads: readsOf(crunchys),
  facts: (object, role, context) => facts(crunchys, object, role, context),
};

const perconas: Dialect = {
  apiGroup: 'pgv2.percona.com',
  kind: 'PerconaPGCluster',
  emptyMeansDefault: true,
  reserved: ['postgres', 'monitor'],
  certificate: ['spec', 'secrets', 'customTLSSecret'],
  systemIdentifier: ['status', 'patroni', 'status', 'systemIdentifier'],
  stop: 'pause',
  standbyDefault: false,
};

export const percona: PostgresAdapter = {
  apiGroup: perconas.apiGroup,
  kind: perconas.kind,
  version: 'v2',
  plural: 'perconapgclusters',
  pods,
  reads: readsOf(perconas),
  facts: (object, role, context) => facts(perconas, object, role, context),
};

function facts(dialect: Dialect, object: RawObject, role: Role, context: AdapterContext): Found {
  const name = asText(object.metadata?.name);
  const namespace = asText(object.metadata?.namespace);
  if (name === undefined || namespace === undefined) return malformed(dialect.kind);
  const { apiGroup, kind } = dialect;
  const where = `${kind} ${namespace}/${name}`;
  const cluster = { apiGroup, kind, namespace, name };
  const { spec } = object;
  const sets = asList(at(spec, 'instances'));
  const instances = sets.reduce<number>((sum, set) => sum + (asCount(at(set, 'replicas')) ?? 1), 0);
  if (role === 'replicas' && instances < 2) {
    return noReplicas(where, instances, 'raise the replicas in its spec.instances');
  }
  const places = [
    { parameters: at(spec, 'config', 'parameters'), source: `spec.config of ${where}` },
    {
      parameters: at(spec, 'patroni', 'dynamicConfiguration', 'postgresql', 'parameters'),
      source: `the Patroni settings of ${where}`,
    },
  ];
  return {
    ok: true,
    facts: {
      host: `${name}-${role}.${namespace}.svc.${context.clusterDomain}`,
      port: asCount(at(spec, 'port')) ?? 5432,
      instances,
      replicas: Math.max(0, instances - 1),
      maxConnections: maxConnections(places),
      reservedConnections: reservedConnections(places),
      podSelector: { [CLUSTER]: name, ...INSTANCES },
      tls: tlsOf(dialect, object, namespace, name),
      users: usersOf(dialect, spec, namespace, name),
      ...coresOf(sets, where, context, cluster),
      ...defined({
        primary: leaderOf(context.pods?.(cluster) ?? [], `${LABELS}role`),
        systemIdentifier: asText(at(object, ...dialect.systemIdentifier)),
        warning: warningOf(dialect, spec, role, where),
      }),
    },
  };
}

/** Any instance may become the primary, so the smallest set counts; one that says nothing may use all of its node. */
function coresOf(
  sets: readonly unknown[],
  where: string,
  context: AdapterContext,
  cluster: PostgresRef,
) {
  const said = sets.map((set, i) =>
    coresFrom(at(set, 'resources'), `instance set ${asText(at(set, 'name')) ?? i} of ${where}`),
  );
  const known = said.filter((cores) => cores !== undefined);
  if (known.length === said.length && known.length > 0) return { milliCores: smallest(known) };
  const nodes = coresOfNodes(context, cluster);
  if (nodes.milliCores === undefined) return nodes;
  return { milliCores: smallest([...known, nodes.milliCores]) };
}

/**
 * The server's certificate is in a Secret together with its CA. Its names end with a dot (the operator asks DNS for
 * the domain), which a check of the host name would not forgive, so only the CA is checked.
 */
function tlsOf(dialect: Dialect, object: RawObject, namespace: string, name: string): ServerTls {
  const custom = at(object, ...dialect.certificate);
  const caSecret = asText(at(custom, 'name'));
  // The owner may keep the CA under another key, which is then mapped to the file that Postgres reads.
  const item = asList(at(custom, 'items')).find((one) => at(one, 'path') === 'ca.crt');
  return {
    namespace,
    caSecret: caSecret ?? `${name}-cluster-cert`,
    caKey: (caSecret === undefined ? undefined : asText(at(item, 'key'))) ?? 'ca.crt',
    namesHost: false,
  };
}

/** Without a list the operator makes one user, of the cluster's own name. */
function usersOf(
  { emptyMeansDefault, reserved }: Dialect,
  spec: unknown,
  namespace: string,
  name: string,
): ApplicationUser[] {
  const user = (one: string, secret = `${name}-pguser-${one}`) => ({
    name: one,
    namespace,
    secret,
    key: 'password',
  });
  const listed = at(spec, 'users');
  const users = asList(listed);
  if (!Array.isArray(listed) || (emptyMeansDefault && users.length === 0)) return [user(name)];
  return users.flatMap((one) => {
    const role = asText(at(one, 'name'));
    const options = asText(at(one, 'options')) ?? '';
    // Superusers are for administration; NOSUPERUSER is one word.
    if (role === undefined || reserved.includes(role)) return [];
    if (/\b(superuser|nologin|replication)\b/i.test(options)) return [];
    return [user(role, asText(at(one, 'secretName')))];
  });
}

function warningOf(
  { stop, standbyDefault }: Dialect,
  spec: unknown,
  role: Role,
  where: string,
): Fault | undefined {
  if (at(spec, stop) === true) return stopped(where, `spec.${stop}`);
  const standby = at(spec, 'standby');
  const follows = standby !== undefined && (at(standby, 'enabled') ?? standbyDefault) === true;
  return role === 'primary' && follows ? readOnly(where, 'its spec.standby') : undefined;
}
