// The pods of a Postgres cluster as adapters read them: which of them is the primary.
import type { PodKind, RawObject } from './adapter.ts';
import { asCount, asList, asMap, asText, at } from './raw.ts';

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
