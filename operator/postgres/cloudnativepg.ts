// CloudNativePG: a Cluster with Services <name>-rw (the primary) and <name>-ro (the replicas).
import type {
  AdapterContext,
  ApplicationUser,
  Fault,
  Found,
  PostgresAdapter,
  RawObject,
  Role,
  ServerTls,
} from './adapter.ts';
import {
  coresFrom,
  malformed,
  maxConnections,
  noReplicas,
  noService,
  readOnly,
  reservedConnections,
  stopped,
} from './managed.ts';
import { clusterLabel, coresOr } from './pods.ts';
import { asCount, asList, asText, at, defined } from './raw.ts';

const HIBERNATION = 'cnpg.io/hibernation';
const FENCED = 'cnpg.io/fencedInstances';

const GROUP = 'postgresql.cnpg.io';
const KIND = 'Cluster';
const CLUSTER = 'cnpg.io/cluster';

export const cloudNativePg: PostgresAdapter = {
  apiGroup: GROUP,
  kind: KIND,
  version: 'v1',
  plural: 'clusters',
  // Jobs and poolers of the cluster have its label too.
  pods: clusterLabel(CLUSTER, { 'cnpg.io/podRole': 'instance' }),
  reads: [
    ['metadata', 'annotations', HIBERNATION],
    ['metadata', 'annotations', FENCED],
    ['spec', 'instances'],
    ['spec', 'postgresql', 'parameters'],
    ['spec', 'resources'],
    ['spec', 'bootstrap'],
    ['spec', 'replica'],
    ['spec', 'certificates'],
    ['spec', 'managed', 'services'],
    ['spec', 'managed', 'roles'],
    ['status', 'writeService'],
    ['status', 'certificates', 'serverCASecret'],
    ['status', 'certificates', 'serverAltDNSNames'],
    ['status', 'currentPrimary'],
    ['status', 'systemID'],
  ],
  facts,
};

function facts(object: RawObject, role: Role, context: AdapterContext): Found {
  const { clusterDomain } = context;
  const name = asText(object.metadata?.name);
  const namespace = asText(object.metadata?.namespace);
  if (name === undefined || namespace === undefined) return malformed('Cluster');
  const where = `Cluster ${namespace}/${name}`;
  const { spec, status } = object;
  const instances = asCount(at(spec, 'instances')) ?? 1;
  if (role === 'replicas' && instances < 2) {
    return noReplicas(where, instances, 'raise its spec.instances');
  }
  const service = serviceOf(object, name, role);
  if (service === undefined) {
    return noService(where, 'take it out of its spec.managed.services.disabledDefaultServices');
  }
  const host = `${service}.${namespace}.svc.${clusterDomain}`;
  const places = [
    { parameters: at(spec, 'postgresql', 'parameters'), source: `the parameters of ${where}` },
  ];
  return {
    ok: true,
    facts: {
      host,
      port: 5432,
      instances,
      replicas: Math.max(0, instances - 1),
      maxConnections: maxConnections(places),
      reservedConnections: reservedConnections(places),
      podSelector: { [CLUSTER]: name },
      users: usersOf(spec, namespace, name),
      ...coresOr(coresFrom(at(spec, 'resources'), where), context, {
        apiGroup: GROUP,
        kind: KIND,
        namespace,
        name,
      }),
      ...defined({
        tls: tlsOf(object, namespace, name, host),
        primary: asText(at(status, 'currentPrimary')),
        systemIdentifier: asText(at(status, 'systemID')),
        warning: warningOf(object, name, role, where),
      }),
    },
  };
}

/** The default Service, else one of the owner's with the same selector and ports of its own making. */
function serviceOf(object: RawObject, name: string, role: Role): string | undefined {
  const type = role === 'primary' ? 'rw' : 'ro';
  const services = at(object.spec, 'managed', 'services');
  if (!asList(at(services, 'disabledDefaultServices')).includes(type)) {
    const said = role === 'primary' ? asText(at(object.status, 'writeService')) : undefined;
    return said ?? `${name}-${type}`;
  }
  const additional = asList(at(services, 'additional')).find(
    (one) =>
      at(one, 'selectorType') === type && at(one, 'serviceTemplate', 'spec', 'ports') === undefined,
  );
  return asText(at(additional, 'serviceTemplate', 'metadata', 'name'));
}

