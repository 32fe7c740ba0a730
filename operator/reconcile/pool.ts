// Reconciles one ConnectionPool: takes what the ledger gives, writes the objects, says in status what it did.
//
// There is no script of steps. Each round looks at what is, makes the plan, and does the first kind of write that
// the plan asks for, in the order of the ledger: allotment and grants, then files, then the rest. The round after
// that starts from the new state. A conflict means that the view was behind: the watch wakes the pool again.
import { randomBytes } from 'node:crypto';
import type { ConnectionBudgetSpec, ConnectionBudgetStatus } from '../api/connection-budget.ts';
import type { ConnectionPoolStatus } from '../api/connection-pool.ts';
import type { ConnectionPool } from '../api/resources.ts';
import { leftInWords } from '../core/drain/left.ts';
import { podsMeanwhile } from '../core/drain/pods.ts';
import { drainingSince, drainPodOf } from '../core/drain/read-pod.ts';
import { takeAllotment } from '../core/ledger/allotments.ts';
import { fileGeneration, type HolderState, isConfirmed } from '../core/ledger/state.ts';
import { axisNameOf, type PoolLedgerPlan, planPoolLedger, viewOf } from '../core/plan-pool.ts';
import { type Access, accessOf, sharedFault } from '../core/pool/access.ts';
import { explanationOf } from '../core/pool/explanation.ts';
import {
  configApplied,
  coresKnown,
  credentialsFound,
  type Finding,
  objectsApplied,
  podsReady,
  postgresFound,
  shareGranted,
  specAccepted,
  unknown,
  withinBudget,
} from '../core/pool/findings.ts';
import { namesOf } from '../core/pool/names.ts';
import { CONSOLE_USER, readConsoleSecret } from '../core/pool/objects/console-secret.ts';
import { isPauseWanted } from '../core/pool/pause.ts';
import {
  dataOf,
  epochOfPod,
  type PoolObjects,
  readHolders,
  readWorkload,
} from '../core/pool/read.ts';
import { type Rendered, renderPool } from '../core/pool/render.ts';
import { type ServerTlsChoice, serverTlsOf } from '../core/pool/server-tls.ts';
import { poolStatus } from '../core/pool/status.ts';
import type { ConsoleCredential, UserCredential } from '../core/pool/view.ts';
import { ASSUMED_MILLI_CORES } from '../core/sizing/server-budget.ts';
import { podSizes, type SizedPool, sizingNumbers } from '../core/sizing/size-server.ts';
import { sourcesOf } from '../core/sizing/sources.ts';
import { isConflict, isForbidden, isInvalid, isNotFound } from '../kube/errors.ts';
import { type KubeObject, keyOf, refOf } from '../kube/types.ts';
import type { Fault, RawObject, ServerFacts } from '../postgres/adapter.ts';
import { after, done, type Outcome, type Run } from '../runtime/controller.ts';
import { applyBindings, bindingOf } from './bindings.ts';
import { mayAttach } from './budget.ts';
import { type CountedClients, clientsOf } from './clients.ts';
import { consoleLogin } from './console-login.ts';
import type { Context } from './context.ts';
import { findFacts } from './facts.ts';
import { allAsked, asPool, axisFor, objectsOf } from './gather.ts';
import { type Leaving, leavingOf, leavingUsers, switchedFault, tellLeaving } from './leaving.ts';
import { eventsOf } from './news.ts';
import { heldPods, lookAtPauseEnd, pauseFindings } from './pause.ts';
import { drainPods, labelPods } from './pod-drains.ts';
import { isReady, podFacts } from './pods.ts';
import { type Replacing, replacing } from './roll.ts';
import { sameJson } from './same.ts';
import { removeUnwanted } from './unwanted.ts';
import { connectionPools, statusOf } from './world.ts';
import type { Wanted, Written } from './writer.ts';

/** More rounds than a plan can need; what is left comes with the next wake. */
const MAX_ROUNDS = 8;
/** A new pool waits so long for its row before it says that it has none. */
const ROW_SECONDS = 10;

