// From raw objects of a pool with a Deployment to the ledger's picture of its one holder. Total, as read.ts.
import type { CapAxis, Engine } from '../../engines/engine.ts';
import type { RawObject } from '../../postgres/adapter.ts';
import type { SharedReading } from '../ledger/bounded.ts';
import type { HolderState, WorkloadState } from '../ledger/state.ts';
import { EPOCH_ANNOTATION, TEMPLATE_ANNOTATION } from './labels.ts';
import { parseNumber, sharedHolder } from './names.ts';
import {
  isOver,
  observationOf,
  type PoolObjects,
  podAddress,
  readFileEpoch,
  readFiles,
  readHolders,
  readWorkload,
} from './read.ts';

/** `live` as in `PoolState`. */
export function readShared(
  objects: PoolObjects,
  axis: CapAxis,
  engine: Engine,
  live: boolean,
): SharedReading {
  const name = sharedHolder(objects.name);
  const grant = objects.grants.find(({ holder }) => holder === name);
  const file = readFiles(objects, engine).get(name);
  const workload = readDeployment(objects.deployment);
  const pods = objects.pods.flatMap((pod): HolderState[] => {
    const { name: podName, uid, deletionTimestamp } = pod.metadata ?? {};
    if (podName === undefined || uid === undefined || isOver(pod)) return [];
    const record = objects.consoles.get(uid);
    const observation = observationOf(record, axis, engine, objects.userList);
    return [
      {
        name: podName,
        ordinal: 0,
        process: 0,
        ...(file === undefined ? {} : { file }),
        pod: { uid, terminating: deletionTimestamp !== undefined, epoch: 0, processes: 1 },
        ...(observation === undefined ? {} : { observation }),
        asked: record !== undefined || podAddress(pod) === undefined,
      },
    ];
  });
  return {
    ...(grant === undefined ? {} : { grant }),
    ...(file === undefined ? {} : { file }),
    pods,
    ...(workload === undefined ? {} : { workload }),
    fileEpoch: readFileEpoch(objects),
    live,
  };
}

/** Its epoch is the ticket that it records: the path of the file has none that moves. */
export function readDeployment(
  deployment: RawObject | undefined,
): (WorkloadState & { readonly paused: boolean }) | undefined {
  if (deployment === undefined) return undefined;
  const spec = deployment.spec as { replicas?: number; paused?: boolean } | undefined;
  const status = deployment.status as { observedGeneration?: number } | undefined;
  return {
    replicas: spec?.replicas ?? 1,
    processes: 1,
    epoch: parseNumber(deployment.metadata?.annotations?.[EPOCH_ANNOTATION] ?? '') ?? 0,
    seen: (status?.observedGeneration ?? 0) >= Number(deployment.metadata?.generation ?? 0),
    paused: spec?.paused === true,
  };
}

/** How far a Deployment is with its template. */
export interface Rollout {
  readonly paused: boolean;
  /** Mark of the template; see `TEMPLATE_ANNOTATION`. */
  readonly template: string | undefined;
}

export function readRollout(deployment: RawObject | undefined): Rollout | undefined {
  if (deployment === undefined) return undefined;
  const spec = deployment.spec as
    | { paused?: boolean; template?: { metadata?: { annotations?: Record<string, string> } } }
    | undefined;
  return {
    paused: spec?.paused === true,
    template: spec?.template?.metadata?.annotations?.[TEMPLATE_ANNOTATION],
  };
}

/** What runs of a pool, each process as the holder of the file that it reads; and holders of which nothing runs. */
export function readProcesses(objects: PoolObjects, axis: CapAxis, engine: Engine): HolderState[] {
  return objects.workload === 'Deployment'
    ? [...readShared(objects, axis, engine, false).pods]
    : readHolders(objects, axis, engine);
}

/** The workload of a pool, whichever it is. */
export function workloadOf({ statefulSet, deployment }: PoolObjects): WorkloadState | undefined {
  return readWorkload(statefulSet) ?? readDeployment(deployment);
}
