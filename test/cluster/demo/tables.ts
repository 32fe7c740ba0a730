// What the demo prints, as columns of text.

import type { Throughput } from './throughput.ts';

/** Rows as columns of text, the first line with their names. */
export function table(
  rows: readonly Record<string, unknown>[],
  columns: readonly string[],
): string {
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

export function throughputTable(clients: number, direct: Throughput, pooled: Throughput): string {
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
