// Load through a pool, and what a server and a ledger hold meanwhile, looked at every 50 ms.
import { randomUUID } from 'node:crypto';
import type { ConnectionBudgetStatus } from '../../operator/api/connection-budget.ts';
import { configMaps } from '../../operator/kube/types.ts';
import { connectionBudgets, connectionPools, statusOf } from '../../operator/reconcile/world.ts';
import { CommandError, sleep, until } from '../cluster/run.ts';
import { client } from './client.ts';
import { pg, type Scene } from './scene.ts';

export interface BenchOptions {
  readonly clients?: number;
  /** A connection for each transaction. */
  readonly reconnect?: boolean;
  /** A thread for each client: while a thread connects, none of its clients goes on, whatever they hold. */
  readonly threads?: boolean;
  /** Transactions per second of all clients. */
  readonly rate?: number;
  /** Name that its clients connect to; `app` when left out. */
  readonly database?: string;
  /** What the server calls that, where it differs. */
  readonly dbname?: string;
}

export interface BenchResult {
  readonly transactions: number;
  readonly failed: number;
}

/** How far pgbench came where clients may be ended: it gives up one that has lost its connection. */
export interface BenchCount {
  readonly done: number;
  /** Clients that were ended inside of a transaction. */
  readonly failed: number;
  /** Clients whose BEGIN was refused, or met a connection that had been closed. */
  readonly refused: number;
  /** Clients that did not get a connection. */
  readonly unconnected: number;
  readonly errors: readonly string[];
}

/**
 * A transaction that holds its connection for some milliseconds, so that every connection is wanted. Not as prepared
 * statements: pgbench prepares while its thread waits, and so waits for ever for connections of its own clients.
 */
const script = 'BEGIN;\nSELECT pg_sleep(0.01);\nCOMMIT;\n';

/** pgbench, which runs through a pool's Service until it is stopped. */
export class Bench {
  readonly #scene: Scene;
  readonly #id = randomUUID().slice(0, 8);
  readonly #report: Promise<string>;

  /** Returns when its transactions run. */
  static async start(scene: Scene, pool: string, options: BenchOptions = {}): Promise<Bench> {
    const bench = new Bench(scene, pool, options);
    const { database = 'app', dbname = database } = options;
    const working = until('pgbench works', 30, async () => {
      const rows = await scene.root(
        `SELECT 1 FROM pg_stat_activity WHERE datname = '${dbname}' AND state = 'active' AND usename <> 'postgres'`,
      );
      return rows.length > 0;
    });
    // An end before that is its failure.
    await Promise.race([working, bench.#report.then(() => working)]);
    return bench;
  }

  private constructor(scene: Scene, pool: string, options: BenchOptions) {
    const { clients = 40, reconnect = false, threads = false, rate, database = 'app' } = options;
    this.#scene = scene;
    const file = `/tmp/${this.#id}`;
    const shell = `printf '${script.replaceAll('\n', '\\n')}' > ${file}.sql; echo $$ > ${file}.pid; exec pgbench "$@"`;
    this.#report = scene.beside([
      ...['sh', '-c', shell, 'sh', '--no-vacuum', `--file=${file}.sql`, `--host=${pool}`],
      ...[`--client=${clients}`, `--jobs=${threads ? clients : 2}`, '--time=600'],
      ...(reconnect ? ['--connect'] : []),
      ...(rate === undefined ? [] : [`--rate=${rate}`]),
      database,
    ]);
    // It is told by `stop`.
    this.#report.catch(() => undefined);
    scene.onRemove(() => this.#end());
  }

  /**
   * Lets every client finish its transaction. Rejects when one has lost its connection, was refused one, or has
   * failed a transaction.
   */
  async stop(): Promise<BenchResult> {
    await Promise.race([this.#end(), this.#report]);
    const report = await this.#report;
    const number = (pattern: RegExp) => Number(pattern.exec(report)?.[1] ?? Number.NaN);
    const result = {
      transactions: number(/^number of transactions actually processed: ([0-9]+)/m),
      failed: number(/^number of failed transactions: ([0-9]+)/m),
    };
    if (result.failed !== 0 || !(result.transactions > 0)) throw new Error(report);
    return result;
  }

  /** The same, whatever has become of the clients. Rejects when nothing was reported. */
  async count(): Promise<BenchCount> {
    await this.#end().catch(() => undefined);
    const { stdout: report, stderr: errors } = await this.#report.then(
      (stdout) => ({ stdout, stderr: '' }),
      (error: unknown) => {
        if (!(error instanceof CommandError)) throw error;
        return error.result;
      },
    );
    const done = /^number of transactions actually processed: ([0-9]+)/m.exec(report)?.[1];
    if (done === undefined) throw new Error(`${report}\n${errors}`);
    const lines = errors.split('\n').filter((line) => line.includes(' client '));
    const ended = lines.filter((line) => line.includes(' aborted '));
    const refused = ended.filter((line) => / in command 0 /.test(line)).length;
    const unconnected = ended.filter((line) => line.includes('establishing connection')).length;
    const failed = ended.length - refused - unconnected;
    return { done: Number(done), failed, refused, unconnected, errors: ended };
  }

  /** By the signal with which pgbench tells itself that its time is over. */
  #end(): Promise<string> {
    return this.#scene.beside(['sh', '-c', `kill -ALRM $(cat /tmp/${this.#id}.pid)`]);
  }
}

export interface Look {
  readonly at: number;
  /** Sessions of the role `app` in Postgres. */
  readonly sessions: number;
  /** Sums over all pools of the namespace, each of one list, which is of one moment. */
  readonly rows: number;
  readonly grants: number;
  readonly files: number;
  readonly budget: number;
}

/** For `checkHeld`: a look is of one moment. */
export function heldIn(looks: readonly Look[]): { from: number; to: number; held: number }[] {
  return looks.map(({ at, sessions }) => ({ from: at, to: at, held: sessions }));
}

/** Looks every 50 ms until it is stopped. */
export class Watch {
  readonly looks: Look[] = [];
  readonly #scene: Scene;
  #stopped = false;
  readonly #done: Promise<void>;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#done = this.#run();
    // It is told by `stop`.
    this.#done.catch(() => undefined);
    scene.onRemove(() => this.stop());
  }

