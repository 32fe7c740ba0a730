// Queries that are cancelled through a pool's Service, and what became of each. A cancel request is a connection of its
// own, which the Service leads to any pod.
import { randomInt } from 'node:crypto';
import { preStopOf } from '../../operator/core/drain/read-pod.ts';
import { POOL_LABEL } from '../../operator/core/pool/labels.ts';
import { pods as podType } from '../../operator/kube/types.ts';
import { sendCancel } from '../cluster/cancel.ts';
import { sleep } from '../cluster/run.ts';
import { client } from './client.ts';
import { pg, type Scene } from './scene.ts';

/** What became of queries that ran when their cancel was sent, and of others. */
export interface CancelReport {
  /** Milliseconds from each cancel to the error 57014 of its query. */
  readonly arrived: number[];
  /** Went on for `PATIENCE_MS` after their cancel, or ended as if there had been none. */
  readonly lost: string[];
  /** The same, of a pod that was deleted 10 s before, or sent when it came so far: docs/guide/zero-loss.md. */
  readonly tooLate: string[];
  /** Ended with their pod or connection before the cancel could reach them. */
  readonly ended: string[];
  /** Did not come so far that they could be cancelled: refused, or without a connection. */
  readonly unborn: string[];
}

const SLEEP_SECONDS = 20;
/** Well before the query would end by itself. */
const PATIENCE_MS = 8000;
/** So long after its deletion a pod is paused, and so forwards no cancel; clocks differ a little. */
const LAST_WORDS_MS = 9500;

/** Workers that let queries run and cancel them, from its making until `stop`. */
export class Cancels {
  readonly report: CancelReport = { arrived: [], lost: [], tooLate: [], ended: [], unborn: [] };
  readonly #scene: Scene;
  readonly #pool: string;
  /** By the address of a pod: its name, and when it was deleted. */
  readonly #pods = new Map<string, { name: string; deletedAt: number | undefined }>();
  /** By the mark of a query that runs: the address that it came to Postgres from. */
  #running = new Map<string, string>();
  /** Over when the last cancel has been passed on. */
  #turn: Promise<void> = Promise.resolve();
  #stopped = false;
  /** No worker waits for anything any more. */
  #over = false;
  readonly #done: Promise<unknown>;

  constructor(scene: Scene, pool: string, workers: number) {
    this.#scene = scene;
    this.#pool = pool;
    const all = Promise.all(Array.from({ length: workers }, (_, index) => this.#work(index)));
    const ended = all.finally(() => {
      this.#over = true;
    });
    const looks = [this.#lookAtPods(), this.#lookAtQueries()];
    this.#done = Promise.all([ended, ...looks]);
    // It is told by `stop`.
    this.#done.catch(() => undefined);
    scene.onRemove(() => this.stop());
  }

  async stop(): Promise<CancelReport> {
    this.#stopped = true;
    await this.#done;
    return this.report;
  }

  /** Every other worker holds its connection for as long as it has it. */
  async #work(index: number): Promise<void> {
    let held: pg.Client | undefined;
    for (let round = 0; !this.#stopped; round++) {
      const one = held ?? (await this.#connect());
      const goesOn = one !== undefined && (await this.#cancelOne(one, `cancel-${index}-${round}`));
      held = goesOn && index % 2 === 0 ? one : undefined;
      if (held === undefined) destroy(one);
      await sleep(randomInt(1500));
    }
    destroy(held);
  }

  async #connect(): Promise<pg.Client | undefined> {
    const login = this.#scene.login(this.#pool);
    const one = new pg.Client({ ...login, connectionTimeoutMillis: 10_000 });
    one.on('error', () => undefined);
    try {
      await one.connect();
      return one;
    } catch (error) {
      this.report.unborn.push(`connect: ${String(error)}`);
      return undefined;
    }
  }

  /** Resolves with whether its connection can be used again. */
  async #cancelOne(one: pg.Client, mark: string): Promise<boolean> {
    let result: { code?: string; message: string } | undefined;
    void one.query(`SELECT pg_sleep(${SLEEP_SECONDS}) /* ${mark} */`).then(
      () => {
        result = { message: 'it ended as if there had been no cancel' };
      },
      (error: Error & { code?: string }) => {
        result = error;
      },
    );
    const settled = () => result !== undefined;
    await eventually(() => settled() || this.#running.has(mark), SLEEP_SECONDS * 1000);
    const from = this.#running.get(mark) ?? '';
    if (settled() || from === '') {
      this.report.unborn.push(`${mark}: ${result?.message ?? 'it never ran'}`);
      return false;
    }
    await sleep(randomInt(400));
    const { host } = this.#scene.login(this.#pool);
    let sent = 0;
    const fault = await this.#inTurn(async () => {
      if (settled()) return undefined;
      sent = Date.now();
      return sendCancel(one, { host, port: 5432 }, PATIENCE_MS);
    });
    if (sent === 0) {
      this.report.ended.push(`${mark}: ${result?.message}`);
      return false;
    }
    await eventually(settled, PATIENCE_MS);
    const took = Date.now() - sent;
    if (result?.code === '57014') {
      this.report.arrived.push(took);
      return true;
    }
    const pod = this.#pods.get(from);
    const age = Date.now() - (pod?.deletedAt ?? Number.POSITIVE_INFINITY);
    const said = `${mark} at ${pod?.name ?? from}, sent ${new Date(sent).toISOString()}: ${fault ?? ''} ${result?.message ?? 'it went on'}`;
    if (age - took > LAST_WORDS_MS) this.report.tooLate.push(`${said}, ${age - took} ms old`);
    else if (result?.code === undefined && settled() && age > 0) this.report.ended.push(said);
    else this.report.lost.push(said);
    return false;
  }

  /**
   * Sends the cancel when those before have been passed on, unless the query has ended by then. While one is on its way
   * from a pod to another PgBouncer may lose the next (test/engines/live-peers.test.ts); whether pods find each other is
   * what is asked here.
   */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  async #lookAtPods(): Promise<void> {
    const labelSelector = `${POOL_LABEL}=${this.#pool}`;
    while (!this.#over) {
      const { items } = await client.list(podType, {
        namespace: this.#scene.namespace,
        labelSelector,
      });
      for (const pod of items) {
        const { podIP } = (pod.status ?? {}) as { podIP?: string };
        const deletedAt = preStopOf(pod)?.from;
        if (podIP !== undefined) this.#pods.set(podIP, { name: pod.metadata.name, deletedAt });
      }
      await sleep(100);
    }
  }

  async #lookAtQueries(): Promise<void> {
    const server = new pg.Client(this.#scene.rootLogin);
    server.on('error', () => undefined);
    await server.connect();
    try {
      while (!this.#over) {
        const { rows } = await server.query<{ mark: string; host: string }>(
          `SELECT substring(query from '/[*] (cancel-[0-9]+-[0-9]+) [*]/$') AS mark, host(client_addr) AS host
            FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'`,
        );
        this.#running = new Map(rows.map(({ mark, host }) => [mark, host]));
        await sleep(50);
      }
    } finally {
      await server.end();
    }
  }
}

async function eventually(holds: () => boolean, milliseconds: number): Promise<void> {
  for (const end = Date.now() + milliseconds; !holds() && Date.now() < end; ) await sleep(10);
}

/** Not `end`, which would wait for the answer to a query that was not cancelled. */
function destroy(one: pg.Client | undefined): void {
  (
    one as unknown as { connection: { stream: { destroy(): void } } } | undefined
  )?.connection.stream.destroy();
}
