// From what a pool says about its Postgres to the facts: the one entrance to the adapters.
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import type { Fault, Found, Lookup, ObjectKind, PodLookup, PostgresRef } from './adapter.ts';
import { endpointFacts } from './endpoint.ts';
import { adapterFor, knownKinds } from './table.ts';

export type { Lookup, PodLookup, PostgresRef } from './adapter.ts';

export interface FindContext {
  /** DNS domain of the Kubernetes cluster, usually "cluster.local". */
  readonly clusterDomain: string;
  /** Why objects of a kind cannot be had at all: it is not installed, or in no version that is known. */
  readonly kindFault?: (kind: ObjectKind) => Fault | undefined;
  readonly pods?: PodLookup;
}

/** The object that a pool refers to, its namespace filled in; undefined with an endpoint. */
export function postgresRef(
  postgres: Pick<ConnectionPoolSpec['postgres'], 'clusterRef'>,
  poolNamespace: string,
): PostgresRef | undefined {
  if (postgres.clusterRef === undefined) return undefined;
  const { apiGroup, kind, name, namespace = poolNamespace } = postgres.clusterRef;
  return { apiGroup, kind, namespace, name };
}

/** The facts of the Postgres that a pool in `poolNamespace` is for, or the fault that keeps it away. */
export function findPostgres(
  postgres: ConnectionPoolSpec['postgres'],
  poolNamespace: string,
  lookup: Lookup,
  { clusterDomain, kindFault, pods }: FindContext,
): Found {
  if (postgres.endpoint !== undefined) return endpointFacts(postgres.endpoint);
  const ref = postgresRef(postgres, poolNamespace);
  if (ref === undefined) {
    return fault(
      'PostgresNotNamed',
      'spec.postgres names neither clusterRef nor endpoint: set one of them',
    );
  }
  const adapter = adapterFor(ref.apiGroup, ref.kind);
  if (adapter === undefined) {
    return fault(
      'PostgresKindUnknown',
      `spec.postgres.clusterRef: ${ref.kind} of "${ref.apiGroup}" is not a kind of Postgres cluster that Spillway knows: use one of ${knownKinds()}, or spec.postgres.endpoint`,
    );
  }
  const object = lookup(ref);
  if (object === undefined) {
    const absent = kindFault?.(adapter);
    if (absent !== undefined) return { ok: false, fault: absent };
    return fault(
      'PostgresDoesNotExist',
      `spec.postgres.clusterRef: there is no ${ref.kind} ${ref.namespace}/${ref.name}: create it, or correct the name or namespace`,
    );
  }
  const known = pods === undefined ? {} : { pods };
  return adapter.facts(object, postgres.role, { clusterDomain, lookup, ...known });
}

function fault(reason: string, message: string): Found {
  return { ok: false, fault: { reason, message } };
}
