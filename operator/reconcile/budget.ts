// Reconciles one ConnectionBudget: makes it where the owner has none, and writes its ledger.
import type { Condition } from '../api/conditions.ts';
import type {
  AllotmentRecord,
  ConnectionBudgetSpec,
  ConnectionBudgetStatus,
  ObservedServer,
  SameServer,
} from '../api/connection-budget.ts';
import { API_VERSION } from '../api/resources.ts';

import { budgetConditions, sameServerCondition } from '../core/budget-conditions.ts';
import { budgetTarget, type PostgresTarget } from '../core/budget-name.ts';
import type { ServerGroup } from '../core/identity/group.ts';
import type { Gone } from '../core/ledger/claims.ts';

import {
  type BudgetInput,
  type BudgetPlan,
  type BudgetPool,
  planBudget,
  type Role,
} from '../core/plan-budget.ts';
import { specWithUsers } from '../core/pool/access.ts';
import { mayAttach, namespaceMax } from '../core/pool/attach.ts';
import { mergeConditions } from '../core/pool/conditions.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../kube/errors.ts';
import { type KubeObject, keyOf, refOf } from '../kube/types.ts';
import type { Found } from '../postgres/adapter.ts';
import { after, done, type Outcome, type Run } from '../runtime/controller.ts';
import { type Asked, askedOf } from './budget-asked.ts';
import type { Context } from './context.ts';
import { areComing } from './facts.ts';
import { allAsked, asPool, axisFor, chargeOf, isLate } from './gather.ts';
import { childrenOf, ownerOf, ROLES } from './groups.ts';
import { clusterOf, groupOf, poolsOfGroup, rolesOf } from './links.ts';
import { eventsOf } from './news.ts';
import { sameJson } from './same.ts';
import { factsWith } from './server-facts.ts';
import { connectionBudgets, type World } from './world.ts';

/** What the facts are read from besides is there in less. */
const COMING_SECONDS = 0.2;

/** Kept while a pool holds connections: the ledger must not be lost under it. */
export const HOLDERS_FINALIZER = 'spillway.dev/holders';

/** Something of a pool that is gone is there, and no watch shows it; seconds. */
const ASK_AGAIN_SECONDS = 15;

export async function reconcileBudget(context: Context, key: string, run: Run): Promise<Outcome> {
  const { world } = context;
  const { namespace = '', name } = refOf(key);
  const pools = world.pools
    .byIndex('budget', key)
    .filter((pool) => pool.metadata.deletionTimestamp === undefined)
    .sort((a, b) => ((a.metadata.uid ?? '') < (b.metadata.uid ?? '') ? -1 : 1));
  const live = world.budgets.get(namespace, name);
  if (live === undefined) {
    context.servers.forget(key);
    context.inquiries.forget(key);
    context.proofs.forget(key);
    context.waiting.forget(waitingKey(key));
    for (const role of ROLES) context.newServers.delete(`${key}/${role}`);
    const [first] = pools;
    if (first !== undefined) await create(context, namespace, name, first, run);
    return done;
  }
  const spec = live.spec as ConnectionBudgetSpec;
  const status = (live.status ?? {}) as ConnectionBudgetStatus;
  if (areComing(context, spec.postgres, namespace)) return after(COMING_SECONDS);
  const drawing = pools.filter((pool) => !isLate(pool, live));
  const asked = askedOf(context, key, drawing, status);
  const servers = serversOf(context, key, asked.observed);
  const names = namesOf(context, live, servers);
  const together = ROLES.flatMap((role) => poolsOfGroup(world, { budgetKey: key, role }));
  const inView = new Set(pools.map((pool) => pool.metadata.uid));
  const unseen = (status.allotments ?? []).filter((row) => !inView.has(row.uid));
  const isOfBudget = (row: AllotmentRecord) => row.of === 'ConnectionBudget';
  const isProven = await context.proofs.look(
    context,
    key,
    unseen.filter((row) => !isOfBudget(row)),
    run,
  );
  const goneBudgets = await goneOf(context, unseen.filter(isOfBudget), run);
  const input: Omit<BudgetInput, 'inParts'> = {
    spec,
    status,
    pools: drawing.map((pool) => poolOf(context, pool, key, servers)),
    servers,
    gone: (uid) => goneBudgets.get(uid) ?? context.proofs.of(key, uid),
    mayRaise: together.every((pool) => allAsked(context, asPool(pool))),
    // What read pools still have on a replica that was promoted comes on top of what the primary's pools have.
    heldBack: new Set(
      together.some((pool) => context.renewals.mayBeOnPrimary(pool)) ? ['primary'] : [],
    ),
    groups: names.groups,
  };
  const { plan, seconds } = context.waiting.plan(
    waitingKey(key),
    (inParts) => planBudget({ ...input, inParts }),
    ({ withheld }) => withheld,
  );
  const isHeld = plan.allotments.length > 0 || drawing.length > 0 || isDrawnFrom(world, live);
  const deleting = live.metadata.deletionTimestamp !== undefined;
  const isTold = isHeld || !deleting;
  const written = isTold ? await write(context, live, status, plan, asked, run) : live;
  // After that it is known that somebody draws from it, or it would go as one that nobody needs.
  for (const { sameAs } of plan.servers) {
    if (sameAs !== undefined) await createAbove(context, live, sameAs, run);
  }
  await finish(context, written, isHeld, run);
  const again = isProven ? undefined : ASK_AGAIN_SECONDS;
  const times = [seconds, again, names.againSeconds].filter((t) => t !== undefined);
  return times.length === 0 ? done : after(Math.min(...times));
}

