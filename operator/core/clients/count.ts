// How many pods of the applications can connect: the workloads that a pool names, each with the most pods that
// it can have. Everything that is not known is said, because a number that is too small would look safe.
import type { Workload } from '../../api/connection-pool.ts';
import type { Fault, RawObject } from '../../postgres/adapter.ts';
import { asCount, asMap, asText, asTexts, at, type RawMap } from '../../postgres/raw.ts';

/** Kinds that are read; an autoscaler says how many pods a workload can get. */
export type ClientKind = Workload['kind'] | 'HorizontalPodAutoscaler';

/** The API group of each. */
export const CLIENT_GROUPS: ReadonlyMap<string, string> = new Map<ClientKind, string>([
  ['Deployment', 'apps'],
  ['StatefulSet', 'apps'],
  ['DaemonSet', 'apps'],
  ['CronJob', 'batch'],
  ['HorizontalPodAutoscaler', 'autoscaling'],
]);

/** All objects of a kind in a namespace: of a watch, or of files. */
export type ClientLookup = (kind: ClientKind, namespace: string) => readonly RawObject[];

/** One workload that was found. */
export interface Counted {
  readonly entry: Workload;
  readonly name: string;
  /** Most pods that it can have at the same time. */
  readonly pods: number;
  /** Where the number comes from, in words. */
  readonly source: string;
}

export interface Count {
  /** In the order of the spec; those of a selector by name. */
  readonly workloads: readonly Counted[];
  /** Workloads that are not there, or that nothing says the number of pods of. */
  readonly faults: readonly Fault[];
}

export function countWorkloads(
  entries: readonly Workload[],
  namespace: string,
  lookup: ClientLookup,
): Count {
  const workloads: Counted[] = [];
  const faults: Fault[] = [];
  for (const entry of entries) {
    const found = lookup(entry.kind, namespace)
      .filter((object) => isMeant(object, entry))
      .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    if (found.length === 0) faults.push(absent(entry, namespace));
    for (const object of found) {
      const counted = podsOf(object, entry, lookup('HorizontalPodAutoscaler', namespace));
      workloads.push({ entry, name: nameOf(object), ...counted });
      if (counted.pods === 0 && entry.kind === 'DaemonSet') {
        faults.push({
          reason: 'PodsNotKnown',
          message: `spec.clients.workloads: nothing says on how many nodes DaemonSet ${namespace}/${nameOf(object)} runs: set maxReplicas`,
        });
      }
    }
  }
  return { workloads, faults };
}

function absent(entry: Workload, namespace: string): Fault {
  const labels = Object.entries(entry.selector?.matchLabels ?? {}).map(([k, v]) => `${k}=${v}`);
  const what =
    entry.name === undefined
      ? `no ${entry.kind} in namespace ${namespace} with the labels ${labels.join(', ')}`
      : `no ${entry.kind} ${namespace}/${entry.name}`;
  return {
    reason: 'WorkloadDoesNotExist',
    message: `spec.clients.workloads: there is ${what}, so its connections are not counted: create it, or correct the entry`,
  };
}

function isMeant(object: RawObject, { name, selector }: Workload): boolean {
  if (name !== undefined) return nameOf(object) === name;
  const labels = asTexts(object.metadata?.labels);
  const wanted = Object.entries(selector?.matchLabels ?? {});
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}

function nameOf(object: RawObject): string {
  return asText(object.metadata?.name) ?? '';
}

type Pods = Pick<Counted, 'pods' | 'source'>;

function podsOf(object: RawObject, entry: Workload, scalers: readonly RawObject[]): Pods {
  const spec = asMap(object.spec);
  switch (entry.kind) {
    case 'Deployment': {
      const most = mostReplicas(object, entry, spec, scalers);
      return withSurge(most, at(spec, 'strategy', 'type'), at(spec, 'strategy'), '25%');
    }
    case 'StatefulSet':
      return mostReplicas(object, entry, spec, scalers);
    case 'DaemonSet': {
      const nodes = asCount(at(object.status, 'desiredNumberScheduled')) ?? 0;
      const most = larger({ pods: nodes, source: `${nodes} nodes` }, entry);
      return withSurge(most, at(spec, 'updateStrategy', 'type'), at(spec, 'updateStrategy'), 0);
    }
    case 'CronJob':
      return larger(podsOfJob(spec), entry);
  }
}

/** spec.replicas now; more where an autoscaler may ask for more. */
function mostReplicas(
  object: RawObject,
  entry: Workload,
  spec: RawMap,
  scalers: readonly RawObject[],
): Pods {
  const replicas = asCount(spec.replicas) ?? 1;
  const now = { pods: replicas, source: `spec.replicas ${replicas}` };
  if (entry.maxReplicas !== undefined) return larger(now, entry);
  const scaler = scalers.find((one) => {
    const { apiVersion, kind, name } = asMap(at(one.spec, 'scaleTargetRef'));
    const group = asText(apiVersion)?.split('/')[0] ?? 'apps';
    return kind === entry.kind && name === nameOf(object) && group === 'apps';
  });
  const max = asCount(at(scaler?.spec, 'maxReplicas')) ?? 0;
  if (scaler === undefined || max <= replicas) return now;
  return { pods: max, source: `maxReplicas ${max} of HorizontalPodAutoscaler ${nameOf(scaler)}` };
}

/** The user's number, unless there are more already. */
function larger(now: Pods, { maxReplicas }: Workload): Pods {
  if (maxReplicas === undefined || maxReplicas <= now.pods) return now;
  return { pods: maxReplicas, source: `maxReplicas ${maxReplicas} of the entry` };
}

/** While it rolls there are pods of both versions: Kubernetes' own maxSurge, which rounds percentages up. */
function withSurge(most: Pods, type: unknown, strategy: unknown, fallback: string | number): Pods {
  if (most.pods === 0 || (type !== undefined && type !== 'RollingUpdate')) return most;
  const given = at(strategy, 'rollingUpdate', 'maxSurge') ?? fallback;
  const percent = /^([0-9]{1,5})%$/.exec(String(given))?.[1];
  const surge =
    percent === undefined ? (asCount(given) ?? 0) : Math.ceil((most.pods * Number(percent)) / 100);
  if (surge === 0) return most;
  return {
    pods: most.pods + surge,
    source: `${most.source}, and ${surge} more while it rolls (maxSurge ${given})`,
  };
}

/** Of one run. Runs that overlap are more, and nothing bounds them. */
function podsOfJob(spec: RawMap): Pods {
  const job = asMap(at(spec, 'jobTemplate', 'spec'));
  const parallelism = asCount(job.parallelism) ?? 1;
  const pods = Math.min(parallelism, asCount(job.completions) ?? parallelism);
  const policy = asText(spec.concurrencyPolicy) ?? 'Allow';
  const overlap =
    policy === 'Allow'
      ? '; runs that overlap (concurrencyPolicy Allow) are not counted: set maxReplicas if they can'
      : '';
  return { pods, source: `parallelism ${pods} of one run${overlap}` };
}

/** Kinds that the entries need, and the autoscalers of those that can have one. */
export function kindsOf(entries: readonly Workload[]): readonly ClientKind[] {
  const kinds = new Set<ClientKind>(entries.map((entry) => entry.kind));
  if (kinds.has('Deployment') || kinds.has('StatefulSet')) kinds.add('HorizontalPodAutoscaler');
  return [...kinds].sort();
}
