// Reconciles one ConnectionPool: takes what the ledger gives, writes the objects, says in status what it did.
//
// There is no script of steps. Each round looks at what is, makes the plan, and does the first kind of write that
// the plan asks for, in the order of the ledger: allotment and grants, then files, then the rest. The round after
// that starts from the new state. A conflict means that the view was behind: the watch wakes the pool again.

import type { ConnectionPool } from '../api/resources.ts';
import { isShared } from '../api/workload.ts';
import { podsMeanwhile } from '../core/drain/pods.ts';
import { viewOf } from '../core/plan-pool.ts';
import { accessOf } from '../core/pool/access.ts';
import {
  coresKnown,
  credentialsFound,
  type Finding,
  objectsApplied,
  postgresFound,
  specAccepted,
  unknown,
} from '../core/pool/findings.ts';
import { isPauseWanted } from '../core/pool/pause.ts';
import { workloadOf } from '../core/pool/read-shared.ts';
import { renderPool } from '../core/pool/render.ts';
import { serverTlsOf } from '../core/pool/server-tls.ts';
import { isConflict, isNotFound } from '../kube/errors.ts';
import { type KubeObject, keyOf, refOf } from '../kube/types.ts';
import { after, done, type Outcome, type Run } from '../runtime/controller.ts';
import { applyBindings } from './bindings.ts';
import { clientsOf } from './clients.ts';
import type { Context } from './context.ts';
import { areComing, findFacts } from './facts.ts';
import { allAsked, asPool, axisFor, objectsOf } from './gather.ts';
import { leavingUsers, switchedFault, tellCut, tellLeaving } from './leaving.ts';
import { drainPods, labelPods } from './pod-drains.ts';
import { lookAt, waitingKey } from './pool-look.ts';
import { apply } from './pool-objects.ts';
import { report, type Said, writeStatus } from './pool-report.ts';
import { refusal, rowOf, type Share, shareOf } from './pool-share.ts';
import {
  caMissing,
  consoleOf,
  credentialsOf,
  listsSeen,
  revokedUsers,
  usersToList,
} from './pool-users.ts';
import { replacing } from './roll.ts';
import { sameJson } from './same.ts';
import { seenFacts, serverFacts } from './server-facts.ts';
import { strandedNow } from './stranded.ts';
import { removeUnwanted } from './unwanted.ts';
import { statusOf } from './world.ts';

/** More rounds than a plan can need; what is left comes with the next wake. */
const MAX_ROUNDS = 8;
/** What the facts are read from besides is there in less. */
const COMING_SECONDS = 0.2;
/** A new pool waits so long for its row before it says that it has none. */
const ROW_SECONDS = 10;

export async function reconcilePool(context: Context, key: string, run: Run): Promise<Outcome> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { namespace = '', name } = refOf(key);
    const object = context.world.pools.get(namespace, name);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) {
      context.newcomers.delete(key);
      context.waiting.forget(waitingKey(key));
      return done;
    }
    try {
      const outcome = await once(context, object, run);
      if (outcome !== 'again') return outcome;
    } catch (error) {
      // Somebody was faster; the watch brings what they wrote, and until then nothing can be decided.
      if (isConflict(error)) return after(0.2);
      if (isNotFound(error)) return after(1);
      throw error;
    }
  }
  return after(1);
}

