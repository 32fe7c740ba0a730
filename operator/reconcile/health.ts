// What the looks at the consoles say of each pool's health: conditions that change rarely, and numbers for the metrics.
// The history is kept in memory; after a restart the conditions go on from what the status says.
import type { Condition } from '../api/conditions.ts';
import type { ConnectionPool } from '../api/resources.ts';
import { saturatedFinding, starvingFinding } from '../core/health/findings.ts';
import { SILENCE_SECONDS } from '../core/health/judgement.ts';
import { type Look, lookOf, type Totals } from '../core/health/look.ts';
import { judgePool, type PoolHealth } from '../core/health/pool-health.ts';
import { between, type Interval } from '../core/health/rates.ts';
import { axisNameOf } from '../core/plan-pool.ts';
import type { Finding } from '../core/pool/findings.ts';
import { POOL_LABEL } from '../core/pool/labels.ts';
import { numbersOf, processKey } from '../core/pool/read.ts';
import type { Engine, Observation } from '../engines/engine.ts';
import type { KubeObject } from '../kube/types.ts';
import { asPool } from './gather.ts';
import { statusOf, type World } from './world.ts';

/** What was last seen of one process. */
export interface Seen {
  readonly look: Look;
  /** Since the look before; absent after the first one. */
  readonly interval?: Interval;
}

export interface PoolRecord {
  readonly uid: string;
  /** By `processKey`. */
  readonly processes: Map<string, Seen>;
  /** Counted since this operator leads, over pods that come and go. */
  counted: Totals;
  health: PoolHealth;
}

export interface HealthOptions {
  readonly world: Pick<World, 'pools' | 'pods'>;
  readonly engine: Engine;
  /** Called when a judgement about a pool has changed. */
  readonly onChange: (poolKey: string) => void;
}

/** Looks that come sooner say nothing new; seconds. */
const LOOK_SECONDS = 5;

export class Health {
  readonly #options: HealthOptions;
  readonly #records = new Map<string, PoolRecord>();

  constructor(options: HealthOptions) {
    this.#options = options;
    const { pools, pods } = options.world;
    pools.onChange((change) => {
      if (change.type === 'deleted') this.#records.delete(change.key);
    });
    pods.onChange((change) => {
      if (change.type !== 'deleted') return;
      const { uid = '', namespace, labels } = change.old.metadata;
      const record = this.#records.get(`${namespace}/${labels?.[POOL_LABEL]}`);
      for (const process of numbersOf(change.old))
        record?.processes.delete(processKey(uid, process));
    });
  }

  /** By `namespace/name`; only pools of which a process was seen. */
  get records(): ReadonlyMap<string, PoolRecord> {
    return this.#records;
  }

  /** One look at a process, by its `processKey`; `now` in milliseconds since 1970. */
  look(poolKey: string, id: string, observation: Observation, now: number): void {
    const object = this.#options.world.pools.getKey(poolKey);
    if (object === undefined) return;
    const record = this.#recordOf(poolKey, object);
    const axis = axisNameOf(asPool(object).spec);
    const before = record.processes.get(id)?.look;
    // A process that is to follow a change is asked ten times a second.
    if (before !== undefined && now / 1000 - before.at < LOOK_SECONDS) return;
    const look = lookOf(observation, axis, this.#options.engine, now / 1000);
    const interval = between(before, look);
    record.processes.set(id, { look, ...(interval === undefined ? {} : { interval }) });
    if (interval !== undefined) record.counted = plus(record.counted, interval);
    const was = record.health;
    const looks = freshOf(record, look.at).map((seen) => seen.look);
    record.health = judgePool(was, looks, look.at);
    if (said(was) !== said(record.health)) this.#options.onChange(poolKey);
  }

  /** Nothing for a pool of which no process was ever seen. */
  findings(pool: ConnectionPool): Finding[] {
    const health = this.#healthOf(pool);
    if (health === undefined) return [];
    return [
      saturatedFinding(health.saturated.holds),
      starvingFinding(health.starving.holds, health.sharers),
    ];
  }

  /** See `HolderConfig.sharers`. */
  sharersOf(pool: ConnectionPool): number | undefined {
    return this.#recorded(pool)?.health.sharers ?? pool.status.sharers;
  }

  #recorded({ metadata }: ConnectionPool): PoolRecord | undefined {
    const record = this.#records.get(`${metadata.namespace}/${metadata.name}`);
    return record?.uid === metadata.uid ? record : undefined;
  }

  #healthOf(pool: ConnectionPool): PoolHealth | undefined {
    const record = this.#recorded(pool);
    if (record !== undefined) return record.health;
    const was = pool.status.conditions?.some(({ type }) => type === 'Saturated');
    return was === true ? fromStatus(pool.status) : undefined;
  }

  #recordOf(key: string, object: KubeObject): PoolRecord {
    const { uid = '' } = object.metadata;
    const known = this.#records.get(key);
    if (known?.uid === uid) return known;
    const record: PoolRecord = {
      uid,
      processes: new Map(),
      counted: {
        transactions: 0,
        queries: 0,
        assignments: 0,
        transactionSeconds: 0,
        waitSeconds: 0,
      },
      health: fromStatus(statusOf(object)),
    };
    this.#records.set(key, record);
    return record;
  }
}

/** Without processes that have not answered for a while: nobody knows how they are. `now` in seconds since 1970. */
export function freshOf(record: PoolRecord, now: number): Seen[] {
  return [...record.processes.values()].filter(({ look }) => now - look.at <= SILENCE_SECONDS);
}

function fromStatus(status: {
  readonly conditions?: readonly Condition[] | undefined;
  readonly sharers?: number | undefined;
}): PoolHealth {
  const holds = (name: string) =>
    status.conditions?.some(({ type, status: value }) => type === name && value === 'True') ===
    true;
  return {
    saturated: { holds: holds('Saturated') },
    starving: { holds: holds('Starving') },
    ...(status.sharers === undefined ? {} : { sharers: status.sharers }),
  };
}

function said({ saturated, starving, sharers }: PoolHealth): string {
  return `${saturated.holds} ${starving.holds} ${sharers}`;
}

function plus(a: Totals, b: Totals): Totals {
  return {
    transactions: a.transactions + b.transactions,
    queries: a.queries + b.queries,
    assignments: a.assignments + b.assignments,
    transactionSeconds: a.transactionSeconds + b.transactionSeconds,
    waitSeconds: a.waitSeconds + b.waitSeconds,
  };
}
