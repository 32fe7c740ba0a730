// The figures of the demo: read from what programs print, and brought together.

export type Throughput = {
  /** Runs of page.sql per second. */
  rate: number;
  /** Mean time of a run, in milliseconds, the wait for a connection included. */
  latency: number;
  /** The most sessions of clients that Postgres had at once. */
  sessions: number;
  /** Memory of Postgres' processes, halfway; MB, of a million bytes. */
  megabytes: number;
};

/** From the report of pgbench. Throws when it has not measured anything. */
export function readPgbench(text: string): Pick<Throughput, 'rate' | 'latency'> {
  const rate = Number(/^tps = ([\d.]+)/m.exec(text)?.[1] ?? 0);
  const latency = Number(/^latency average = ([\d.]+) ms/m.exec(text)?.[1] ?? 0);
  if (!(rate > 0 && latency > 0)) throw new Error(`pgbench has measured nothing:\n${text}`);
  return { rate, latency };
}

/** MB from a sum in the kernel's kB, of 1,024 bytes. Throws when there is no number. */
export function readMemory(kilobytes: string): number {
  const sum = Number.parseInt(kilobytes, 10);
  if (!(sum > 0)) throw new Error(`the memory of Postgres is not to be had: "${kilobytes.trim()}"`);
  return (sum * 1024) / 1e6;
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
