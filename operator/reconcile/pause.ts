// What a pause means for the rest of a pool: its pods stay, and its status says how far it is.
import type { ConnectionPoolStatus } from '../api/connection-pool.ts';
import type { ConnectionPool } from '../api/resources.ts';
import { queryWaitTimeoutOf } from '../core/clients/plan.ts';
import type { Finding } from '../core/pool/findings.ts';
import { pauseEnd, pauseFinding, pauseStateOf, pauseStateOfPod } from '../core/pool/pause.ts';
import { type PoolObjects, recordsOf } from '../core/pool/read.ts';
import { workloadOf } from '../core/pool/read-shared.ts';
import { after, type Outcome } from '../runtime/controller.ts';
import type { Context } from './context.ts';

/** A timer may fire a little early; seconds. */
const MARGIN_SECONDS = 0.05;

/** Clients wait in the pods, and those of a pod that goes would be lost: no pod is taken away before the end. */
export function heldPods(pool: ConnectionPool, objects: PoolObjects): ConnectionPool {
  const running = workloadOf(objects)?.replicas ?? 0;
  if (running <= pool.spec.pooler.replicas) return pool;
  const pooler = { ...pool.spec.pooler, replicas: running };
  return { ...pool, spec: { ...pool.spec, pooler } };
}

export function pauseFindings(
  { consoles }: Context,
  pool: ConnectionPool,
  objects: PoolObjects | undefined,
  before: ConnectionPoolStatus,
): Finding[] {
  const pods = (objects?.pods ?? []).flatMap((pod) => {
    const { name = '', deletionTimestamp } = pod.metadata ?? {};
    if (deletionTimestamp !== undefined) return [];
    const states = recordsOf(consoles.records, pod).map((one) => pauseStateOf(one?.observation));
    return [{ name, state: pauseStateOfPod(states) }];
  });
  const finding = pauseFinding({
    pause: pool.spec.pause,
    now: Date.now(),
    pods,
    queryWaitTimeout: queryWaitTimeoutOf(pool.spec),
    previous: before.conditions?.find(({ type }) => type === 'Paused'),
  });
  return finding === undefined ? [] : [finding];
}

/** The outcome, or an earlier look when the pause ends before it. */
export function lookAtPauseEnd(pool: ConnectionPool, outcome: Outcome, seconds: number): Outcome {
  const left = (pauseEnd(pool.spec.pause) - Date.now()) / 1000 + MARGIN_SECONDS;
  return left > 0 && left < seconds ? after(left) : outcome;
}
