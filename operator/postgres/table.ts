// The kinds of Postgres cluster that Spillway knows: one line each. Watches, RBAC rules and look-ups are
// made from this table. The order is the one in which messages list the kinds.
import type { ObjectKind, PostgresAdapter, PostgresRef, RawObject } from './adapter.ts';
import { cloudNativePg } from './cloudnativepg.ts';
import { crunchy, percona } from './crunchy.ts';
import { nodeKind, podKind } from './pods.ts';
import { stackGres } from './stackgres.ts';
import { statefulSet } from './stateful-set.ts';
import { zalando } from './zalando.ts';

export const adapters: readonly PostgresAdapter[] = [
  cloudNativePg,
  zalando,
  crunchy,
  percona,
  stackGres,
  statefulSet,
];

/** The adapter for a reference's group and kind. */
export function adapterFor(apiGroup: string, kind: string): PostgresAdapter | undefined {
  return adapters.find((adapter) => adapter.apiGroup === apiGroup && adapter.kind === kind);
}

/** What can be referred to, for a message: `StatefulSet (apps)`. */
export function knownKinds(): string {
  return adapters.map((adapter) => `${adapter.kind} (${adapter.apiGroup})`).join(', ');
}

/** Kinds that are read of every cluster where its own object does not say enough. */
export const instanceKinds: readonly ObjectKind[] = [podKind, nodeKind];

/** The pods of a cluster, out of all that there are. */
export function podsIn(all: readonly RawObject[], cluster: PostgresRef): readonly RawObject[] {
  const { apiGroup, kind, namespace, name } = cluster;
  const pods = adapterFor(apiGroup, kind)?.pods;
  return all.filter(
    (pod) => pod.metadata?.namespace === namespace && pods?.clusterOf(pod) === name,
  );
}

/** Every kind that an adapter reads, each once; those of the table first. */
export function readKinds(): ObjectKind[] {
  const kinds = new Map<string, ObjectKind>();
  for (const kind of [...adapters, ...adapters.flatMap(({ related = [] }) => related)]) {
    const key = `${kind.apiGroup}/${kind.kind}`;
    if (!kinds.has(key)) kinds.set(key, kind);
  }
  return [...kinds.values()];
}
