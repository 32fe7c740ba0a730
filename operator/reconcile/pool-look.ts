// One look at a pool: what there is of it, which pods and entries it is to have for now, and the plan of its ledger.

import type { AllotmentRecord } from '../api/connection-budget.ts';
import type { ConnectionPool } from '../api/resources.ts';
import { isShared } from '../api/workload.ts';
import { type DrainPod, podsMeanwhile } from '../core/drain/pods.ts';
import { drainPodOf } from '../core/drain/read-pod.ts';
import { takeAllotment } from '../core/ledger/allotments.ts';
import type { PoolLedgerPlan } from '../core/ledger/pool.ts';
import { planPool } from '../core/plan-pool.ts';
import type { PoolObjects } from '../core/pool/read.ts';
import { workloadOf } from '../core/pool/read-shared.ts';
import { mostPods } from '../core/sizing/most-pods.ts';
import type { CapAxis } from '../engines/engine.ts';
import { keyOf } from '../kube/types.ts';
import type { Run } from '../runtime/controller.ts';
import type { Context } from './context.ts';
import { allAsked } from './gather.ts';
import { type Leaving, leavingOf } from './leaving.ts';
import { readLive } from './live.ts';
import { heldPods } from './pause.ts';

export interface LookInput {
  readonly pool: ConnectionPool;
  readonly row: AllotmentRecord | undefined;
  readonly axis: CapAxis;
  /** Of the spec. */
  readonly entries: readonly string[];
  readonly paused: boolean;
}

export interface Look {
  readonly objects: PoolObjects;
  /** Pods that the pool is to have in the end, and those of the workload now. */
  readonly wantedPods: number;
  readonly replicas: number;
  readonly there: readonly DrainPod[];
  readonly leaving: Leaving;
  /** Those of the spec and those that leave, sorted. */
  readonly entries: readonly string[];
  readonly ledger: PoolLedgerPlan;
  /** After which to look again, because connections are then given in parts. */
  readonly seconds?: number;
}

/**
 * From the caches; and where these do not do, from the API server, for the version of the pool that `input` has. A pool
 * that is as it is to be, or waits for somebody, costs no request.
 */
export async function lookAt(
  context: Context,
  input: LookInput,
  cached: PoolObjects,
  run: Run,
): Promise<Look> {
  const look = lookWith(context, input, cached, false);
  if (!look.ledger.readLive) return look;
  return lookWith(context, input, await readLive(context, input.pool, run), true);
}

function lookWith(context: Context, input: LookInput, objects: PoolObjects, live: boolean): Look {
  const { pool, row, axis, paused } = input;
  const kept = paused ? heldPods(pool, objects) : pool;
  const wantedPods = kept.spec.pooler.replicas;
  const replicas = workloadOf(objects)?.replicas ?? 0;
  // The Deployment's own controller ends the pods that are too many.
  const shared = isShared(pool.spec);
  const there = shared ? [] : objects.pods.map((pod) => drainPodOf(pod));
  const pods = podsMeanwhile(wantedPods, replicas, there);
  const leaving = leavingOf(context, {
    pool,
    objects,
    axis,
    entries: input.entries,
    connections: takeAllotment(pool.status.allotment, row).connections,
    pods: shared ? mostPods(pods) : pods,
  });
  const { entries } = leaving;
  const mayRaise = allAsked(context, pool);
  const { plan: ledger, ...more } = context.waiting.plan(
    waitingKey(keyOf(pool.metadata)),
    ({ size }) =>
      planPool(
        { pool: kept, pods, row, objects, live, axis, entries, mayRaise, inParts: size > 0 },
        context.engine,
      ),
    ({ holders }) => (holders.withheld ? ['grants'] : []),
  );
  return { objects, wantedPods, replicas, there, leaving, entries, ledger, ...more };
}

export function waitingKey(poolKey: string): string {
  return `ConnectionPool ${poolKey}`;
}
