// Postgres as a plain StatefulSet: ordinal 0 is the primary, the others are its replicas. That is how
// people run it without an operator; anything cleverer has a kind, and an adapter, of its own.
import type {
  AdapterContext,
  Found,
  PostgresAdapter,
  RawObject,
  Role,
  ServerFacts,
  Sourced,
} from './adapter.ts';
import { setting, writtenSetting } from './command-line.ts';
import { fault, malformed, noReplicas, together } from './managed.ts';
import { coresOr } from './pods.ts';
import {
  asCount,
  asList,
  asMap,
  asMilliCores,
  asText,
  asTexts,
  at,
  defined,
  type RawMap,
} from './raw.ts';

const POSTGRES_PORT = 5432;
/** More replicas than anybody has; a number that was mistyped must not become a list of that length. */
const MOST_HOSTS = 64;

const GROUP = 'apps';
const KIND = 'StatefulSet';

export const statefulSet: PostgresAdapter = {
  apiGroup: GROUP,
  kind: KIND,
  version: 'v1',
  plural: 'statefulsets',
  pods: {
    // Those of all StatefulSets but our own.
    selector: 'statefulset.kubernetes.io/pod-name,app.kubernetes.io/managed-by!=spillway',
    labels: [],
    clusterOf: ({ metadata }) => {
      const owner = metadata?.ownerReferences?.find(({ controller }) => controller === true);
      return owner?.kind === KIND ? asText(owner.name) : undefined;
    },
  },
  facts,
};

function facts(object: RawObject, role: Role, context: AdapterContext): Found {
  const { clusterDomain } = context;
  const name = asText(object.metadata?.name);
  const namespace = asText(object.metadata?.namespace);
  if (name === undefined || namespace === undefined) {
    return malformed('StatefulSet');
  }
  const where = `StatefulSet ${namespace}/${name}`;
  const spec = asMap(object.spec);
  const containers = asList(at(spec, 'template', 'spec', 'containers')).map(asMap);
  const container = postgresContainer(containers);
  if (container === undefined) {
    const names = containers.map((one) => asText(one.name) ?? '?').join(', ');
    return fault(
      'PostgresContainerUnknown',
      containers.length === 0
        ? `${where} has no containers: refer to the StatefulSet that runs Postgres`
        : `${where}: none of its containers (${names}) is known to be Postgres: name one "postgres", give it the containerPort 5432, or use spec.postgres.endpoint`,
    );
  }
  const service = asText(spec.serviceName);
  if (service === undefined) {
    return fault(
      'PostgresHasNoService',
      `${where} has no spec.serviceName, so its pods have no DNS names: set it to a headless Service, or use spec.postgres.endpoint with the Service's name`,
    );
  }
  const instances = asCount(spec.replicas) ?? 1;
  const first = asCount(at(spec, 'ordinals', 'start')) ?? 0;
  const host = (ordinal: number) =>
    `${name}-${ordinal}.${service}.${namespace}.svc.${clusterDomain}`;
  if (role === 'replicas' && instances < 2) {
    return noReplicas(where, instances, 'raise its replicas');
  }
  const hosts =
    role === 'primary'
      ? host(first)
      : Array.from({ length: Math.min(instances - 1, MOST_HOSTS) }, (_, index) =>
          host(first + 1 + index),
        ).join(',');
  const selector = asTexts(at(spec, 'selector', 'matchLabels'));
  return {
    ok: true,
    facts: {
      host: hosts,
      port: portOf(container),
      instances,
      replicas: Math.max(0, instances - 1),
      maxConnections: setting(container, 'max_connections', where),
      reservedConnections: reservedOf(container, where),
      primary: `${name}-${first}`,
      ...coresOr(coresOf(container, asMap(at(spec, 'template', 'spec')), where), context, {
        apiGroup: GROUP,
        kind: KIND,
        namespace,
        name,
      }),
      ...defined({
        podSelector: Object.keys(selector).length > 0 ? selector : undefined,
      }),
    } satisfies ServerFacts,
  };
}

/** By what is surest first: the port, the name, the image; else the only one there is. */
function postgresContainer(containers: readonly RawMap[]): RawMap | undefined {
  const byPort = containers.find((container) =>
    portsOf(container).some((port) => port.number === POSTGRES_PORT),
  );
  const byName = containers.find((container) =>
    /^(postgres|postgresql|pg)$/i.test(asText(container.name) ?? ''),
  );
  const byImage = containers.find((container) => isPostgresImage(asText(container.image) ?? ''));
  return byPort ?? byName ?? byImage ?? (containers.length === 1 ? containers[0] : undefined);
}

/** `postgres`, `bitnami/postgresql`, `spilo`; not `postgres-exporter` or `postgres_exporter`. */
function isPostgresImage(image: string): boolean {
  const repository = image.split('@')[0]?.replace(/:[^/:]*$/, '') ?? '';
  const last = repository.split('/').at(-1) ?? '';
  return /postgres|spilo|timescaledb|postgis/i.test(last) && !/exporter|backup|bouncer/i.test(last);
}

function portsOf(container: RawMap): readonly { name: string; number: number }[] {
  return asList(container.ports).flatMap((port) => {
    const number = asCount(asMap(port).containerPort);
    return number === undefined ? [] : [{ name: asText(asMap(port).name) ?? '', number }];
  });
}

/** What the command line says Postgres listens on, else what the ports say, else 5432. */
function portOf(container: RawMap): number {
  const ports = portsOf(container);
  return (
    writtenSetting(container, 'port') ??
    (
      ports.find((port) => port.number === POSTGRES_PORT) ??
      ports.find((port) => /^(tcp-)?(postgres|postgresql|pg|pgsql|psql)$/i.test(port.name)) ??
      (ports.length === 1 ? ports[0] : undefined)
    )?.number ??
    POSTGRES_PORT
  );
}

/**
 * The limit is what Postgres can use; without one, the request is what it is sure to have. A limit or
 * request of the whole pod counts where its container has none.
 */
function coresOf(container: RawMap, podSpec: RawMap, where: string): Sourced<number> | undefined {
  const places = [
    [container, 'limits', 'limits.cpu'],
    [container, 'requests', 'requests.cpu'],
    [podSpec, 'limits', "the pod's limits.cpu"],
    [podSpec, 'requests', "the pod's requests.cpu"],
  ] as const;
  for (const [holder, kind, words] of places) {
    const milli = asMilliCores(at(holder, 'resources', kind, 'cpu'));
    if (milli !== undefined) return { value: milli, source: `${words} of ${where}` };
  }
  return undefined;
}

/** superuser_reserved_connections + reserved_connections. */
function reservedOf(container: RawMap, where: string): Sourced<number> {
  const superuser = setting(container, 'superuser_reserved_connections', where);
  const reserved = setting(container, 'reserved_connections', where);
  return together(superuser, reserved);
}