/** One look, one plan, one kind of write. 'again': something was written that the next look must see. */
async function once(context: Context, object: KubeObject, run: Run): Promise<Outcome | 'again'> {
  const { engine, world, settings } = context;
  const asked = asPool(object);
  const { namespace } = asked.metadata;
  const found = findFacts(context, asked.spec.postgres, namespace);
  if (areComing(context, asked.spec.postgres, namespace)) return after(COMING_SECONDS);
  const facts = found.ok ? found.facts : undefined;
  const access = accessOf(asked.spec, namespace, facts);
  const pool: ConnectionPool = { ...asked, spec: access.spec };
  const axis = axisFor(context, pool);
  const tls = facts === undefined ? undefined : serverTlsOf(pool.spec, namespace, facts);
  const { endpoint } = pool.spec.postgres;
  // A name that does not resolve stops nothing: the poolers look it up themselves, and it may come back.
  const lost = endpoint === undefined ? undefined : await context.hosts.faultOf(endpoint.host);
  // Who may log in is not known while the Postgres that says it is not found: that is no fault of the spec.
  const usersKnown = access.spec.users !== undefined;
  const budgetKey = world.budgetOf(object, settings.operatorNamespace);
  // Sizes are those of the server, of which other pools and the server itself may say more than this pool.
  const server =
    budgetKey === undefined || !found.ok
      ? found
      : serverFacts(context, budgetKey, asked.spec.postgres.role);
  const findings: Finding[] = [
    facts === undefined && !usersKnown
      ? unknown('SpecAccepted', 'The Postgres has to be found first, as it says who may log in.')
      : specAccepted(access.fault ?? (axis.ok ? undefined : axis.fault)),
    postgresFound(
      !found.ok
        ? { fault: found.fault }
        : lost !== undefined
          ? { fault: lost }
          : { facts: seenFacts(found.facts, server), tls: tls?.why },
    ),
  ];
  if (!axis.ok || !usersKnown) return report(context, object, { findings, budgetKey }, run);
  if (server.ok) findings.push(coresKnown(server.facts, '1 core'));

  const row = rowOf(context, budgetKey, pool);
  const refused = refusal(context, budgetKey, object);
  const isExpected = row === undefined && refused === undefined;
  if (awaitsRow(context, object, !isExpected)) return after(ROW_SECONDS);
  if (context.workloads.reading(pool.spec)) return after(1);
  const cached = objectsOf(context, pool);
  const switched = switchedFault(context, cached, axis.axis, pool.spec.databases);
  if (switched !== undefined) {
    findings[0] = specAccepted(switched);
    return report(context, object, { findings, budgetKey }, run);
  }
  await labelPods(context, cached.pods, run);
  const paused = isPauseWanted(pool.spec.pause, Date.now());
  const look = await lookAt(
    context,
    { pool, row, axis: axis.axis, entries: axis.entries, paused },
    cached,
    run,
  );
  const { objects, ledger, leaving, entries, wantedPods, replicas, there } = look;
  const { users, faults } = await credentialsOf(context, access, pool, budgetKey, run);
  const ca = tls?.ca === undefined ? undefined : world.secrets.get(namespace, tls.ca.name);
  const caFault = tls?.found === true && ca === undefined ? caMissing(namespace, tls) : undefined;
  findings.push(credentialsFound(caFault === undefined ? faults : [...faults, caFault]));
  const share: Share =
    refused ??
    shareOf(
      context,
      budgetKey,
      pool,
      axis.entries.length,
      axis.axis,
      ledger,
      server.ok ? server.facts : undefined,
    );
  const said: Said = { findings, budgetKey, ledger, objects, leaving };
  findings.push(share.finding);
  if (share.sizing !== undefined) said.sizing = share.sizing;
  const counted =
    share.counted ?? clientsOf(context, pool, ledger.allotment.connections, [], pool.status);
  if (counted.finding !== undefined) findings.push(counted.finding);
  said.clients = counted;
  // What is written down comes before what is made of it.
  const toldBefore = pool.status.leaving ?? [];
  if (
    ledger.changesLedger ||
    context.health.sharersOf(pool) !== pool.status.sharers ||
    !sameJson(leaving.plan.record, toldBefore)
  ) {
    tellLeaving(context, object, toldBefore, leaving.plan);
    await writeStatus(context, object, said, run);
    return 'again';
  }
  const exists = workloadOf(objects) !== undefined;
  // Nothing starts half: without Postgres or passwords a new pool waits, and one that runs keeps what it has.
  const lacking = faults.length > 0 || caFault !== undefined;
  if (!found.ok || (lacking && !exists)) return report(context, object, said, run);

  const console = consoleOf(context, pool);
  const listed = usersToList(
    context,
    objects,
    users.concat(leavingUsers(context, pool, leaving.view)),
    axis.axis,
  );
  const planned = viewOf(
    {
      pool,
      ledger: ledger.holders,
      objects,
      axis: axis.axis,
      entries,
      server: found.facts,
      settings,
      users: listed,
      revoked: revokedUsers(context, objects, [...listed.map((u) => u.name), console.user]),
      userList: listsSeen(context, objects),
      leaving: leaving.view,
      console,
      maxClientConn: counted.limit.max,
      sharers: pool.status.sharers,
      keepReplicas: podsMeanwhile(0, replicas, there),
      caVersion: ca?.metadata.resourceVersion,
    },
    engine,
  );
  const view = { ...planned, paused };
  const rendered = renderPool(view, engine);
  if (!rendered.ok) {
    findings[0] = specAccepted(rendered.fault);
    return report(context, object, said, run);
  }
  // While a password is missing the list of users stays as it is, or the others would lose theirs; and while it is
  // not known whom the processes remember, or who left could log in again.
  const listKnown = faults.length === 0 && allAsked(context, pool);
  const wanted = rendered.objects.filter((r) => listKnown || r.id !== 'userListSecret');
  const written = await apply(context, pool, wanted, objects, run);
  const left = await removeUnwanted(context, view.identity, rendered.unwanted, run);
  const bound =
    written.fault === undefined && !written.files
      ? await applyBindings(context, pool, rendered.bindings, run)
      : undefined;
  findings.push(objectsApplied(written.fault ?? left ?? bound ?? rendered.bindingFault));
  if (written.files) {
    tellCut(context, object, leaving.plan);
    return 'again';
  }
  const template = rendered.objects.find((r) => r.id === 'statefulSet' || r.id === 'deployment');
  if (written.fault !== undefined || template === undefined)
    return report(context, object, said, run);
  const target = Math.min(wantedPods, ledger.holders.pods);
  const roll = replacing(context, objects, template.manifest, target, paused);
  if (roll !== undefined) said.replacing = roll;
  const replace = strandedNow(context, object, look, paused) ?? roll?.next;
  const { drainSeconds } = pool.spec.pooler;
  const seconds = await drainPods(
    context,
    {
      pool: object,
      pods: objects.pods,
      // A Deployment's controller takes those that are too many.
      target: isShared(pool.spec) ? Number.POSITIVE_INFINITY : target,
      replace,
      limitSeconds: drainSeconds,
    },
    run,
  );
  const outcome = await report(context, object, said, run);
  const times = [
    seconds,
    look.seconds,
    leaving.plan.nextSeconds,
    outcome.kind === 'after' ? outcome.seconds : undefined,
  ].filter((time) => time !== undefined);
  return outcome.kind === 'done' || outcome.kind === 'after'
    ? times.length === 0
      ? outcome
      : after(Math.min(...times))
    : outcome;
}

/**
 * A new pool's row comes in a moment, and wakes it. What would be written before would be written again then; but
 * when the row does not come, the status has to say what there is to say.
 */
function awaitsRow({ newcomers }: Context, object: KubeObject, there: boolean): boolean {
  const key = keyOf(object.metadata);
  if (there || statusOf(object).conditions !== undefined) {
    newcomers.delete(key);
    return false;
  }
  const since = newcomers.get(key) ?? performance.now();
  newcomers.set(key, since);
  return performance.now() - since < ROW_SECONDS * 1000;
}
