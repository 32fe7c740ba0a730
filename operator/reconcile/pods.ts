// What a pool's pods look like to a user: how many, how many serve, and what keeps one from starting.
import { isOver } from '../core/pool/read.ts';
import type { Fault, RawObject } from '../postgres/adapter.ts';

export interface PodFacts {
  readonly existing: number;
  readonly ready: number;
  readonly fault?: Fault;
}

interface PodStatus {
  readonly phase?: string;
  readonly conditions?: readonly {
    type: string;
    status: string;
    reason?: string;
    message?: string;
  }[];
  readonly containerStatuses?: readonly {
    state?: { waiting?: { reason?: string; message?: string } };
  }[];
}

/** Reasons of a waiting container that do not pass by themselves soon, with what to look at. */
const stuck: Readonly<Record<string, string>> = {
  ErrImagePull: 'the image cannot be pulled: check spec.pooler.image and imagePullSecrets',
  ImagePullBackOff: 'the image cannot be pulled: check spec.pooler.image and imagePullSecrets',
  ErrImageNeverPull: 'the image is not on the node, and imagePullPolicy is Never',
  InvalidImageName: 'the name of the image is not valid: check spec.pooler.image',
  CrashLoopBackOff:
    'the pooler ends as soon as it starts: see its log, and check that spec.pooler.image has PgBouncer 1.25.2 or newer',
  CreateContainerConfigError:
    'the container cannot be made: a Secret or ConfigMap that it needs is missing',
  CreateContainerError: 'the container cannot be made: see the events of the pod',
  RunContainerError:
    'the container cannot be started: check that the image has pgbouncer in its PATH',
};

export function podFacts(pods: readonly RawObject[]): PodFacts {
  let ready = 0;
  let fault: Fault | undefined;
  for (const pod of [...pods].sort(byName)) {
    const status = (pod.status ?? {}) as PodStatus;
    const leaving = pod.metadata?.deletionTimestamp !== undefined;
    if (!leaving && isTrue(status, 'Ready')) ready += 1;
    else if (!leaving) fault ??= faultOf(pod.metadata?.name ?? '', status);
  }
  // One that was evicted stays as an object until somebody deletes it.
  const existing = pods.filter((pod) => !isOver(pod)).length;
  return { existing, ready, ...(fault === undefined ? {} : { fault }) };
}

function faultOf(pod: string, status: PodStatus): Fault | undefined {
  for (const { state } of status.containerStatuses ?? []) {
    const reason = state?.waiting?.reason;
    const meaning = reason === undefined ? undefined : stuck[reason];
    if (reason !== undefined && meaning !== undefined) {
      return { reason, message: `Pod ${pod}: ${meaning}` };
    }
  }
  const unscheduled = status.conditions?.find(
    (c) => c.type === 'PodScheduled' && c.status === 'False',
  );
  if (unscheduled === undefined) return undefined;
  return {
    reason: unscheduled.reason ?? 'Unschedulable',
    message: `Pod ${pod} finds no node: ${unscheduled.message ?? 'see its events'}`,
  };
}

export function isReady(pod: RawObject): boolean {
  return isTrue((pod.status ?? {}) as PodStatus, 'Ready');
}

function isTrue(status: PodStatus, type: string): boolean {
  return status.conditions?.some((c) => c.type === type && c.status === 'True') === true;
}

function byName(a: RawObject, b: RawObject): number {
  return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
}
