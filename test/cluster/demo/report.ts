// What the demo prints at its end, from what was found and measured.

import type { Throughput } from './measured.ts';

export type Row = Record<string, unknown>;

export type Measured = {
  namespace: string;
  /** What `kubectl get connectionpools` printed. */
  connectionPools: string;
  /** `status.sizing.explanation` of the pool. */
  explanation: string;
  /** Of each pooler pod, what `poolRows` makes of its answer. */
  pools: readonly Row[];
  /** How many clients worked at once. */
  clients: number;
  direct: Throughput;
  pooled: Throughput;
};

/** Of one pod's answer to `SHOW POOLS`, the pools that clients use; not the console's own. */
export function poolRows(pod: string, answer: readonly Row[]): Row[] {
  return answer
    .filter(({ database }) => database !== 'pgbouncer')
    .map((row): Row => ({ pod, ...row }));
}

/** The text, without a line break at its ends. Throws when something was not found or not measured. */
export function report(measured: Measured): string {
  const { namespace, connectionPools, explanation, pools, clients, direct, pooled } = measured;
  if (explanation === '') throw new Error('the pool is ready, and its status explains no size');
  if (pools.length === 0) throw new Error('SHOW POOLS: no pooler pod has a pool under load');
  const counts = ['cl_active', 'cl_waiting', 'sv_active', 'sv_idle', 'pool_mode'];
  return [
    `$ kubectl get connectionpools --namespace ${namespace}\n${connectionPools.trim()}`,
    `How its size came about:\n${explanation}`,
    `SHOW POOLS, under load:\n${table(pools, ['pod', 'database', 'user', ...counts])}`,
    throughputTable(clients, direct, pooled),
  ].join('\n\n');
}

/** Rows as columns of text, the first line with their names. */
export function table(rows: readonly Row[], columns: readonly string[]): string {
  const lines = [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? '')))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

function throughputTable(clients: number, direct: Throughput, pooled: Throughput): string {
  const row = (way: string, { rate, latency, sessions, megabytes }: Throughput) => ({
    [`${clients} clients`]: way,
    'pages/s': rate.toFixed(0),
    'mean time': `${latency.toFixed(0)} ms`,
    'sessions in Postgres': sessions,
    'memory of Postgres': `${megabytes.toFixed(0)} MB`,
  });
  const rows = [row('direct', direct), row('through the pool', pooled)];
  return table(rows, Object.keys(rows[0] ?? {}));
}