  /** Ends it and returns all looks. Throws where a look has failed. */
  async stop(): Promise<readonly Look[]> {
    this.#stopped = true;
    await this.#done;
    return this.looks;
  }

  max(what: Exclude<keyof Look, 'at'>): number {
    return Math.max(0, ...this.looks.map((look) => look[what]));
  }

  async #run(): Promise<void> {
    const server = new pg.Client({ ...this.#scene.rootLogin });
    // The query in hand fails with it.
    server.on('error', () => undefined);
    await server.connect();
    try {
      while (!this.#stopped) {
        const started = performance.now();
        this.looks.push(await this.#look(server));
        await sleep(Math.max(0, 50 - (performance.now() - started)));
      }
    } finally {
      await server.end();
    }
  }

  async #look(server: pg.Client): Promise<Look> {
    const { namespace } = this.#scene;
    const [sessions, pools, budgets, maps] = await Promise.all([
      server.query<{ n: number }>(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = 'app'",
      ),
      client.list(connectionPools, { namespace }),
      client.list(connectionBudgets, { namespace }),
      client.list(configMaps, { namespace, labelSelector: 'spillway.dev/pool' }),
    ]);
    const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
    const ledger = budgets.items.map((b) => (b.status ?? {}) as ConnectionBudgetStatus);
    return {
      at: Date.now(),
      sessions: sessions.rows[0]?.n ?? 0,
      rows: sum(ledger.flatMap((l) => l.allotments ?? []).map((row) => row.connections)),
      grants: sum(pools.items.flatMap((p) => statusOf(p).grants ?? []).map((g) => g.connections)),
      files: sum(maps.items.map((map) => capsOf(map.data as Record<string, string>))),
      budget: sum(ledger.flatMap((l) => l.servers ?? []).map((server) => server.budget)),
    };
  }
}

/** What the files of a pool let its processes open together; of one holder's files the largest counts. */
function capsOf(data: Readonly<Record<string, string>> = {}): number {
  const byHolder = new Map<string, number>();
  for (const [key, text] of Object.entries(data)) {
    const holder = key.slice(0, key.indexOf('.'));
    const caps = [...text.matchAll(/^'.*' =.* max_user_connections=([0-9]+)/gm)];
    const sum = caps.reduce((total, [, n]) => total + Number(n), 0);
    byHolder.set(holder, Math.max(byHolder.get(holder) ?? 0, sum));
  }
  return [...byHolder.values()].reduce((a, b) => a + b, 0);
}
