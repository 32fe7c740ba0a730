// What the stores keep of each object: only what is read, because thousands of them are held in memory, and no content
// of a Secret that is neither ours nor referred to by a pool.
import {
  EPOCH_ANNOTATION,
  MANAGED_BY_LABEL,
  POOL_KIND,
  POOL_LABEL,
  POOL_UID_LABEL,
  TEMPLATE_ANNOTATION,
} from '../core/pool/labels.ts';
import type { KubeObject, ObjectMeta, OwnerReference } from '../kube/types.ts';

/** Everything of an object that only the writer reads, as a text; null when it has read it. */
const REST = Symbol('rest');

interface Kept extends KubeObject {
  [REST]?: string | null;
}

/**
 * Of an object of ours: whose it is, its version and its data. The rest is compared once with what it should be; until
 * then it waits as a text, which takes a fifth of the memory. What we have just written need not be compared.
 */
export function trimOwned(object: KubeObject, ours: boolean): KubeObject {
  const { apiVersion, kind, metadata, status: _s, data, ...more } = object;
  const { labels, annotations, ownerReferences } = metadata;
  const kept: Kept = {
    apiVersion: shared(apiVersion),
    kind: shared(kind),
    metadata: keptMetadata(metadata),
    [REST]: ours
      ? null
      : JSON.stringify({ metadata: { labels, annotations, ownerReferences }, ...more }),
  };
  if (data !== undefined) kept.data = data;
  return kept;
}

/** The object as it was read; undefined when its rest was compared before and forgotten. */
export function wholeOf(object: KubeObject): KubeObject | undefined {
  const rest = (object as Kept)[REST];
  if (rest === undefined) return object;
  if (rest === null) return undefined;
  const { metadata, ...more } = JSON.parse(rest) as KubeObject;
  return { ...object, ...more, metadata: { ...object.metadata, ...metadata } };
}

export function forgetRest(object: KubeObject): void {
  if ((object as Kept)[REST] !== undefined) (object as Kept)[REST] = null;
}

function keptMetadata(metadata: ObjectMeta): ObjectMeta {
  const { name, namespace, uid, resourceVersion, generation, deletionTimestamp } = metadata;
  const { labels, annotations, ownerReferences } = metadata;
  const epoch = annotations?.[EPOCH_ANNOTATION];
  return {
    name,
    ...(namespace === undefined ? {} : { namespace: shared(namespace) }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(generation === undefined ? {} : { generation }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(labels === undefined ? {} : { labels: ourLabels(labels) }),
    ...(epoch === undefined ? {} : { annotations: { [EPOCH_ANNOTATION]: epoch } }),
    ...(ownerReferences === undefined ? {} : { ownerReferences: controllers(ownerReferences) }),
  };
}

function ourLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const key of [MANAGED_BY_LABEL, POOL_LABEL, POOL_UID_LABEL]) {
    const value = labels[key];
    if (value !== undefined) kept[key] = shared(value);
  }
  return kept;
}

function controllers(owners: readonly OwnerReference[]): OwnerReference[] {
  return owners
    .filter((owner) => owner.controller === true)
    .map(({ apiVersion, kind, name, uid }) => ({
      apiVersion: shared(apiVersion),
      kind: shared(kind),
      name: shared(name),
      uid: shared(uid),
      controller: true,
    }));
}

/** Strings that are in many objects, once. */
const strings = new Map<string, string>();
const MAX_STRINGS = 20_000;
const MAX_SHARED_LENGTH = 128;

function shared(text: string): string {
  const known = strings.get(text);
  if (known !== undefined) return known;
  if (text.length <= MAX_SHARED_LENGTH) {
    if (strings.size >= MAX_STRINGS) strings.clear();
    strings.set(text, text);
  }
  return text;
}

/** Of a pool everything is read; but its conditions, and the sources of its sizes, say the same in every pool. */
export function trimPool(object: KubeObject): KubeObject {
  delete object.metadata.managedFields;
  const { conditions = [], sizing } = (object.status ?? {}) as {
    conditions?: Record<string, unknown>[];
    sizing?: { sources?: Record<string, unknown>[] };
  };
  for (const said of [...conditions, ...(sizing?.sources ?? [])]) {
    for (const [key, value] of Object.entries(said)) {
      if (typeof value === 'string') said[key] = shared(value);
    }
  }
  return object;
}

/** Of a Secret that is not ours: that it is there, in which version, and its data only where a pool refers to it. */
export function trimSecret(object: KubeObject, ours: boolean, referred: boolean): KubeObject {
  if (object.metadata.labels?.[MANAGED_BY_LABEL] === 'spillway') return trimOwned(object, ours);
  const { name, namespace, uid, resourceVersion } = object.metadata;
  const kept: KubeObject = {
    apiVersion: shared(object.apiVersion),
    kind: shared(object.kind),
    metadata: prune({
      name,
      namespace: namespace === undefined ? undefined : shared(namespace),
      uid,
      resourceVersion,
    }),
  };
  if (referred) kept.data = object.data ?? {};
  return kept;
}

