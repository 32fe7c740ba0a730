// Reconciles one ConnectionBudget: makes it where the owner has none, and writes its ledger.
import type { Condition } from '../api/conditions.ts';
import type {
  ConnectionBudgetSpec,
  ConnectionBudgetStatus,
  ObservedServer,
} from '../api/connection-budget.ts';
import { API_VERSION } from '../api/resources.ts';
import { budgetConditions } from '../core/budget-conditions.ts';
import { budgetTarget } from '../core/budget-name.ts';
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
import { type KubeObject, refOf } from '../kube/types.ts';
import type { Found } from '../postgres/adapter.ts';
import { after, done, type Outcome, type Run } from '../runtime/controller.ts';
import { type Asked, askedOf } from './budget-asked.ts';
import type { Context } from './context.ts';
import { allAsked, asPool, axisFor, chargeOf } from './gather.ts';
import { eventsOf } from './news.ts';
import { sameJson } from './same.ts';
import { factsWith } from './server-facts.ts';
import { connectionBudgets } from './world.ts';

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
    const [first] = pools;
    if (first !== undefined) await create(context, namespace, name, first, run);
    return done;
  }
  const spec = live.spec as ConnectionBudgetSpec;
  const status = (live.status ?? {}) as ConnectionBudgetStatus;
  const asked = askedOf(context, key, pools, status);
  const servers = serversOf(context, key, pools, asked.observed);
  const inView = new Set(pools.map((pool) => pool.metadata.uid));
  const unseen = (status.allotments ?? []).filter((row) => !inView.has(row.uid));
  const isProven = await context.proofs.look(context, key, unseen, run);
  const input: Omit<BudgetInput, 'inParts'> = {
    spec,
    status,
    pools: pools.map((pool) => poolOf(context, pool, namespace, spec, servers)),
    servers,
    gone: (uid) => context.proofs.of(key, uid),
    mayRaise: pools.every((pool) => allAsked(context, asPool(pool))),
    // What read pools still have on a replica that was promoted comes on top of what the primary's pools have.
    heldBack: new Set(
      pools.some((pool) => context.renewals.mayBeOnPrimary(pool)) ? ['primary'] : [],
    ),
  };
  const { plan, seconds } = context.waiting.plan(
    waitingKey(key),
    (inParts) => planBudget({ ...input, inParts }),
    ({ withheld }) => withheld,
  );
  const written = await write(context, live, status, plan, asked, run);
  await finish(context, written, plan, pools.length, run);
  const times = [seconds, isProven ? undefined : ASK_AGAIN_SECONDS].filter((t) => t !== undefined);
  return times.length === 0 ? done : after(Math.min(...times));
}

function waitingKey(budgetKey: string): string {
  return `ConnectionBudget ${budgetKey}`;
}

function poolOf(
  context: Context,
  object: KubeObject,
  namespace: string,
  budget: ConnectionBudgetSpec,
  servers: ReadonlyMap<Role, Found>,
): BudgetPool {
  const asked = asPool(object);
  const server = servers.get(asked.spec.postgres.role);
  const facts = server?.ok === true ? server.facts : undefined;
  const spec = specWithUsers(asked.spec, facts);
  const pool = { ...asked, spec };
  const axis = axisFor(context, pool);
  const refused = !mayAttach(pool.metadata.namespace, namespace, budget)
    ? 'its namespace may not attach pools'
    : !axis.ok
      ? axis.fault.reason
      : spec.users === undefined
        ? 'nobody says who its users are'
        : undefined;
  const max = namespaceMax(pool.metadata.namespace, namespace, budget);
  return {
    uid: pool.metadata.uid,
    namespace: pool.metadata.namespace,
    name: pool.metadata.name,
    createdAt: object.metadata.creationTimestamp ?? '',
    spec: pool.spec,
    entries: axis.ok ? axis.entries.length : 1,
    ...(max === undefined ? {} : { namespaceMax: max }),
    role: pool.spec.postgres.role,
    ...(pool.status.allotment === undefined ? {} : { taken: pool.status.allotment }),
    charge: chargeOf(context, pool, axis),
    ...(refused === undefined ? {} : { refused }),
  };
}

/** In the roles that pools ask for. */
function serversOf(
  context: Context,
  key: string,
  pools: readonly KubeObject[],
  observed: readonly ObservedServer[],
): Map<Role, Found> {
  const roles = new Set(pools.map((pool) => asPool(pool).spec.postgres.role));
  return new Map([...roles].map((role) => [role, factsWith(context, key, role, observed)]));
}

async function create(
  context: Context,
  namespace: string,
  name: string,
  pool: KubeObject,
  run: Run,
): Promise<void> {
  const postgres = budgetTarget(asPool(pool).spec.postgres);
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
      [...budgetConditions(plan), ...asked.judged],
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
async function finish(
  context: Context,
  live: KubeObject,
  plan: BudgetPlan,
  pools: number,
  run: Run,
): Promise<void> {
  const { client, world } = context;
  const { namespace = '', name, uid, resourceVersion, generation } = live.metadata;
  const finalizers = live.metadata.finalizers ?? [];
  const deleting = live.metadata.deletionTimestamp !== undefined;
  const held = plan.allotments.length > 0 || pools > 0;
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

function prune(version: { uid: string | undefined; resourceVersion: string | undefined }) {
  return {
    ...(version.uid === undefined ? {} : { uid: version.uid }),
    ...(version.resourceVersion === undefined ? {} : { resourceVersion: version.resourceVersion }),
  };
}
