// What every Kubernetes object has in common, and where the API server keeps each type.

/** Who an object belongs to; the garbage collector follows this, by uid. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: OwnerReference[];
  finalizers?: string[];
  managedFields?: unknown[];
}

/**
 * One object as raw JSON: nothing is converted, no field is unknown, times stay strings. What comes
 * out of a store is shared by all who read it and must not be changed in place.
 */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [key: string]: unknown;
}

/** One type of object: `plural` is its name in a path, `group` is '' for the core group. */
export interface ResourceType {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Lists and watches bring the metadata of its objects and nothing else. */
  readonly metadataOnly?: boolean;
}

/** The name of one object; `namespace` is left out (or '') for types without one. */
export interface ObjectRef {
  readonly namespace?: string | undefined;
  readonly name: string;
}

export const configMaps = type('', 'v1', 'configmaps', 'ConfigMap');
export const secrets = type('', 'v1', 'secrets', 'Secret');
export const services = type('', 'v1', 'services', 'Service');
export const serviceAccounts = type('', 'v1', 'serviceaccounts', 'ServiceAccount');
export const pods = type('', 'v1', 'pods', 'Pod');
export const nodes = type('', 'v1', 'nodes', 'Node', false);
export const namespaces = type('', 'v1', 'namespaces', 'Namespace', false);
export const events = type('', 'v1', 'events', 'Event');
export const statefulSets = type('apps', 'v1', 'statefulsets', 'StatefulSet');
export const deployments = type('apps', 'v1', 'deployments', 'Deployment');
export const daemonSets = type('apps', 'v1', 'daemonsets', 'DaemonSet');
export const cronJobs = type('batch', 'v1', 'cronjobs', 'CronJob');
export const podDisruptionBudgets = type(
  'policy',
  'v1',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
);
export const horizontalPodAutoscalers = type(
  'autoscaling',
  'v2',
  'horizontalpodautoscalers',
  'HorizontalPodAutoscaler',
);
export const networkPolicies = type('networking.k8s.io', 'v1', 'networkpolicies', 'NetworkPolicy');
export const leases = type('coordination.k8s.io', 'v1', 'leases', 'Lease');
export const customResourceDefinitions = type(
  'apiextensions.k8s.io',
  'v1',
  'customresourcedefinitions',
  'CustomResourceDefinition',
  false,
);

function type(
  group: string,
  version: string,
  plural: string,
  kind: string,
  namespaced = true,
): ResourceType {
  return { group, version, plural, kind, namespaced };
}

/** `apps/v1`, or `v1` for the core group: what `apiVersion` says in objects of this type. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}

/** `statefulsets.apps`, or `pods` for the core group: the name a person knows the type by. */
export function resourceName(type: ResourceType): string {
  return type.group === '' ? type.plural : `${type.plural}.${type.group}`;
}

/**
 * The path of a collection (all namespaces when `namespace` is left out), of one object, or of its
 * subresource. Throws where an object of a namespaced type is named without its namespace, because
 * the path would silently mean something else.
 */
export function pathOf(
  type: ResourceType,
  namespace?: string | undefined,
  name?: string | undefined,
  subresource?: string | undefined,
): string {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`;
  if (type.namespaced && name !== undefined && (namespace ?? '') === '') {
    throw new Error(`${type.kind} ${name}: metadata.namespace is missing; ${type.plural} have one`);
  }
  if (name === '') throw new Error(`${type.kind}: metadata.name is empty`);
  let path = root;
  if (type.namespaced && namespace !== undefined && namespace !== '') {
    path += `/namespaces/${encodeURIComponent(namespace)}`;
  }
  path += `/${type.plural}`;
  if (name !== undefined) path += `/${encodeURIComponent(name)}`;
  if (subresource !== undefined) path += `/${subresource}`;
  return path;
}

/** The key of an object in a store and a queue: `namespace/name`, or `name` without a namespace. */
export function keyOf(ref: ObjectRef): string {
  return ref.namespace === undefined || ref.namespace === ''
    ? ref.name
    : `${ref.namespace}/${ref.name}`;
}

/** The inverse of `keyOf`. */
export function refOf(key: string): ObjectRef {
  const slash = key.indexOf('/');
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/**
 * Which of two resourceVersions is newer: negative, 0 or positive as in a sort; undefined where they
 * cannot be compared. Kubernetes promises (KEP-5504) that they are decimal integers, ordered within
 * one resource; anything else is treated as opaque.
 */
export function compareResourceVersions(
  a: string | undefined,
  b: string | undefined,
): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return 0;
  if (!/^[1-9][0-9]*$/.test(a) || !/^[1-9][0-9]*$/.test(b)) return undefined;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}