export async function reconcilePool(context: Context, key: string, run: Run): Promise<Outcome> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { namespace = '', name } = refOf(key);
    const object = context.world.pools.get(namespace, name);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) {
      context.newcomers.delete(key);
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
  const findings: Finding[] = [
    facts === undefined && !usersKnown
      ? unknown('SpecAccepted', 'The Postgres has to be found first, as it says who may log in.')
      : specAccepted(access.fault ?? (axis.ok ? undefined : axis.fault)),
    postgresFound(
      !found.ok
        ? { fault: found.fault }
        : lost !== undefined
          ? { fault: lost }
          : { facts: found.facts, tls: tls?.why },
    ),
  ];
  const budgetKey = world.budgetOf(object, settings.operatorNamespace);
  if (!axis.ok || !usersKnown) return report(context, object, { findings, budgetKey }, run);
  if (found.ok) findings.push(coresKnown(found.facts, '1 core'));

  const row = rowOf(context, budgetKey, pool);
  if (awaitsRow(context, object, row !== undefined)) return after(ROW_SECONDS);
  if (context.workloads.reading(pool.spec)) return after(1);
  const objects = objectsOf(context, pool);
  const switched = switchedFault(context, objects, axis.axis);
  if (switched !== undefined) {
    findings[0] = specAccepted(switched);
    return report(context, object, { findings, budgetKey }, run);
  }
  await labelPods(context, objects.pods, run);
  const paused = isPauseWanted(pool.spec.pause, Date.now());
  const kept = paused ? heldPods(pool, objects) : pool;
  const wantedPods = kept.spec.pooler.replicas;
  const replicas = readWorkload(objects.statefulSet)?.replicas ?? 0;
  const there = objects.pods.map((pod) => drainPodOf(pod));
  const pods = podsMeanwhile(wantedPods, replicas, there);
  const leaving = leavingOf(context, {
    pool,
    objects,
    axis: axis.axis,
    entries: axis.entries,
    connections: takeAllotment(pool.status.allotment, row).connections,
    pods,
  });
  const entries = [...axis.entries, ...leaving.entries].sort();
  const ledger = planPoolLedger(
    {
      pool: kept,
      pods,
      row,
      objects,
      axis: axis.axis,
      entries,
      mayRaise: allAsked(context, pool),
    },
    engine,
  );
  const { users, faults } = await credentialsOf(context, access, pool, budgetKey, run);
  const ca = tls?.ca === undefined ? undefined : world.secrets.get(namespace, tls.ca.name);
  const caFault = tls?.found === true && ca === undefined ? caMissing(namespace, tls) : undefined;
  findings.push(credentialsFound(caFault === undefined ? faults : [...faults, caFault]));
  const attach = attachFault(context, budgetKey, pool);
  const share: Share =
    attach ??
    shareOf(
      context,
      budgetKey,
      pool,
      axis.entries.length,
      axis.axis,
      ledger,
      found.ok ? found.facts : undefined,
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
  const exists = objects.statefulSet !== undefined;
  // Nothing starts half: without Postgres or passwords a new pool waits, and one that runs keeps what it has.
  const lacking = faults.length > 0 || caFault !== undefined;
  if (!found.ok || (lacking && !exists)) return report(context, object, said, run);

  const console = consoleOf(context, pool);
  const listed = usersToList(
    context,
    objects,
    users.concat(leavingUsers(context, pool, leaving.view.users)),
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
      leaving: leaving.view,
      console,
      maxClientConn: counted.limit.max,
      sharers: pool.status.sharers,
      keepReplicas: podsMeanwhile(0, replicas, there),
      podEpochs: objects.pods.map(epochOfPod),
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
  const written = await apply(context, pool, wanted, run);
  const left = await removeUnwanted(context, view.identity, rendered.unwanted, run);
  const bound =
    written.fault === undefined && !written.files
      ? await applyBindings(context, pool, rendered.bindings, run)
      : undefined;
  findings.push(objectsApplied(written.fault ?? left ?? bound ?? rendered.bindingFault));
  if (written.files) return 'again';
  const template = rendered.objects.find((r) => r.id === 'statefulSet');
  if (written.fault !== undefined || template === undefined)
    return report(context, object, said, run);
  const target = Math.min(wantedPods, ledger.holders.pods);
  const roll = replacing(context, objects, template.manifest, target, paused);
  if (roll !== undefined) said.replacing = roll;
  const { drainSeconds } = pool.spec.pooler;
  const seconds = await drainPods(
    context,
    { pool: object, pods: objects.pods, target, replace: roll?.next, limitSeconds: drainSeconds },
    run,
  );
  const outcome = await report(context, object, said, run);
  const times = [
    seconds,
    leaving.plan.nextSeconds,
    outcome.kind === 'after' ? outcome.seconds : undefined,
  ].filter((time) => time !== undefined);
  return outcome.kind === 'done' || outcome.kind === 'after'
    ? times.length === 0
      ? outcome
      : after(Math.min(...times))
    : outcome;
}

/** The passwords that the pool may know. */
function credentialsOf(
  { world, passwords }: Context,
  access: Access,
  pool: ConnectionPool,
  budgetKey: string | undefined,
  run: Run,
): Promise<{ users: UserCredential[]; faults: Fault[] }> {
  const budget = budgetKey === undefined ? undefined : world.budgets.getKey(budgetKey);
  const owner = budget?.spec as ConnectionBudgetSpec | undefined;
  const fault = sharedFault(access, pool.metadata.namespace, owner, budgetKey);
  return fault === undefined
    ? passwords.of(access.users, run.signal)
    : Promise.resolve({ users: [], faults: [fault] });
}

/** Pods cannot start without the Secret that they mount. */
function caMissing(namespace: string, { ca }: ServerTlsChoice): Fault {
  return {
    reason: 'CaDoesNotExist',
    message: `there is no Secret ${namespace}/${ca?.name} with the CA of the Postgres cluster: its operator makes it soon; else set spec.tls.server.mode`,
  };
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

interface Said {
  readonly findings: Finding[];
  readonly budgetKey: string | undefined;
  readonly ledger?: PoolLedgerPlan;
  readonly objects?: PoolObjects;
  readonly leaving?: Leaving;
  sizing?: ConnectionPoolStatus['sizing'];
  clients?: CountedClients;
  replacing?: Replacing;
}

function rowOf(context: Context, budgetKey: string | undefined, pool: ConnectionPool) {
  const budget = budgetKey === undefined ? undefined : context.world.budgets.getKey(budgetKey);
  const status = (budget?.status ?? {}) as ConnectionBudgetStatus;
  return status.allotments?.find(
    (r) => r.uid === pool.metadata.uid && r.server === pool.spec.postgres.role,
  );
}

function attachFault(
  context: Context,
  budgetKey: string | undefined,
  pool: ConnectionPool,
): { finding: Finding } | undefined {
  const budget = budgetKey === undefined ? undefined : context.world.budgets.getKey(budgetKey);
  if (budget === undefined || budgetKey === undefined) return undefined;
  const home = budget.metadata.namespace ?? '';
  if (mayAttach(pool.metadata.namespace, home, budget.spec as ConnectionBudgetSpec))
    return undefined;
  return {
    finding: {
      type: 'ShareGranted',
      status: 'False',
      reason: 'NamespaceNotAllowed',
      message: `ConnectionBudget ${budgetKey} does not let namespace ${pool.metadata.namespace} attach pools: add it to the budget's spec.namespaces`,
      effect: 'stalled',
    },
  };
}

interface Share {
  readonly finding: Finding;
  readonly sizing?: ConnectionPoolStatus['sizing'];
  readonly counted?: CountedClients;
}

/** What sizing says about the pool, from all pools of its server. */
function shareOf(
  context: Context,
  budgetKey: string | undefined,
  pool: ConnectionPool,
  entries: number,
  axis: 'database' | 'user',
  ledger: PoolLedgerPlan,
  facts: ServerFacts | undefined,
): Share {
  if (facts === undefined || budgetKey === undefined) {
    return { finding: unknown('ShareGranted', 'The Postgres has to be found first.') };
  }
  const { world } = context;
  const budget = world.budgets.getKey(budgetKey)?.spec as ConnectionBudgetSpec | undefined;
  const { role } = pool.spec.postgres;
  const { pools, server } = context.servers.of(context, budgetKey, role, facts);
  const own = pools.find((p) => p.uid === pool.metadata.uid);
  if (own === undefined) return { finding: unknown('ShareGranted', 'The pool is being read.') };
  const explanation = explanationOf(server, pools, own, axis, ASSUMED_MILLI_CORES);
  const share = server.shares.get(own.uid);
  const held = ledger.grants.reduce((total, g) => total + g.connections, 0);
  const sized: SizedPool = { ...own, entries };
  const perPod = podSizes(share?.connections ?? 0, pool.spec, entries);
  const counted = clientsOf(context, pool, share?.connections ?? 0, perPod, pool.status);
  return {
    finding: shareGranted({
      share: share?.connections ?? 0,
      held: Math.min(held, ledger.allotment.connections),
      ...(share?.shortage === undefined ? {} : { shortage: share.shortage }),
      budget: budgetKey,
      explanation,
    }),
    sizing: {
      ...sizingNumbers(server, sized, counted.limit.max),
      explanation,
      sources: sourcesOf({
        server,
        owner: budget,
        budgetName: budgetKey,
        pools,
        pool: sized,
        maxClientConn: counted.limit,
      }),
    },
    counted,
  };
}

/**
 * Users that the list may name. Where users are the axis, one is listed only when every live process bounds it; who
 * is listed already stays, because taking a user out ends its clients.
 */
function usersToList(
  context: Context,
  objects: PoolObjects,
  users: readonly UserCredential[],
  axis: 'database' | 'user',
): readonly UserCredential[] {
  if (axis === 'database' || objects.userList === undefined) return users;
  const listed = new Set(objects.userList.users);
  const running = readHolders(objects, axis, context.engine).filter((h) => h.pod !== undefined);
  const bounded = (user: string) =>
    running.every(
      (h) => h.observation?.caps.some((c) => c.name === user && c.connections > 0) === true,
    );
  return users.filter((user) => listed.has(user.name) || bounded(user.name));
}

/** Users that a running process would still let in, although the list has them no more. */
function revokedUsers(
  { consoles, engine }: Context,
  objects: PoolObjects,
  listed: readonly string[],
): string[] {
  const names = objects.pods.flatMap((pod) => {
    const observation = consoles.records.get(pod.metadata?.uid ?? '')?.observation;
    return observation === undefined ? [] : engine.remembered(observation, listed);
  });
  return [...new Set(names)].sort();
}

/** The credentials with which the processes can be asked, or new ones where none are left. */
function consoleOf({ engine, world }: Context, pool: ConnectionPool): ConsoleCredential {
  const { namespace, name } = pool.metadata;
  const secret = readConsoleSecret(
    dataOf(world.secrets.get(namespace, namesOf(name).consoleSecret)),
  );
  const login = consoleLogin(world, engine, namespace, name);
  const made = () => randomBytes(24).toString('base64url');
  return {
    user: CONSOLE_USER,
    password: login?.password ?? made(),
    markSecret: secret?.markSecret ?? made(),
  };
}

interface Applied {
  /** Files were written: the ledger has to look again, because replicas follow files that are there. */
  readonly files: boolean;
  readonly fault?: Fault;
}

/**
 * Objects that say nothing about capacity are written side by side; then the files, the list of users and the
 * workload, one after the other. An object that belongs to somebody else ends it.
 */
async function apply(
  context: Context,
  pool: ConnectionPool,
  objects: readonly Rendered[],
  run: Run,
): Promise<Applied> {
  const last = ['configMap', 'userListSecret', 'statefulSet'];
  const first = objects.filter((o) => !last.includes(o.id));
  const results = await Promise.all(first.map((o) => ensure(context, pool, o, run)));
  const fault = results.map((r) => r.fault).find((f) => f !== undefined);
  if (fault !== undefined) return { files: false, fault };
  for (const id of last) {
    const rendered = objects.find((o) => o.id === id);
    if (rendered === undefined) continue;
    const result = await ensure(context, pool, rendered, run);
    if (result.fault !== undefined) return { files: false, fault: result.fault };
    if (result.wrote && id === 'configMap') return { files: true };
  }
  return { files: false };
}

async function ensure(
  context: Context,
  pool: ConnectionPool,
  rendered: Rendered,
  run: Run,
): Promise<{ wrote: boolean; fault?: Fault }> {
  const manifest = rendered.manifest as unknown as KubeObject;
  const { type, shelf } = context.world.ownedKind(manifest.kind);
  const { namespace = '', name } = manifest.metadata;
  const wanted: Wanted = {
    type,
    manifest,
    hash: rendered.hash,
    ownerUid: pool.metadata.uid,
    live: shelf.get(namespace, name),
    guarded: rendered.capacity,
  };
  let result: Written;
  try {
    result = await context.writer.ensure(wanted, run.signal);
  } catch (error) {
    if (!isForbidden(error) && !isInvalid(error)) throw error;
    run.log.warn({ err: error, kind: manifest.kind, object: name }, 'an object was refused');
    // What is refused may be quoted in the answer, and nothing of a Secret is to be read in a status.
    const why = manifest.kind === 'Secret' ? error.reason : error.message;
    return {
      wrote: false,
      fault: {
        reason: 'ObjectRefused',
        message: `${manifest.kind} ${name}: the API server refuses it (${why}): see to the quota, policy or right that is in the way`,
      },
    };
  }
  if (result.kind === 'ok') return { wrote: result.wrote };
  const owner = result.object.metadata.labels?.['spillway.dev/pool-uid'];
  const predecessor = owner !== undefined && owner !== pool.metadata.uid;
  return {
    wrote: false,
    fault: predecessor
      ? {
          reason: 'PredecessorNotGone',
          message: `${manifest.kind} ${name} is of an earlier pool of this name: the pool starts when it is gone (delete it, if it was left on purpose)`,
        }
      : {
          reason: 'ObjectNotOurs',
          message: `${manifest.kind} ${name} exists and is not Spillway's: rename the pool, or delete that object`,
        },
  };
}

async function report(
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
async function writeStatus(
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
    objects === undefined ? [] : readHolders(objects, axisNameOf(pool.spec), context.engine);
  const pods = {
    asked: pool.spec.pooler.replicas,
    target: ledger?.holders.pods ?? 0,
    existing: now.existing,
    ready: now.ready,
    confirmed: confirmedOf(context, objects, states, ledger),
    toReplace: said.replacing?.count ?? 0,
    restartFor: said.replacing?.restartFor ?? [],
    draining: drainingNow(context, objects?.pods ?? []),
    silent: silentPod(context, objects?.pods ?? []),
    leaving: said.leaving?.words ?? [],
  };
  const findings = [...said.findings];
  if (ledger !== undefined && objects !== undefined) {
    findings.push(
      withinBudget({
        allotted: ledger.allotment.connections,
        charged: ledger.holders.charged,
        unproven: ledger.holders.unproven,
      }),
      podsReady(pods, now.fault),
      configApplied(pods),
    );
  }
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

/** Pods that are emptied, with what is left of their clients. */
function drainingNow({ drains }: Context, pods: readonly RawObject[]): string[] {
  return pods
    .filter((pod) => drainingSince(pod) !== undefined)
    .map((pod) => {
      return `${pod.metadata?.name} (${leftInWords(drains.clientsOf(pod))})`;
    })
    .sort();
}

function ledgerOf(before: ConnectionPoolStatus, ledger: PoolLedgerPlan | undefined) {
  const allotment = ledger?.allotment ?? before.allotment;
  const grants = ledger?.grants ?? before.grants;
  return {
    ...(allotment === undefined ? {} : { allotment }),
    ...(grants === undefined ? {} : { grants }),
  };
}

/** The first pod that serves and whose console does not do what it is told, with why. */
function silentPod({ consoles }: Context, pods: readonly RawObject[]): string | undefined {
  for (const pod of pods) {
    const failure = consoles.records.get(pod.metadata?.uid ?? '')?.failure;
    if (failure !== undefined && isReady(pod)) return `${pod.metadata?.name}: ${failure}`;
  }
  return undefined;
}

/** Processes that run with their file, which has used all that they were given, and with the list of users. */
function confirmedOf(
  { consoles }: Context,
  objects: PoolObjects | undefined,
  holders: readonly HolderState[],
  ledger: PoolLedgerPlan | undefined,
): number {
  const given = new Map((ledger?.grants ?? []).map((g) => [g.holder, g.generation]));
  return holders.filter((holder) => {
    const record = consoles.records.get(holder.pod?.uid ?? '');
    const mark = objects?.userList?.mark;
    return (
      isConfirmed(holder) &&
      fileGeneration(holder) >= (given.get(holder.name) ?? 0) &&
      record?.follows === true &&
      (mark === undefined || record.observation?.userMarks.includes(mark) === true)
    );
  }).length;
}
