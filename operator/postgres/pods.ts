// The pods of a Postgres cluster as adapters read them: which of them is the primary, and how many cores their nodes have.
import type {
  AdapterContext,
  ObjectKind,
  PodKind,
  PostgresRef,
  RawObject,
  ServerFacts,
  Sourced,
} from './adapter.ts';
import { asCount, asList, asMap, asMilliCores, asText, at } from './raw.ts';

/** Pods of clusters are read for the kinds that say how they are known (`PostgresAdapter.pods`). */
export const podKind: ObjectKind = { apiGroup: '', kind: 'Pod', version: 'v1', plural: 'pods' };

/** In no namespace. What its kubelet reports of it all the time is not kept. */
export const nodeKind: ObjectKind = {
  apiGroup: '',
  kind: 'Node',
  version: 'v1',
  plural: 'nodes',
  reads: [['status', 'allocatable', 'cpu']],
};

/** Patroni says `master` of the leader before its version 4, and `primary` since; operators set either. */
const LEADER: readonly unknown[] = ['master', 'primary'];
/** Patroni writes down here, as JSON, what each member says of itself. */
const MEMBER = 'status';

/** The cluster of a pod is in one of its labels; `and` are labels that it has besides. */
export function clusterLabel(
  label: string,
  and: Readonly<Record<string, string>>,
): Pick<PodKind, 'selector' | 'labels' | 'clusterOf'> {
  const more = Object.entries(and);
  return {
    selector: [label, ...more.map(([name, value]) => `${name}=${value}`)].join(','),
    labels: [label, ...Object.keys(and)],
    clusterOf: ({ metadata }) =>
      more.every(([name, value]) => at(metadata, 'labels', name) === value)
        ? asText(at(metadata, 'labels', label))
        : undefined,
  };
}

/**
 * The pod that Patroni's role label calls the leader. A node that is lost leaves the label on its pod when another one
 * has been promoted; each promotion begins a new timeline, so of several the one with the highest is it.
 */
export function leaderOf(pods: readonly RawObject[], roleLabel: string): string | undefined {
  const leaders = pods
    .filter((pod) => isLeader(pod, roleLabel))
    .map((pod) => ({ name: asText(pod.metadata?.name) ?? '', timeline: timelineOf(pod) ?? 0 }))
    .sort((a, b) => b.timeline - a.timeline || (a.name < b.name ? -1 : 1));
  return asText(leaders[0]?.name);
}

type Cores = Pick<ServerFacts, 'milliCores' | 'coresUnknown'>;

/**
 * The cores that the cluster's object says; else, as Postgres may use all that its node has, those of the smallest node
 * that an instance of it runs on, since any of them may become the primary.
 */
export function coresOr(
  said: Sourced<number> | undefined,
  context: AdapterContext,
  cluster: PostgresRef,
): Cores {
  return said === undefined ? coresOfNodes(context, cluster) : { milliCores: said };
}

/** What a kubelet leaves to pods (`status.allocatable.cpu`) on the smallest of the nodes. */
export function coresOfNodes({ lookup, pods }: AdapterContext, cluster: PostgresRef): Cores {
  const nodes = [...new Set((pods?.(cluster) ?? []).map(nodeOf))]
    .filter((name) => name !== undefined)
    .sort();
  if (nodes.length === 0) return { coresUnknown: `${NOTHING_SAID}, and no pod of it has a node` };
  let least: Sourced<number> | undefined;
  for (const name of nodes) {
    const node = lookup({ apiGroup: '', kind: nodeKind.kind, namespace: '', name });
    const value = asMilliCores(at(node?.status, 'allocatable', 'cpu'));
    if (value === undefined || (least !== undefined && least.value <= value)) continue;
    least = { value, source: `allocatable cpu of node ${name}` };
  }
  if (least !== undefined) return { milliCores: least };
  return {
    coresUnknown: `${NOTHING_SAID}, and its node ${nodes[0]} cannot be read (an operator for some namespaces may read none)`,
  };
}

const NOTHING_SAID = 'Postgres has neither a cpu limit nor a cpu request';

/** The node that a pod has been given; undefined for one that waits. */
export function nodeOf(pod: RawObject): string | undefined {
  return asText(at(pod.spec, 'nodeName'));
}

/** What a store keeps of a pod: who it is, whose, its role, and the node that it runs on. */
export function keepPod({ labels, roleLabel }: PodKind, pod: RawObject): RawObject {
  const { name, namespace, uid, resourceVersion } = pod.metadata ?? {};
  const kept: Record<string, string> = {};
  for (const label of roleLabel === undefined ? labels : [...labels, roleLabel]) {
    const value = asText(at(pod.metadata, 'labels', label));
    if (value !== undefined) kept[label] = value;
  }
  const controller = asList(at(pod.metadata, 'ownerReferences')).find(
    (owner) => at(owner, 'controller') === true,
  );
  const owner = { kind: at(controller, 'kind'), name: at(controller, 'name'), controller: true };
  const timeline =
    roleLabel !== undefined && isLeader(pod, roleLabel) ? timelineOf(pod) : undefined;
  const said = { name, namespace, uid, resourceVersion };
  const node = nodeOf(pod);
  return {
    ...(pod.apiVersion === undefined ? {} : { apiVersion: pod.apiVersion }),
    ...(pod.kind === undefined ? {} : { kind: pod.kind }),
    metadata: {
      ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)),
      labels: kept,
      ...(controller === undefined ? {} : { ownerReferences: [owner] }),
      ...(timeline === undefined
        ? {}
        : { annotations: { [MEMBER]: JSON.stringify({ timeline }) } }),
    },
    ...(node === undefined ? {} : { spec: { nodeName: node } }),
  };
}

function isLeader(pod: RawObject, roleLabel: string): boolean {
  return LEADER.includes(at(pod.metadata, 'labels', roleLabel));
}

function timelineOf(pod: RawObject): number | undefined {
  try {
    return asCount(
      asMap(JSON.parse(asText(at(pod.metadata, 'annotations', MEMBER)) ?? '')).timeline,
    );
  } catch {
    return undefined;
  }
}