/**
 * The operator makes certificates where nobody gives it others, and says in status for which names. A certificate
 * that somebody gives may be for any name, and only the CA that is given with it vouches for it.
 */
function tlsOf(
  { spec, status }: RawObject,
  namespace: string,
  name: string,
  host: string,
): ServerTls | undefined {
  const given = asText(at(spec, 'certificates', 'serverTLSSecret')) !== undefined;
  const ca = asText(at(spec, 'certificates', 'serverCASecret'));
  if (given && ca === undefined) return undefined;
  const names = asList(at(status, 'certificates', 'serverAltDNSNames'));
  return {
    namespace,
    caSecret: ca ?? asText(at(status, 'certificates', 'serverCASecret')) ?? `${name}-ca`,
    caKey: 'ca.crt',
    namesHost: !given && names.includes(host),
  };
}

/** The owner of the application's database, and the further roles that the operator keeps for the cluster's owner. */
function usersOf(spec: unknown, namespace: string, name: string): ApplicationUser[] {
  // Roles are those of the cluster that it follows.
  if (isReplica(spec, name)) return [];
  const owner = ownerOf(spec, namespace, name);
  const managed = asList(at(spec, 'managed', 'roles'))
    .map((role) => managedUser(role, namespace))
    .filter((user) => user !== undefined);
  return [
    ...(owner === undefined ? [] : [owner]),
    ...managed.filter((user) => user.name !== owner?.name),
  ];
}

/** Made by bootstrap together with a Secret: always with initdb, and with the other ways when they name a database. */
function ownerOf(spec: unknown, namespace: string, name: string): ApplicationUser | undefined {
  const bootstrap = at(spec, 'bootstrap');
  const restored = at(bootstrap, 'recovery') ?? at(bootstrap, 'pg_basebackup');
  const how = restored ?? at(bootstrap, 'initdb');
  const named = asText(at(how, 'database'));
  if (restored !== undefined && named === undefined) return undefined;
  // It takes the databases and roles of another server over, as they are.
  if (at(how, 'import', 'type') === 'monolith') return undefined;
  return {
    name: asText(at(how, 'owner')) ?? named ?? 'app',
    namespace,
    secret: asText(at(how, 'secret', 'name')) ?? `${name}-app`,
    key: 'password',
  };
}

/** Undefined for a role that is no application's: it may not log in, has no password, or may do too much. */
function managedUser(role: unknown, namespace: string): ApplicationUser | undefined {
  const name = asText(at(role, 'name'));
  const secret = asText(at(role, 'passwordSecret', 'name'));
  const refused =
    at(role, 'ensure') === 'absent' ||
    at(role, 'login') !== true ||
    at(role, 'superuser') === true ||
    at(role, 'replication') === true ||
    at(role, 'disablePassword') === true;
  if (name === undefined || secret === undefined || refused) return undefined;
  return { name, namespace, secret, key: 'password' };
}

function isReplica(spec: unknown, name: string): boolean {
  const replica = at(spec, 'replica');
  const enabled = at(replica, 'enabled');
  if (typeof enabled === 'boolean') return enabled;
  const primary = asText(at(replica, 'primary'));
  return primary !== undefined && primary !== (asText(at(replica, 'self')) ?? name);
}

function warningOf(object: RawObject, name: string, role: Role, where: string): Fault | undefined {
  const { annotations } = object.metadata ?? {};
  if (at(annotations, HIBERNATION) === 'on') return stopped(where, `annotation ${HIBERNATION}`);
  const fenced = fencedIn(at(annotations, FENCED));
  const primary = asText(at(object.status, 'currentPrimary'));
  if (fenced.includes('*') || (role === 'primary' && fenced.includes(primary))) {
    return stopped(where, `annotation ${FENCED}`);
  }
  return role === 'primary' && isReplica(object.spec, name)
    ? readOnly(where, 'its spec.replica')
    : undefined;
}

/** The annotation is a JSON list of pod names; "*" is every one. */
function fencedIn(annotation: unknown): readonly unknown[] {
  try {
    return asList(JSON.parse(asText(annotation) ?? '[]'));
  } catch {
    return [];
  }
}
