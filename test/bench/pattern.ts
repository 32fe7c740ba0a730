// What the operator writes for one cluster and its pools, read back and made into a pattern for any other cluster.
import { clusterOf, type Fleet, namespaceOf, poolNameOf } from './fleet.ts';
import type { PlainClient, PlainObject } from './plain-client.ts';

/** Kinds that the operator makes, with their paths; pools and budgets come with a status. */
export const kinds = {
  ConnectionPool: '/apis/spillway.dev/v1alpha1',
  ConnectionBudget: '/apis/spillway.dev/v1alpha1',
  ServiceAccount: '/api/v1',
  Secret: '/api/v1',
  ConfigMap: '/api/v1',
  Service: '/api/v1',
  NetworkPolicy: '/apis/networking.k8s.io/v1',
  PodDisruptionBudget: '/apis/policy/v1',
  StatefulSet: '/apis/apps/v1',
} as const;
export type Kind = keyof typeof kinds;

const plurals: Readonly<Partial<Record<Kind, string>>> = { NetworkPolicy: 'networkpolicies' };

export function pluralOf(kind: Kind): string {
  return plurals[kind] ?? `${kind.toLowerCase()}s`;
}

/** All objects of the kind in all namespaces, or in one. */
export function pathOf(kind: Kind, namespace?: string): string {
  const within = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `${kinds[kind]}${within}/${pluralOf(kind)}`;
}

export interface Pattern {
  /** Bodies to POST, for the first cluster. */
  readonly objects: readonly { readonly kind: Kind; readonly text: string }[];
  readonly statuses: readonly {
    readonly kind: 'ConnectionPool' | 'ConnectionBudget';
    readonly name: string;
    readonly text: string;
  }[];
  /** Names and uids of the first cluster's pools. */
  readonly pools: readonly { readonly name: string; readonly uid: string }[];
}

/** Reads the only cluster of a small fleet, once the operator has settled it. */
export async function readPattern(client: PlainClient, fleet: Fleet): Promise<Pattern> {
  const objects: { kind: Kind; text: string }[] = [];
  const statuses: Pattern['statuses'][number][] = [];
  const pools: { name: string; uid: string }[] = [];
  for (const kind of Object.keys(kinds) as Kind[]) {
    for (const object of await client.list(pathOf(kind, namespaceOf(0)))) {
      const { name, uid = '' } = object.metadata;
      const labels = (object.metadata.labels ?? {}) as Record<string, string>;
      const ours = labels['app.kubernetes.io/managed-by'] === 'spillway';
      if (kind === 'ConnectionPool') pools.push({ name, uid });
      else if (ours) objects.push({ kind, text: JSON.stringify(asWritten(object, kind)) });
      if (kind === 'ConnectionPool' || kind === 'ConnectionBudget') {
        statuses.push({ kind, name, text: JSON.stringify(object.status) });
      }
    }
  }
  if (pools.length !== fleet.pools) throw new Error('the pattern must have one cluster only');
  return { objects, statuses, pools: pools.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** Without what the API server adds. */
function asWritten(object: PlainObject, kind: Kind): PlainObject {
  const { status: _s, ...rest } = object;
  const {
    uid: _u,
    resourceVersion: _v,
    generation: _g,
    creationTimestamp: _c,
    ...more
  } = rest.metadata;
  const { managedFields: _m, ...metadata } = more;
  const written: PlainObject = { ...rest, apiVersion: '', kind, metadata };
  written.apiVersion = kinds[kind].replace(/^\/apis?\//, '');
  if (kind === 'Service') {
    const { clusterIP, clusterIPs: _i, ...spec } = object.spec as Record<string, unknown>;
    written.spec = clusterIP === 'None' ? { ...spec, clusterIP } : spec;
  }
  return written;
}

/** The same for another cluster; `uids` are those of its pools, by name. */
export function fill(
  text: string,
  pattern: Pattern,
  fleet: Fleet,
  cluster: number,
  uids: ReadonlyMap<string, string>,
): string {
  let filled = text.replaceAll(namespaceOf(0), namespaceOf(cluster));
  const first = Array.from({ length: fleet.pools }, (_, i) => i).findIndex(
    (i) => clusterOf(fleet, i) === cluster,
  );
  for (const [i, pool] of pattern.pools.entries()) {
    const name = poolNameOf(first + i);
    filled = filled.replaceAll(pool.name, name).replaceAll(pool.uid, uids.get(name) ?? '');
  }
  return filled;
}
