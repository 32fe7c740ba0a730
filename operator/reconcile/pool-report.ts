// The end of each look at a pool: its status, written only when it says something new, and when to look again.

import type { ConnectionPoolStatus } from '../api/connection-pool.ts';
import type { ConnectionPool } from '../api/resources.ts';
import { isShared } from '../api/workload.ts';
import { boundOf } from '../core/ledger/bounded.ts';
import type { PoolLedgerPlan } from '../core/ledger/pool.ts';
import { axisNameOf } from '../core/plan-pool.ts';
import { configApplied, type Finding, podsReady, withinBudget } from '../core/pool/findings.ts';
import type { PoolObjects } from '../core/pool/read.ts';
import { readProcesses } from '../core/pool/read-shared.ts';
import { poolStatus } from '../core/pool/status.ts';
import type { KubeObject } from '../kube/types.ts';
import { after, done, type Outcome, type Run } from '../runtime/controller.ts';
import { bindingOf } from './bindings.ts';
import type { CountedClients } from './clients.ts';
import type { Context } from './context.ts';
import { allAsked, asPool } from './gather.ts';
import type { Leaving } from './leaving.ts';
import { eventsOf } from './news.ts';
import { lookAtPauseEnd, pauseFindings } from './pause.ts';
import { podFacts } from './pods.ts';
import { confirmedOf, drainingNow, heldPods, silentPods, tooOldPods } from './pool-progress.ts';
import { shrunkBudget } from './pool-share.ts';
import type { Replacing } from './roll.ts';
import { sameJson } from './same.ts';
import { connectionPools, statusOf } from './world.ts';

export interface Said {
  readonly findings: Finding[];
  readonly budgetKey: string | undefined;
  readonly ledger?: PoolLedgerPlan;
  readonly objects?: PoolObjects;
  readonly leaving?: Leaving;
  sizing?: ConnectionPoolStatus['sizing'];
  clients?: CountedClients;
  replacing?: Replacing;
}

export async function report(
  context: Context,
  object: KubeObject,
  said: Said,
  run: Run,
): Promise<Outcome> {
  // After a restart, what the processes say is not known yet, and "0 of 2 confirmed" would be no news but wrong.
  if (allAsked(context, asPool(object))) await writeStatus(context, object, said, run);
  const waiting = said.findings.some((f) => f.effect === 'waiting' || f.effect === 'stalled');
  // Everything that heals a pool wakes it; a slow second look guards against what no watch shows.
  const outcome = waiting ? after(30) : done;
  return lookAtPauseEnd(asPool(object), outcome, waiting ? 30 : Number.POSITIVE_INFINITY);
}

/** Against the version that was read, because allotment and grants are in it; only when it says something new. */
export async function writeStatus(
  context: Context,
  object: KubeObject,
  said: Said,
  run: Run,
): Promise<void> {
  const pool = asPool(object);
  const before = statusOf(object);
  const { ledger, objects } = said;
  const now = podFacts(objects?.pods ?? []);
  const states =
    objects === undefined ? [] : readProcesses(objects, axisNameOf(pool.spec), context.engine);
  const pods = {
    asked: pool.spec.pooler.replicas,
    target: ledger?.holders.pods ?? 0,
    existing: now.existing,
    ready: now.ready,
    // Those that are ending are not what the pool has: others are there in their place.
    confirmed: confirmedOf(
      context,
      objects,
      isShared(pool.spec) ? states.filter(({ pod }) => pod?.terminating !== true) : states,
      ledger,
    ),
    toReplace: said.replacing?.count ?? 0,
    restartFor: said.replacing?.restartFor ?? [],
    draining: drainingNow(context, objects?.pods ?? []),
    tooOld: tooOldPods(context, objects?.pods ?? []),
    silent: silentPods(context, objects?.pods ?? []),
    leaving: said.leaving?.words ?? [],
    waiting: said.leaving?.waiting,
  };
  const findings = [...said.findings];
  const bound = ledger === undefined ? undefined : boundOf(ledger.holders);
  if (ledger !== undefined && objects !== undefined) {
    findings.push(
      withinBudget({
        allotted: ledger.allotment.connections,
        charged: ledger.holders.charged,
        unproven: ledger.holders.unproven,
        shrunkTo: shrunkBudget(context, said.budgetKey, pool),
        held: heldPods(context, objects.pods),
        ...(bound === undefined ? {} : { bound }),
      }),
      podsReady(pods, now.fault),
      configApplied(pods),
    );
  }
  const there = objects?.pods ?? [];
  const topology = objects === undefined ? before.topology : context.renewals.topology(pool, there);
  if (objects !== undefined) findings.push(...context.renewals.findings(pool, there));
  findings.push(...pauseFindings(context, pool, objects, before));
  findings.push(...context.health.findings(pool));
  const { namespace, name, uid, generation } = pool.metadata;
  const status = poolStatus({
    identity: { namespace, name, uid },
    generation,
    clusterDomain: context.settings.clusterDomain,
    servicePort: pool.spec.pooler.service.port,
    findings,
    pods,
    ...(before.conditions === undefined ? {} : { previous: before.conditions }),
    now: context.now(),
    ...(said.budgetKey === undefined ? {} : { budget: said.budgetKey }),
    ...(said.sizing === undefined
      ? before.sizing === undefined
        ? {}
        : { sizing: before.sizing }
      : { sizing: said.sizing }),
    ...clientsSaid(context, pool, before, said),
    ...ledgerOf(before, ledger),
    leaving: said.leaving?.plan.record ?? before.leaving ?? [],
    ...(topology === undefined ? {} : { topology }),
  });
  if (sameJson(status, before)) return;
  await context.world.pools.writing(object.metadata, () =>
    context.client.update(
      connectionPools,
      { ...object, status },
      { subresource: 'status', signal: run.signal, brief: true },
    ),
  );
  for (const event of eventsOf(before.conditions, status.conditions ?? [])) {
    context.events.record(object, event);
  }
}

/** What follows for applications; as it was, where this look did not come so far. */
function clientsSaid(
  context: Context,
  pool: ConnectionPool,
  before: ConnectionPoolStatus,
  { clients: counted }: Said,
) {
  const clients = counted === undefined ? before.clients : counted.clients;
  const binding = bindingOf(context, pool);
  const sharers = context.health.sharersOf(pool);
  return {
    ...(sharers === undefined ? {} : { sharers }),
    ...(clients === undefined ? {} : { clients }),
    ...(binding === undefined ? {} : { binding }),
  };
}

function ledgerOf(before: ConnectionPoolStatus, ledger: PoolLedgerPlan | undefined) {
  const allotment = ledger?.allotment ?? before.allotment;
  const grants = ledger?.grants ?? before.grants;
  return {
    ...(allotment === undefined ? {} : { allotment }),
    ...(grants === undefined ? {} : { grants }),
  };
}
