// Measures what 200 clients get, with and without a pool.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execIn, kubectl, type Login, psql } from '../e2e.ts';
import { sleep } from '../run.ts';

export type Throughput = {
  /** Runs of page.sql per second. */
  rate: number;
  /** Mean time of a run, in milliseconds, the wait for a connection included. */
  latency: number;
  /** The most sessions of clients that Postgres had at once. */
  sessions: number;
  /** Memory of Postgres' processes, halfway. */
  megabytes: number;
};

export const clients = 200;
const seconds = 8;

/** Fills pgbench's tables, once. */
export async function prepare(namespace: string, host: string): Promise<void> {
  await execIn(namespace, 'pgbench', [
    ...['pgbench', `--host=${host}`, '--initialize', '--scale=20', '--quiet'],
  ]);
}

/** Runs pgbench from its pod against `host`, while looking at the server with `login`. */
export async function measure(namespace: string, host: string, login: Login): Promise<Throughput> {
  let running = true;
  // Not with --protocol=prepared: pgbench waits for a statement to be prepared before it goes on with
  // its other clients, one of which may hold the very connection that this waits for.
  const command = [
    ...['pgbench', `--host=${host}`, `--client=${clients}`, '--jobs=2', `--time=${seconds}`],
    ...['--no-vacuum', '--file=/dev/stdin'],
  ];
  const bench = kubectl(
    ['exec', '--stdin', `--namespace=${namespace}`, 'pgbench', '--', ...command],
    {
      input: readFileSync(join(import.meta.dirname, 'page.sql'), 'utf8'),
    },
  ).finally(() => {
    running = false;
  });
  let sessions = 0;
  const count = async () => {
    while (running) {
      const [row] = await psql(
        login,
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
      );
      sessions = Math.max(sessions, Number(row?.n));
      await sleep(500);
    }
  };
  const weigh = async () => {
    await sleep((seconds / 2) * 1000);
    return memory(namespace);
  };
  const [report, megabytes] = await Promise.all([bench, weigh(), count()]);
  const rate = Number(/^tps = ([\d.]+)/m.exec(report)?.[1]);
  const latency = Number(/^latency average = ([\d.]+) ms/m.exec(report)?.[1]);
  return { rate, latency, sessions, megabytes };
}

/** Memory of all processes of Postgres together, what they share counted once. */
async function memory(namespace: string): Promise<number> {
  const sum =
    "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ { kb += $2 } END { print kb }'";
  return Number(await execIn(namespace, 'shop-db-0', ['sh', '-c', sum])) / 1024;
}

/** The mean of several measurements, but the most sessions of any. */
export function mean(all: readonly Throughput[]): Throughput {
  const of = (field: keyof Throughput) =>
    all.reduce((sum, one) => sum + one[field], 0) / Math.max(1, all.length);
  return {
    rate: of('rate'),
    latency: of('latency'),
    megabytes: of('megabytes'),
    sessions: Math.max(...all.map(({ sessions }) => sessions)),
  };
}
