// Measures what 200 clients get, with and without a pool.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execIn, kubectl, type Login, psql } from '../e2e.ts';
import { sleep } from '../run.ts';
import { readMemory, readPgbench, type Throughput } from './measured.ts';

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
  return { ...readPgbench(report), sessions, megabytes };
}

/** Memory of all processes of Postgres together, what they share counted once. */
async function memory(namespace: string): Promise<number> {
  const sum =
    "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ { kb += $2 } END { print kb }'";
  return readMemory(await execIn(namespace, 'shop-db-0', ['sh', '-c', sum]));
}