function waitingKey(budgetKey: string): string {
  return `ConnectionBudget ${budgetKey}`;
}

/**
 * Budgets that had a row and are gone, as the API server says: they go when nobody holds anything of them any more.
 * A row of one that is only not in view stays.
 */
async function goneOf(
  { client, world }: Context,
  rows: readonly AllotmentRecord[],
  run: Run,
): Promise<ReadonlyMap<string, Gone>> {
  const gone = new Map<string, Gone>();
  for (const { uid, namespace, name } of rows) {
    const isOne = (budget: KubeObject | undefined) =>
      uid.split('/')[0] === (budget?.metadata.uid ?? '');
    if (isOne(world.budgets.get(namespace, name))) continue;
    const live = await client.get(connectionBudgets, { namespace, name }, { signal: run.signal });
    if (!isOne(live)) gone.set(uid, 'pods');
  }
  return gone;
}

/** What is known of this budget's servers under other names. */
function namesOf(
  context: Context,
  live: KubeObject,
  servers: ReadonlyMap<Role, Found>,
): {
  readonly groups: ReadonlyMap<Role, ServerGroup>;
  readonly againSeconds: number | undefined;
} {
  const groups = new Map<Role, ServerGroup>();
  const times: number[] = [];
  for (const [role, found] of servers) {
    const together = found.ok
      ? context.servers.of(context, keyOf(live.metadata), role, found.facts)
      : undefined;
    const { group, againSeconds } = groupOf(context, live, role, together, Date.now());
    if (group !== undefined) groups.set(role, group);
    if (againSeconds !== undefined) times.push(againSeconds);
  }
  return { groups, againSeconds: times.length === 0 ? undefined : Math.min(...times) };
}

function poolOf(
  context: Context,
  object: KubeObject,
  budgetKey: string,
  servers: ReadonlyMap<Role, Found>,
): BudgetPool {
  const asked = asPool(object);
  const { role } = asked.spec.postgres;
  const { budgetKey: ownerKey, spec: owner } = ownerOf(context.world, { budgetKey, role });
  const home = ownerKey.slice(0, ownerKey.indexOf('/'));
  const server = servers.get(role);
  const facts = server?.ok === true ? server.facts : undefined;
  const spec = specWithUsers(asked.spec, facts);
  const pool = { ...asked, spec };
  const axis = axisFor(context, pool);
  const refused =
    owner !== undefined && !mayAttach(pool.metadata.namespace, home, owner)
      ? 'its namespace may not attach pools'
      : !axis.ok
        ? axis.fault.reason
        : spec.users === undefined
          ? 'nobody says who its users are'
          : undefined;
  const max = namespaceMax(pool.metadata.namespace, home, owner);
  return {
    uid: pool.metadata.uid,
    namespace: pool.metadata.namespace,
    name: pool.metadata.name,
    createdAt: pool.metadata.creationTimestamp ?? '',
    spec: pool.spec,
    entries: axis.ok ? axis.entries.length : 1,
    ...(max === undefined ? {} : { namespaceMax: max }),
    role: pool.spec.postgres.role,
    ...(pool.status.allotment === undefined ? {} : { taken: pool.status.allotment }),
    charge: chargeOf(context, pool, axis),
    ...(refused === undefined ? {} : { refused }),
  };
}

/** In the roles that pools ask for, here or under another name. */
function serversOf(
  context: Context,
  key: string,
  observed: readonly ObservedServer[],
): Map<Role, Found> {
  const roles = rolesOf(context.world, key);
  return new Map(roles.map((role) => [role, factsWith(context, key, role, observed)]));
}

