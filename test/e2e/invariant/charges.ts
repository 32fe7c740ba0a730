// The log of charges: every version of every ConnectionBudget, ConnectionPool and ConfigMap of files in a namespace,
// as a watch brings them, put in the order in which they were written. So not samples are judged but each state that
// the ledger was ever in.
import type {
  AllotmentRecord,
  ConnectionBudgetStatus,
} from '../../../operator/api/connection-budget.ts';
import { POOL_LABEL, POOL_UID_LABEL } from '../../../operator/core/pool/labels.ts';
import { parseFileKey } from '../../../operator/core/pool/names.ts';
import { dataOf } from '../../../operator/core/pool/read.ts';
import { pgbouncer } from '../../../operator/engines/pgbouncer/index.ts';
import { Lines } from '../../../operator/kube/lines.ts';
import { configMaps, type KubeObject, type ResourceType } from '../../../operator/kube/types.ts';
import { parseLine } from '../../../operator/kube/watch-line.ts';
import { connectionBudgets, connectionPools, statusOf } from '../../../operator/reconcile/world.ts';
import { client } from '../client.ts';

/** What one version of an object says; `what` is undefined when the object has gone. */
interface Entry {
  /** Of the whole store: etcd counts the writes of all objects in one row. */
  readonly version: number;
  /** When it was seen here, by performance.now(). */
  readonly at: number;
  readonly kind: 'budget' | 'pool' | 'files';
  /** Of the pool, or of the budget. */
  readonly uid: string;
  readonly what: BudgetSays | PoolSays | ReadonlyMap<string, number> | undefined;
}
interface BudgetSays {
  readonly total: number;
  readonly rows: ReadonlyMap<string, number>;
}
interface PoolSays {
  readonly taken: number;
  readonly grants: ReadonlyMap<string, number>;
}

export interface Judgement {
  /** Versions that were judged. */
  readonly writes: number;
  /** Each breach of the ledger's rule, in words. */
  readonly breaches: readonly string[];
  /** The most that was ever charged. */
  readonly most: number;
  /** From `at` on, the budget, or what was charged when it fell and is still to be given back. */
  readonly ceilings: readonly { readonly at: number; readonly ceiling: number }[];
  /** What each holder's files said at that time, as it was seen here. */
  readonly filesAt: (at: number) => ReadonlyMap<string, number>;
}

/** Watches from its making until `stop`. */
export class Charges {
  readonly #entries: Entry[] = [];
  readonly #end = new AbortController();
  readonly #watches: Promise<void>[] = [];

  /** Returns when all that is there has been read. */
  static async start(namespace: string): Promise<Charges> {
    const charges = new Charges();
    for (const type of [connectionBudgets, connectionPools, configMaps]) {
      const list = await client.list(type, { namespace });
      for (const object of list.items) charges.#take(type, object, false);
      const watch = charges.#watch(type, namespace, list.resourceVersion);
      watch.catch(() => undefined);
      charges.#watches.push(watch);
    }
    return charges;
  }

