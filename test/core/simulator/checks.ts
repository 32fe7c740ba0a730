// What must be true after every step, of the true state: nothing here looks at what an operator believes.
import { BUDGET, holderOf, mapKey, ORDINALS, PLACES, poolKey, SLOTS, setKey } from './objects.ts';
import { potential } from './processes.ts';
import type { Step, World } from './world.ts';

export interface Truth {
  /** Most server connections that all processes can come to hold without another write. */
  readonly possible: number;
  /** The same, and what rows, allotments and grants may still become. */
  readonly committed: number;
  /** A holder that can hold more than its grant, in words. */
  readonly beyondGrant: string | undefined;
}

export function truthOf(world: World): Truth {
  const { server } = world;
  const rows = new Map(
    (server.read(BUDGET, 'budget')?.rows ?? []).map((r) => [r.uid, r.connections]),
  );
  let possible = 0;
  let committed = 0;
  let beyondGrant: string | undefined;
  const byPool = new Map<string, number>();
  for (let slot = 0; slot < SLOTS; slot++) {
    const pool = server.read(poolKey(slot), 'pool');
    const grants = new Map(pool?.grants.map((g) => [g.holder, g.connections]));
    for (const { ordinal, process } of PLACES) {
      const pod = world.pod(slot, ordinal);
      if (pod === undefined || process >= pod.processes) continue;
      const most = potential(
        world.machine(slot, ordinal)?.processes.get(process),
        world.fileInVolume(slot, ordinal, process),
      );
      possible += most;
      if (pod.poolUid === pool?.uid) {
        const holder = holderOf(slot, ordinal, process);
        const granted = grants.get(holder) ?? 0;
        if (most > granted) beyondGrant ??= `${holder} can hold ${most}, its grant is ${granted}`;
        grants.set(holder, Math.max(granted, most));
      } else {
        byPool.set(pod.poolUid, (byPool.get(pod.poolUid) ?? 0) + most);
      }
    }
    if (pool === undefined) continue;
    const granted = [...grants.values()].reduce((a, b) => a + b, 0);
    const row = rows.get(pool.uid) ?? 0;
    rows.delete(pool.uid);
    committed += Math.max(row, pool.allotment?.connections ?? 0, granted);
  }
  // A row that somebody wrote again for a pool of which nothing is left gives nothing to anybody.
  for (const [uid, row] of rows)
    if (remains(world, uid)) byPool.set(uid, Math.max(row, byPool.get(uid) ?? 0));
  for (const most of byPool.values()) committed += most;
  return { possible, committed, beyondGrant };
}

function remains(world: World, uid: string): boolean {
  for (let slot = 0; slot < SLOTS; slot++) {
    if (world.server.read(mapKey(slot), 'map')?.poolUid === uid) return true;
    if (world.server.read(setKey(slot), 'set')?.poolUid === uid) return true;
    for (let ordinal = 0; ordinal < ORDINALS; ordinal++)
      if (world.pod(slot, ordinal)?.poolUid === uid) return true;
  }
  return false;
}

/** Steps that change what somebody knows, and nothing of what is. */
export const knowledge: ReadonlySet<Step['do']> = new Set([
  'see',
  'controllerSees',
  'reconcileBudget',
  'reconcilePool',
  'askLive',
  'askGone',
  'lookMark',
  'lookCount',
  'drop',
  'impatience',
  'crash',
] as const);

/** Follows the truth through a sequence and says in words what was broken first. */
export class Monitor {
  #ceiling = Number.POSITIVE_INFINITY;
  #committed = 0;
  /** Also the rules between the ledger's parts, which fail earlier than the promise does. */
  readonly #strict: boolean;

  constructor(strict: boolean) {
    this.#strict = strict;
  }

  /**
   * The promise: what is possible is at most the budget. When the budget falls, what was committed then stays
   * possible until it has been given back, and never comes again.
   */
  check(world: World, step: Step): string | undefined {
    if (knowledge.has(step.do)) return undefined;
    const { possible, committed, beyondGrant } = truthOf(world);
    const budget = world.server.read(BUDGET, 'budget')?.total ?? 0;
    const before = this.#committed;
    this.#ceiling = Math.max(budget, Math.min(this.#ceiling, committed));
    this.#committed = committed;
    if (possible > this.#ceiling)
      return `PROMISE: ${possible} connections are possible, the ceiling is ${this.#ceiling} (budget ${budget})`;
    if (!this.#strict) return undefined;
    if (committed > Math.max(budget, before))
      return `ROWS: committed went from ${before} to ${committed}, the budget is ${budget}`;
    if (beyondGrant !== undefined) return `GRANT: ${beyondGrant}`;
    return undefined;
  }
}
