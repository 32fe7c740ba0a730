// What a store keeps of an object that is counted: who it is, and the fields that `countWorkloads` reads. Every
// Deployment of a cluster may pass here, whether a pool names it or not.
import type { RawObject } from '../../postgres/adapter.ts';
import { at } from '../../postgres/raw.ts';
import type { ClientKind } from './count.ts';

const read: Readonly<Record<ClientKind, readonly (readonly string[])[]>> = {
  Deployment: [
    ['spec', 'replicas'],
    ['spec', 'strategy'],
  ],
  StatefulSet: [['spec', 'replicas']],
  DaemonSet: [
    ['spec', 'updateStrategy'],
    ['status', 'desiredNumberScheduled'],
  ],
  CronJob: [
    ['spec', 'concurrencyPolicy'],
    ['spec', 'jobTemplate', 'spec', 'parallelism'],
    ['spec', 'jobTemplate', 'spec', 'completions'],
  ],
  HorizontalPodAutoscaler: [
    ['spec', 'scaleTargetRef'],
    ['spec', 'maxReplicas'],
  ],
};

/** The fields of an object that are counted, as one text: what changes beside them is no news. */
export function countedText(kind: ClientKind, object: RawObject | undefined): string {
  if (object === undefined) return '';
  const labels = Object.entries(object.metadata?.labels ?? {}).sort();
  return JSON.stringify([labels, ...read[kind].map((path) => at(object, ...path) ?? null)]);
}

export function keepCounted(kind: ClientKind, object: RawObject): RawObject {
  const { name, namespace, uid, resourceVersion, labels } = object.metadata ?? {};
  const said = { name, namespace, uid, resourceVersion, labels };
  const kept: Record<string, unknown> = {
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)),
  };
  for (const path of read[kind]) {
    const value = at(object, ...path);
    if (value !== undefined) put(kept, path, value);
  }
  return kept;
}

function put(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  if (rest.length === 0) {
    target[key] = value;
    return;
  }
  const inner = (target[key] ?? {}) as Record<string, unknown>;
  target[key] = inner;
  put(inner, rest, value);
}
