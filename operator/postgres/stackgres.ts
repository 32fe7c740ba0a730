// StackGres: an SGCluster whose cores are in an SGInstanceProfile and whose parameters in an SGPostgresConfig.
import type {
  AdapterContext,
  ApplicationUser,
  Fault,
  Found,
  PostgresAdapter,
  RawObject,
  Role,
  ServerFacts,
} from './adapter.ts';
import {
  malformed,
  maxConnections,
  noReplicas,
  noService,
  readOnly,
  reservedConnections,
  stopped,
} from './managed.ts';
import { asCount, asList, asMilliCores, asText, at, defined } from './raw.ts';

const GROUP = 'stackgres.io';

export const stackGres: PostgresAdapter = {
  apiGroup: GROUP,
  kind: 'SGCluster',
  version: 'v1',
  plural: 'sgclusters',
  related: [
    {
      apiGroup: GROUP,
      kind: 'SGInstanceProfile',
      version: 'v1',
      plural: 'sginstanceprofiles',
      reads: [['spec', 'cpu']],
    },
    {
      apiGroup: GROUP,
      kind: 'SGPostgresConfig',
      version: 'v1',
      plural: 'sgpgconfigs',
      reads: [
        ['spec', 'postgresql.conf'],
        ['status', 'defaultParameters'],
      ],
    },
  ],
  reads: [
    ['spec', 'instances'],
    ['spec', 'sgInstanceProfile'],
    ['spec', 'configurations', 'sgPostgresConfig'],
    ['spec', 'configurations', 'postgres', 'postgresql.conf'],
    ['spec', 'configurations', 'binding'],
    ['spec', 'pods', 'disableConnectionPooling'],
    ['spec', 'postgres', 'ssl', 'enabled'],
    ['spec', 'postgresServices', 'primary', 'enabled'],
    ['spec', 'postgresServices', 'replicas', 'enabled'],
    ['spec', 'replicateFrom'],
    ['status', 'sgPostgresConfig'],
    ['status', 'labelPrefix'],
    ['status', 'podStatuses'],
  ],
  facts,
};

/** StackGres' own default, where its SGPostgresConfig says nothing. */
const SUPERUSER_RESERVED = { value: 8, source: "StackGres' default", assumed: true } as const;
/** "When no profile is set, a default (1 core, 2 GiB RAM) one is used", says its CRD. */
const NO_PROFILE = { value: 1000, source: "StackGres' default profile" };

function facts(object: RawObject, role: Role, { clusterDomain, lookup }: AdapterContext): Found {
  const name = asText(object.metadata?.name);
  const namespace = asText(object.metadata?.namespace);
  if (name === undefined || namespace === undefined) return malformed('SGCluster');
  const where = `SGCluster ${namespace}/${name}`;
  const { spec, status } = object;
  const instances = asCount(at(spec, 'instances')) ?? 1;
  if (role === 'replicas' && instances < 2) {
    return noReplicas(where, instances, 'raise its spec.instances');
  }
  if (at(spec, 'postgresServices', role, 'enabled') === false) {
    return noService(where, `set its spec.postgresServices.${role}.enabled to true`);
  }
  const find = (kind: string, wanted: string) =>
    lookup({ apiGroup: GROUP, kind, namespace, name: wanted });
  const configName =
    asText(at(spec, 'configurations', 'sgPostgresConfig')) ??
    asText(at(status, 'sgPostgresConfig'));
  const config = configName === undefined ? undefined : find('SGPostgresConfig', configName);
  const places = [
    {
      parameters: at(spec, 'configurations', 'postgres', 'postgresql.conf'),
      source: `spec.configurations.postgres of ${where}`,
    },
    {
      parameters: at(config?.spec, 'postgresql.conf'),
      source: `SGPostgresConfig ${namespace}/${configName}`,
    },
    {
      parameters: at(config?.status, 'defaultParameters'),
      source: `the defaults of SGPostgresConfig ${namespace}/${configName}`,
    },
  ];
  const pooled = at(spec, 'pods', 'disableConnectionPooling') !== true;
  const primary = asList(at(status, 'podStatuses')).find((pod) => at(pod, 'primary') === true);
  return {
    ok: true,
    facts: {
      host: `${role === 'primary' ? name : `${name}-replicas`}.${namespace}.svc.${clusterDomain}`,
      // 5432 leads to StackGres' own sidecar pooler where there is one, and 5433 then past it to Postgres.
      port: pooled ? 5433 : 5432,
      // Postgres in the pod, or the Envoy before it.
      podPorts: [5432, pooled ? 7433 : 7432],
      instances,
      replicas: Math.max(0, instances - 1),
      maxConnections: maxConnections(places),
      reservedConnections: reservedConnections(places, SUPERUSER_RESERVED),
      podSelector: {
        app: 'StackGresCluster',
        [`${asText(at(status, 'labelPrefix')) ?? 'stackgres.io/'}cluster-name`]: name,
      },
      users: usersOf(spec, namespace),
      ...coresOf(spec, namespace, find),
      ...defined({
        // Its CRD says so by default. The certificate signs itself, or the owner gives it without its CA.
        encrypts: at(spec, 'postgres', 'ssl', 'enabled') === true ? (true as const) : undefined,
        primary: asText(at(primary, 'name')),
        warning: warningOf(spec, instances, role, where),
      }),
    },
  };
}

function coresOf(
  spec: unknown,
  namespace: string,
  find: (kind: string, name: string) => RawObject | undefined,
): Pick<ServerFacts, 'milliCores' | 'coresUnknown'> {
  const name = asText(at(spec, 'sgInstanceProfile'));
  if (name === undefined) return { milliCores: NO_PROFILE };
  const profile = `SGInstanceProfile ${namespace}/${name}`;
  const milli = asMilliCores(at(find('SGInstanceProfile', name)?.spec, 'cpu'));
  // A profile always has cores, which are a limit.
  if (milli === undefined) return { coresUnknown: `there is no ${profile} with cores yet` };
  return { milliCores: { value: milli, source: `cpu of ${profile}` } };
}

/** The user of the binding that the owner offers. Without one it is the superuser, which is no application's. */
function usersOf(spec: unknown, namespace: string): ApplicationUser[] {
  const binding = at(spec, 'configurations', 'binding');
  const name = asText(at(binding, 'username'));
  const secret = asText(at(binding, 'password', 'name'));
  const key = asText(at(binding, 'password', 'key'));
  if (name === undefined || secret === undefined || key === undefined || name === 'postgres') {
    return [];
  }
  return [{ name, namespace, secret, key }];
}

function warningOf(spec: unknown, instances: number, role: Role, where: string): Fault | undefined {
  if (instances === 0) return stopped(where, 'instances 0');
  return role === 'primary' && at(spec, 'replicateFrom') !== undefined
    ? readOnly(where, 'its spec.replicateFrom')
    : undefined;
}
