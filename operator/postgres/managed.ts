// What the adapters of Postgres operators have in common: parameters and cores as those operators write them, and
// the words for what is wrong.
import type { Fault, Found, Sourced } from './adapter.ts';
import { asCount, asMap, asMilliCores, at } from './raw.ts';

/** Where parameters of Postgres are written, the most specific place first. */
export interface ParameterPlace {
  readonly parameters: unknown;
  /** For people: "the parameters of Cluster shop/db". */
  readonly source: string;
}

/** A parameter from the first place that names it, else the default, which `fallback` says the origin of. */
export function parameter(
  name: string,
  places: readonly ParameterPlace[],
  fallback: Sourced<number>,
): Sourced<number> {
  for (const { parameters, source } of places) {
    const value = asCount(asMap(parameters)[name]);
    if (value !== undefined) return { value, source };
  }
  return fallback;
}

export const POSTGRES_DEFAULT = "PostgreSQL's default";

export function maxConnections(
  places: readonly ParameterPlace[],
  source = POSTGRES_DEFAULT,
): Sourced<number> {
  return parameter('max_connections', places, { value: 100, source, assumed: true });
}

/** superuser_reserved_connections + reserved_connections. */
export function reservedConnections(
  places: readonly ParameterPlace[],
  superuserDefault: Sourced<number> = { value: 3, source: POSTGRES_DEFAULT, assumed: true },
): Sourced<number> {
  const superuser = parameter('superuser_reserved_connections', places, superuserDefault);
  const reserved = parameter('reserved_connections', places, {
    value: 0,
    source: superuser.source,
    assumed: true,
  });
  return together(superuser, reserved);
}

/** The sum of the two, assumed only where nothing says either. */
export function together(a: Sourced<number>, b: Sourced<number>): Sourced<number> {
  return {
    value: a.value + b.value,
    source: a.source === b.source ? a.source : `${a.source}, ${b.source}`,
    ...(a.assumed === true && b.assumed === true ? { assumed: true } : {}),
  };
}

/** Cores of one instance, from a Kubernetes `resources`: the limit, else the request. */
export function coresFrom(resources: unknown, where: string): Sourced<number> | undefined {
  for (const kind of ['limits', 'requests'] as const) {
    const milli = asMilliCores(at(resources, kind, 'cpu'));
    if (milli !== undefined) {
      return { value: milli, source: `resources.${kind}.cpu of ${where}` };
    }
  }
  return undefined;
}

/** The smallest of several, of which there has to be one: any of them may be the one that serves. */
export function smallest(cores: readonly Sourced<number>[]): Sourced<number> {
  return cores.reduce((least, one) => (one.value < least.value ? one : least));
}

export function fault(reason: string, message: string): Found {
  return { ok: false, fault: { reason, message } };
}

/** The fault of a cluster without read replicas, for a pool with role replicas. */
export function noReplicas(where: string, instances: number, fix: string): Found {
  return fault(
    'PostgresHasNoReplicas',
    `${where} has ${instances} ${instances === 1 ? 'instance' : 'instances'} and so no read replica: ${fix}, or set spec.postgres.role to primary`,
  );
}

/** The fault of a cluster whose Service for the role is switched off. */
export function noService(where: string, fix: string): Found {
  return fault(
    'PostgresHasNoService',
    `${where} has no Service for this role: ${fix}, or use spec.postgres.endpoint with a Service of your own`,
  );
}

/** The fault of an object without a name. */
export function malformed(kind: string): Found {
  return fault(
    'PostgresMalformed',
    `the ${kind} has no metadata.name or metadata.namespace: refer to one that has`,
  );
}

/** Of a cluster that has no running instance, because its owner wants it so. */
export function stopped(where: string, how: string): Fault {
  return {
    reason: 'PostgresStopped',
    message: `${where} is stopped (${how}): clients of the pool wait until it is started again`,
  };
}

/** Of a cluster that follows another one, for a pool that is to write. */
export function readOnly(where: string, how: string): Fault {
  return {
    reason: 'PostgresReadOnly',
    message: `${where} follows another cluster (${how}), so its primary refuses writes: point the pool at the other one, or promote this one`,
  };
}