/** One of ours; or any other, of which it is kept where it leads to. */
export function trimService(object: KubeObject, ours: boolean): KubeObject {
  // By its owner too: somebody may have taken the label away.
  if (
    object.metadata.labels?.[MANAGED_BY_LABEL] === 'spillway' ||
    object.metadata.ownerReferences?.some((owner) => owner.kind === POOL_KIND) === true
  ) {
    return trimOwned(object, ours);
  }
  const { name, namespace, uid, resourceVersion } = object.metadata;
  const { type, clusterIP, clusterIPs, externalName, selector } = (object.spec ?? {}) as {
    type?: string;
    clusterIP?: string;
    clusterIPs?: readonly string[];
    externalName?: string;
    selector?: Readonly<Record<string, string>>;
  };
  const spec = { type: shared(type ?? ''), clusterIP, clusterIPs, externalName, selector };
  return {
    apiVersion: shared(object.apiVersion),
    kind: shared(object.kind),
    metadata: prune({
      name,
      namespace: namespace === undefined ? undefined : shared(namespace),
      uid,
      resourceVersion,
    }),
    spec: Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined)),
  };
}

/** One of ours, or a Postgres, which is read whole. */
export function trimStatefulSet(object: KubeObject, ours: boolean): KubeObject {
  if (object.metadata.labels?.[MANAGED_BY_LABEL] !== 'spillway') {
    delete object.metadata.managedFields;
    return object;
  }
  const spec = object.spec as
    | { replicas?: number; template?: { spec?: { containers?: { args?: string[] }[] } } }
    | undefined;
  const { observedGeneration } = (object.status ?? {}) as { observedGeneration?: number };
  const containers = (spec?.template?.spec?.containers ?? []).map(({ args }) =>
    args === undefined ? {} : { args },
  );
  const kept = trimOwned(object, ours);
  kept.spec = {
    ...(spec?.replicas === undefined ? {} : { replicas: spec.replicas }),
    template: { spec: { containers } },
  };
  kept.status = observedGeneration === undefined ? {} : { observedGeneration };
  return kept;
}

/** One of ours: others are not watched for what they are. */
export function trimDeployment(object: KubeObject, ours: boolean): KubeObject {
  const { replicas, paused, template } = (object.spec ?? {}) as {
    replicas?: number;
    paused?: boolean;
    template?: { metadata?: { annotations?: Record<string, string> } };
  };
  const { observedGeneration } = (object.status ?? {}) as { observedGeneration?: number };
  const mark = template?.metadata?.annotations?.[TEMPLATE_ANNOTATION];
  const kept = trimOwned(object, ours);
  kept.spec = {
    ...(replicas === undefined ? {} : { replicas }),
    ...(paused === undefined ? {} : { paused }),
    ...(mark === undefined
      ? {}
      : { template: { metadata: { annotations: { [TEMPLATE_ANNOTATION]: mark } } } }),
  };
  kept.status = observedGeneration === undefined ? {} : { observedGeneration };
  return kept;
}

export function trimPod(object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, labels, annotations, deletionTimestamp } =
    object.metadata;
  const { deletionGracePeriodSeconds } = object.metadata;
  const spec = object.spec as { containers?: { name: string; args?: string[] }[] } | undefined;
  const status = object.status as
    | {
        phase?: string;
        podIP?: string;
        conditions?: { type: string; status: string; reason?: string; message?: string }[];
        containerStatuses?: {
          name: string;
          ready?: boolean;
          state?: object;
          restartCount?: number;
        }[];
      }
    | undefined;
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: prune({
      name,
      namespace,
      uid,
      resourceVersion,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
      ...(deletionGracePeriodSeconds === undefined ? {} : { deletionGracePeriodSeconds }),
    }),
    spec: {
      containers: (spec?.containers ?? []).map(({ name: container, args }) => ({
        name: container,
        ...(args === undefined ? {} : { args }),
      })),
    },
    status: {
      phase: status?.phase,
      podIP: status?.podIP,
      conditions: (status?.conditions ?? []).map(({ type, status: value, reason, message }) => ({
        type,
        status: value,
        reason,
        message,
      })),
      containerStatuses: (status?.containerStatuses ?? []).map((c) => ({
        name: c.name,
        ready: c.ready,
        state: c.state,
        restartCount: c.restartCount,
      })),
    },
  };
}

/** The uid of the pool that an object was made for; '' when it is not ours. */
export function poolUidOf(object: KubeObject): string {
  return object.metadata.labels?.[POOL_UID_LABEL] ?? '';
}

function prune(metadata: {
  name: string;
  namespace: string | undefined;
  uid: string | undefined;
  resourceVersion: string | undefined;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  deletionTimestamp?: string;
}): ObjectMeta {
  return Object.fromEntries(
    Object.entries(metadata).filter(([, value]) => value !== undefined),
  ) as unknown as ObjectMeta;
}
