// Whether the host of an endpoint is a server that Kubernetes knows under another name: a Service of a Postgres cluster,
// by any of its DNS names or addresses, or a Service in front of the same pods as another endpoint.
//
// Two names of one server must not have two budgets. What cannot be seen from objects (two DNS names of one machine
// outside) is found by asking the server, see same-server.ts.

import type { RawObject, Role } from '../../postgres/adapter.ts';
import { asList, asMap, asText, asTexts } from '../../postgres/raw.ts';

/** A name inside of the cluster: of a Service, or of one pod of a headless one. */
export interface ClusterName {
  readonly namespace: string;
  readonly service: string;
  /** Hostname of the pod, where the name is that of a pod. */
  readonly pod?: string;
}

/** Where a host leads to as far as objects say. */
export interface Route {
  /** The names that were passed through, the first one included. */
  readonly names: readonly ClusterName[];
  /** Labels of the pods behind the Service at the end, and their namespace; absent where none selects pods. */
  readonly pods?: {
    readonly namespace: string;
    readonly selector: Readonly<Record<string, string>>;
  };
}

/** Finds Services; both may answer undefined for what is not watched. */
export interface ServiceLookup {
  readonly byName: (namespace: string, name: string) => RawObject | undefined;
  readonly byAddress: (address: string) => RawObject | undefined;
}

/** A chain of ExternalNames longer than that leads nowhere. */
const MOST_HOPS = 4;

/**
 * The Service that a host names: `db` (from a pod of `namespace`), `db.shop`, `db.shop.svc`, `db.shop.svc.cluster.local`,
 * and the same with a pod in front. Undefined for what can only be outside. A name with a dot may be both; then whether
 * there is such a Service decides, which is for the caller to ask.
 */
export function clusterNames(
  host: string,
  namespace: string,
  clusterDomain: string,
): readonly ClusterName[] {
  const plain = plainOf(host);
  const suffix = suffixOf(plain, clusterDomain);
  if (suffix !== undefined) return named(plain.slice(0, -suffix.length).split('.'));
  const labels = plain.split('.');
  if (!labels.every((label) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(label))) return [];
  if (labels.length === 1) return [{ namespace, service: plain }];
  // Resolvers try the search domains first for names with few dots: "db.shop" is "db.shop.svc" where there is one.
  return labels.length <= 3 ? named(labels) : [];
}

/** The name cannot be one outside of the cluster. */
function isInside(host: string, clusterDomain: string): boolean {
  return suffixOf(plainOf(host), clusterDomain) !== undefined;
}

function plainOf(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

function suffixOf(plain: string, clusterDomain: string): string | undefined {
  return [`.svc.${plainOf(clusterDomain)}`, '.svc'].find((suffix) => plain.endsWith(suffix));
}

function named(labels: readonly string[]): readonly ClusterName[] {
  const [first = '', second = '', third, ...more] = labels;
  if (labels.length === 2) return [{ service: first, namespace: second }];
  if (third === undefined || more.length > 0) return [];
  return [{ pod: first, service: second, namespace: third }];
}

/** Follows a host through Services. Undefined: no object says anything about it. */
export function routeOf(
  host: string,
  namespace: string,
  clusterDomain: string,
  services: ServiceLookup,
): Route | undefined {
  const names: ClusterName[] = [];
  let next = host;
  for (let hop = 0; hop < MOST_HOPS; hop++) {
    const [name] = clusterNames(next, namespace, clusterDomain);
    const service =
      name === undefined ? services.byAddress(next) : services.byName(name.namespace, name.service);
    // A name that could be one outside as well counts where there is such a Service.
    if (name !== undefined && (service !== undefined || isInside(next, clusterDomain))) {
      names.push(name);
    }
    if (service === undefined) break;
    const { name: serviceName = '', namespace: home = '' } = service.metadata ?? {};
    if (name === undefined) names.push({ namespace: home, service: serviceName });
    const spec = asMap(service.spec);
    const external = asText(spec.externalName);
    if (asText(spec.type) === 'ExternalName' && external !== undefined) {
      next = external;
      continue;
    }
    const selector = asTexts(spec.selector);
    if (Object.keys(selector).length === 0) break;
    return { names, pods: { namespace: home, selector } };
  }
  return names.length === 0 ? undefined : { names };
}

/** What is known of one role of a Postgres cluster that an object stands for. */
export interface KnownServer {
  readonly role: Role;
  readonly namespace: string;
  /** As the adapter says: one name, or several with commas. */
  readonly host: string;
  readonly podSelector?: Readonly<Record<string, string>>;
}

/** A label's value that only replicas have, with every operator that is known. */
const replicaValue = /^(replica|standby|secondary|ro|read-only)$/i;

/** The first of `servers` that the route leads to; those of which the very name is used come first. */
export function serverAt<T extends KnownServer>(
  route: Route,
  clusterDomain: string,
  servers: readonly T[],
): { readonly server: T; readonly how: 'name' | 'selector' } | undefined {
  const keys = new Set(route.names.map(keyOf));
  const byName = servers.find((server) =>
    server.host
      .split(',')
      .some((host) =>
        clusterNames(host, server.namespace, clusterDomain).some((name) => keys.has(keyOf(name))),
      ),
  );
  if (byName !== undefined) return { server: byName, how: 'name' };
  const { pods } = route;
  if (pods === undefined) return undefined;
  const [pod] = route.names.map((name) => name.pod).filter((name) => name !== undefined);
  const role: Role = Object.values(pods.selector).some((value) => replicaValue.test(value))
    ? 'replicas'
    : 'primary';
  const behind = servers.filter(
    ({ namespace, podSelector }) =>
      podSelector !== undefined &&
      Object.keys(podSelector).length > 0 &&
      namespace === pods.namespace &&
      Object.entries(podSelector).every(([key, value]) => pods.selector[key] === value),
  );
  // A Service of all instances, or of one pod of which nobody says what it is, may lead to the primary: counted there.
  const server =
    behind.find((one) => one.role === role && pod === undefined) ??
    behind.find((one) => one.role === 'primary') ??
    behind[0];
  return server === undefined ? undefined : { server, how: 'selector' };
}

/** By which two endpoints are known to lead to the same pods. */
export function routeKeys(route: Route): readonly string[] {
  const { pods } = route;
  const names = route.names.map((name) => `name ${keyOf(name)}`);
  if (pods === undefined) return names;
  const labels = Object.entries(pods.selector).sort(([a], [b]) => (a < b ? -1 : 1));
  return [...names, `pods ${pods.namespace} ${JSON.stringify(labels)}`];
}

/** Cluster addresses of a Service, for an index. */
export function addressesOf(service: RawObject): readonly string[] {
  const spec = asMap(service.spec);
  const all = [asText(spec.clusterIP), ...asList(spec.clusterIPs).map(asText)];
  return [
    ...new Set(all.filter((ip) => ip !== undefined && ip !== '' && ip !== 'None')),
  ] as string[];
}

function keyOf({ namespace, service, pod }: ClusterName): string {
  return `${pod ?? ''}.${service}.${namespace}`;
}