async function create(
  context: Context,
  namespace: string,
  name: string,
  pool: KubeObject,
  run: Run,
): Promise<void> {
  await make(context, { namespace, name }, budgetTarget(asPool(pool).spec.postgres), run);
}

/** The budget that another one is to draw from, where no pool has asked for it yet. */
async function createAbove(
  context: Context,
  live: KubeObject,
  { namespace, name, reason }: SameServer,
  run: Run,
): Promise<void> {
  if (reason !== 'SameCluster' || context.world.budgets.get(namespace, name) !== undefined) return;
  const target = clusterOf(context, live, `${namespace}/${name}`);
  if (target !== undefined) await make(context, { namespace, name }, target, run);
}

async function make(
  context: Context,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  postgres: PostgresTarget,
  run: Run,
): Promise<void> {
  const budget = {
    apiVersion: API_VERSION,
    kind: connectionBudgets.kind,
    metadata: {
      namespace,
      name,
      labels: { 'app.kubernetes.io/managed-by': 'spillway' },
      finalizers: [HOLDERS_FINALIZER],
    },
    spec: { postgres },
  };
  try {
    await context.world.budgets.writing(budget.metadata, () =>
      context.client.create(connectionBudgets, budget, { signal: run.signal }),
    );
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

/** Against the version that was read: the rows are capacity. Resolves with the budget as it is then. */
async function write(
  context: Context,
  live: KubeObject,
  before: ConnectionBudgetStatus,
  plan: BudgetPlan,
  asked: Asked,
  run: Run,
): Promise<KubeObject> {
  const generation = live.metadata.generation ?? 0;
  const status: ConnectionBudgetStatus = {
    observedGeneration: generation,
    conditions: mergeConditions(
      before.conditions,
      [
        ...budgetConditions(plan, live.metadata.deletionTimestamp !== undefined),
        ...sameServerCondition(plan),
        ...asked.judged,
      ],
      generation,
      context.now(),
    ) as Condition[],
    servers: [...plan.servers],
    ...(asked.observed.length === 0 ? {} : { observed: [...asked.observed] }),
    allotments: [...plan.allotments],
  };
  if (sameJson(status, before)) return live;
  const written = await context.world.budgets.writing(live.metadata, () =>
    context.client.update(
      connectionBudgets,
      { ...live, status },
      { subresource: 'status', signal: run.signal, brief: true },
    ),
  );
  for (const event of eventsOf(before.conditions, status.conditions ?? [])) {
    // That a budget is ready again whenever something was shared anew is no news.
    if (event.reason !== 'Shared') context.events.record(live, event);
  }
  return written;
}

/**
 * The finalizer stays while somebody holds; a budget that we made and nobody changed goes with its last pool. Each
 * against the version that the plan was made from and written to: a row that somebody added since is not lost with it.
 */
async function finish(context: Context, live: KubeObject, held: boolean, run: Run): Promise<void> {
  const { client, world } = context;
  const { namespace = '', name, uid, resourceVersion, generation } = live.metadata;
  const finalizers = live.metadata.finalizers ?? [];
  const deleting = live.metadata.deletionTimestamp !== undefined;
  const ours = live.metadata.labels?.['app.kubernetes.io/managed-by'] === 'spillway';
  const has = finalizers.includes(HOLDERS_FINALIZER);
  const rest = finalizers.filter((f) => f !== HOLDERS_FINALIZER);
  const version = { uid, resourceVersion };
  try {
    if (!held && !deleting && ours && generation === 1) {
      await client.delete(
        connectionBudgets,
        { namespace, name },
        { signal: run.signal, ...prune(version) },
      );
    } else if (!held && deleting && has) {
      const body = { metadata: { ...version, finalizers: rest } };
      await client.patch(connectionBudgets, { namespace, name }, body, { signal: run.signal });
    } else if (held && !deleting && !has) {
      const body = { metadata: { ...version, finalizers: [...finalizers, HOLDERS_FINALIZER] } };
      const ref = { namespace, name };
      await world.budgets.writing(ref, () =>
        client.patch(connectionBudgets, ref, body, { signal: run.signal }),
      );
    }
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

/** Another budget draws from it, and may have no row yet. */
function isDrawnFrom(world: World, live: KubeObject): boolean {
  const budgetKey = keyOf(live.metadata);
  return ROLES.some((role) => childrenOf(world, { budgetKey, role }).length > 0);
}

function prune(version: { uid: string | undefined; resourceVersion: string | undefined }) {
  return {
    ...(version.uid === undefined ? {} : { uid: version.uid }),
    ...(version.resourceVersion === undefined ? {} : { resourceVersion: version.resourceVersion }),
  };
}