  /** Throws where a watch has lost anything. */
  async stop(): Promise<void> {
    this.#end.abort();
    await Promise.all(this.#watches);
  }

  async #watch(type: ResourceType, namespace: string, from: string): Promise<void> {
    const { signal } = this.#end;
    let resourceVersion = from;
    const lines = () =>
      new Lines((line) => {
        const event = parseLine<KubeObject>(line);
        if (event.type === 'ERROR') throw event.error;
        resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
        if (event.type !== 'BOOKMARK') this.#take(type, event.object, event.type === 'DELETED');
      });
    while (!signal.aborted) {
      const open = lines();
      const onChunk = (chunk: Buffer) => open.push(chunk);
      const times = { timeoutSeconds: 600, idleSeconds: 200 };
      const onOpen = () => undefined;
      const options = { namespace, resourceVersion, signal, onOpen, onChunk, ...times };
      await client.watch(type, options).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  #take(type: ResourceType, object: KubeObject, deleted: boolean): void {
    const { uid = '', resourceVersion, labels } = object.metadata;
    const entry = { version: Number(resourceVersion), at: performance.now() };
    if (type === connectionBudgets) {
      const what = deleted ? undefined : budgetSays(object);
      this.#entries.push({ ...entry, kind: 'budget', uid, what });
    } else if (type === connectionPools) {
      const what = deleted ? undefined : poolSays(object);
      this.#entries.push({ ...entry, kind: 'pool', uid, what });
    } else if (labels?.[POOL_UID_LABEL] !== undefined) {
      const what = deleted ? undefined : filesSay(object);
      this.#entries.push({ ...entry, kind: 'files', uid: labels[POOL_UID_LABEL] ?? '', what });
    }
  }

  /** Follows all versions in their order: what is charged may be more than the budget only while it shrinks. */
  judge(): Judgement {
    const entries = [...this.#entries].sort((a, b) => a.version - b.version);
    const budgets = new Map<string, BudgetSays>();
    const pools = new Map<string, PoolSays>();
    const files = new Map<string, ReadonlyMap<string, number>>();
    const stores = { budget: budgets, pool: pools, files } as const;
    const breaches: string[] = [];
    const ceilings: { at: number; ceiling: number }[] = [];
    let before = 0;
    let ceiling = Number.POSITIVE_INFINITY;
    let most = 0;
    let at = 0;
    for (const entry of entries) {
      const store = stores[entry.kind] as Map<string, Entry['what']>;
      if (entry.what === undefined) store.delete(entry.uid);
      else store.set(entry.uid, entry.what);
      const budget = [...budgets.values()][0];
      if (budget === undefined) continue;
      const charged = chargesOf(budget, pools, files);
      if (charged > Math.max(budget.total, before))
        breaches.push(
          `version ${entry.version} (${entry.kind} ${entry.uid}): charged went from ${before} to ${charged}, the budget is ${budget.total}`,
        );
      ceiling = Math.max(budget.total, Math.min(ceiling, charged));
      before = charged;
      most = Math.max(most, charged);
      at = Math.max(at, entry.at);
      if (ceilings.at(-1)?.ceiling !== ceiling) ceilings.push({ at, ceiling });
    }
    const filesAt = (at: number) => filesOf(entries.filter((entry) => entry.at <= at));
    return { writes: entries.length, breaches, most, ceilings, filesAt };
  }
}

/** What each holder's files say after these versions. */
function filesOf(entries: readonly Entry[]): Map<string, number> {
  const files = new Map<string, ReadonlyMap<string, number>>();
  for (const { kind, uid, what } of entries) {
    if (kind === 'files') files.set(uid, (what ?? new Map()) as ReadonlyMap<string, number>);
  }
  return new Map([...files.values()].flatMap((says) => [...says]));
}

/** The sum over all pools: the largest of its row, what it has taken, and what its holders are charged. */
function chargesOf(
  budget: BudgetSays,
  pools: ReadonlyMap<string, PoolSays>,
  files: ReadonlyMap<string, ReadonlyMap<string, number>>,
): number {
  let sum = 0;
  for (const uid of new Set([...budget.rows.keys(), ...pools.keys(), ...files.keys()])) {
    const { taken = 0, grants = new Map<string, number>() } = pools.get(uid) ?? {};
    const says = files.get(uid) ?? new Map<string, number>();
    let held = 0;
    for (const holder of new Set([...grants.keys(), ...says.keys()]))
      held += Math.max(grants.get(holder) ?? 0, says.get(holder) ?? 0);
    sum += Math.max(budget.rows.get(uid) ?? 0, taken, held);
  }
  return sum;
}

function budgetSays(object: KubeObject): BudgetSays {
  const { total = Number.NaN } = object.spec as { total?: number };
  const { allotments = [] } = (object.status ?? {}) as ConnectionBudgetStatus;
  return {
    total,
    rows: new Map(allotments.map((row: AllotmentRecord) => [row.uid, row.connections])),
  };
}

function poolSays(object: KubeObject): PoolSays {
  const { allotment, grants = [] } = statusOf(object);
  const byHolder = new Map(grants.map((grant) => [grant.holder, grant.connections]));
  return { taken: allotment?.connections ?? 0, grants: byHolder };
}

/** What each holder's files let it open; under several epochs the largest. */
function filesSay(object: KubeObject): Map<string, number> {
  const { labels = {} } = object.metadata;
  const pool = { name: labels[POOL_LABEL] ?? '', uid: labels[POOL_UID_LABEL] ?? '' };
  const most = new Map<string, number>();
  for (const [key, text] of Object.entries(dataOf(object))) {
    const holder = parseFileKey(pool, key)?.holder;
    if (holder === undefined) continue;
    const file = pgbouncer.readHolderFile(text);
    const connections = 'error' in file ? Number.POSITIVE_INFINITY : file.connections;
    most.set(holder, Math.max(most.get(holder) ?? 0, connections));
  }
  return most;
}

/** The highest ceiling that was in force at any time between the two. */
export function ceilingBetween(ceilings: Judgement['ceilings'], from: number, to: number): number {
  const first = ceilings.findLastIndex(({ at }) => at <= from);
  let highest = 0;
  for (let i = Math.max(0, first); i < ceilings.length; i++) {
    const { at, ceiling } = ceilings[i] ?? { at: 0, ceiling: 0 };
    if (i > first && at > to) break;
    highest = Math.max(highest, ceiling);
  }
  return highest;
}
