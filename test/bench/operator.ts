// The product as it is shipped, as a child process: the bundle, started as the image starts it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Daemon, dieWithParent, startDaemon } from '../cluster/daemon.ts';
import { repository } from '../cluster/paths.ts';
import { reservePort } from '../cluster/ports.ts';
import { sleep } from '../cluster/run.ts';
import { OPERATOR_NAMESPACE } from './fleet.ts';
import { tellingLines } from './log.ts';
import { readMetrics, type Sample, sum } from './metrics.ts';
import { cpuMs, memory } from './use.ts';

const bundle = join(repository, 'dist', 'operator.mjs');

/** As the image starts it, with this machine's Node and the bundle where it is here; `flags` replace its flags. */
function asInImage(flags: readonly string[]): { command: string[]; env: Record<string, string> } {
  const dockerfile = readFileSync(join(repository, 'operator', 'Dockerfile'), 'utf8');
  const [, json] = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile) ?? [];
  if (json === undefined) throw new Error('operator/Dockerfile: no ENTRYPOINT in JSON form');
  const own = (JSON.parse(json) as string[]).filter((word) => word.startsWith('--'));
  const env: Record<string, string> = {};
  for (const [, words = ''] of dockerfile.matchAll(/^ENV (.*)$/gm)) {
    for (const [, name = '', value = ''] of words.matchAll(/([A-Z0-9_]+)=(\S*)/g))
      env[name] = value;
  }
  return { command: [process.execPath, ...(flags.length > 0 ? flags : own), bundle], env };
}

export interface Writes {
  readonly total: number;
  /** By `METHOD resource`. */
  readonly by: ReadonlyMap<string, number>;
  readonly refused: number;
}

export interface Converged {
  /** From the start of the process to its first and to its last write. */
  readonly firstSeconds: number;
  readonly seconds: number;
  readonly writes: Writes;
  readonly reads: number;
  /** Reconciles that ended, by controller. */
  readonly runs: ReadonlyMap<string, number>;
  /** Of the whole process, at the last write. */
  readonly cpuMs: number;
}

export interface Changed {
  /** From the change to the look that saw the last write. */
  readonly seconds: number;
  /** Of the whole process from the change to the end of the quiet time, the looks at its metrics included. */
  readonly cpuMs: number;
  /** Reconciles that ended, by controller. */
  readonly runs: ReadonlyMap<string, number>;
}

/** Writing stopped for so long, and nothing is queued: converged; seconds. */
const QUIET_SECONDS = 3;
/** Each look costs the operator some milliseconds. */
const LOOK_MS = 1000;

export class OperatorProcess {
  readonly #daemon: Daemon;
  readonly #port: number;
  readonly #startedAt = performance.now();

  private constructor(daemon: Daemon, port: number) {
    this.#daemon = daemon;
    this.#port = port;
  }

  static async start(kubeconfig: string, nodeFlags: readonly string[]): Promise<OperatorProcess> {
    const port = await reservePort();
    const { command, env } = asInImage(nodeFlags);
    const daemon = startDaemon(dieWithParent(command), {
      env: {
        ...env,
        KUBECONFIG: kubeconfig,
        POD_NAME: 'spillway-0',
        POD_NAMESPACE: OPERATOR_NAMESPACE,
        SPILLWAY_HTTP_PORT: String(port),
      },
    });
    return new OperatorProcess(daemon, port);
  }

  get pid(): number {
    return this.#daemon.pid;
  }

  log(): string {
    return this.#daemon.log();
  }

  stop(): Promise<void> {
    return this.#daemon.stop('SIGTERM', 30);
  }

  cpuMs(): number {
    return cpuMs(this.pid);
  }

  /** Resident; MB. */
  memory(): { readonly now: number; readonly peak: number } {
    return memory(this.pid);
  }

  /** Waits until nothing is left to do. Throws when that takes longer than `seconds`. */
  async converge(seconds: number): Promise<Converged> {
    /** Looks that have shown more writes than the one before. */
    const looks: Look[] = [];
    let leadingSince = Number.POSITIVE_INFINITY;
    for (;;) {
      await sleep(LOOK_MS);
      const at = (performance.now() - this.#startedAt) / 1000;
      if (at > seconds) throw new Error(`not converged in ${seconds} s:\n${this.tail()}`);
      const cpu = this.cpuMs();
      if (cpu === 0) throw new Error(`the operator ended:\n${this.tail()}`);
      const samples = await this.#scrape();
      if (samples === undefined) continue;
      const { total } = writesIn(samples);
      const last = looks.at(-1);
      if (total > (last?.total ?? 0)) looks.push({ at, total, cpu });
      if (sum(samples.filter((s) => s.name === 'spillway_leader')) === 1) {
        leadingSince = Math.min(leadingSince, at);
      }
      if (busyIn(samples) > 0 || at - Math.max(last?.at ?? 0, leadingSince) < QUIET_SECONDS)
        continue;
      return {
        ...spanOf(looks),
        writes: writesIn(samples),
        reads: sum(samples.filter((s) => isCall(s) && s.labels.method === 'GET')),
        runs: runsIn(samples),
        cpuMs: looks.at(-1)?.cpu ?? cpu,
      };
    }
  }

  tail(): string {
    return tellingLines(this.log());
  }

  /** What `work` makes it do, until nothing is left to do. Throws when that takes longer than `seconds`. */
  async changedBy(work: () => Promise<void>, seconds: number): Promise<Changed> {
    const before = await this.#scrape();
    if (before === undefined) throw new Error(`the operator does not answer:\n${this.tail()}`);
    const cpuBefore = this.cpuMs();
    const start = performance.now();
    await work();
    let last = { at: 0, total: writesIn(before).total };
    for (;;) {
      await sleep(LOOK_MS);
      const at = (performance.now() - start) / 1000;
      const cpu = this.cpuMs();
      if (cpu === 0) throw new Error(`the operator ended:\n${this.tail()}`);
      if (at > seconds) throw new Error(`not settled in ${seconds} s:\n${this.tail()}`);
      const samples = await this.#scrape();
      if (samples === undefined) continue;
      const { total } = writesIn(samples);
      if (total !== last.total) last = { at, total };
      if (busyIn(samples) > 0 || at - last.at < QUIET_SECONDS) continue;
      return {
        seconds: last.at,
        cpuMs: cpu - cpuBefore,
        runs: more(runsIn(before), runsIn(samples)),
      };
    }
  }

  async #scrape(): Promise<Sample[] | undefined> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.#port}/metrics`);
      return readMetrics(
        await answer.text(),
        'spillway_kube_request_duration_seconds_count',
        'spillway_leader',
        'spillway_queue_depth',
        'spillway_reconcile_duration_seconds_count',
        'spillway_queue_working',
      );
    } catch {
      // It has not come so far yet.
      return undefined;
    }
  }
}

function busyIn(samples: readonly Sample[]): number {
  return sum(samples.filter((s) => s.name.startsWith('spillway_queue_')));
}

function isCall(sample: Sample): boolean {
  return sample.name === 'spillway_kube_request_duration_seconds_count';
}

interface Look {
  /** Seconds since the start of the process. */
  readonly at: number;
  readonly total: number;
  readonly cpu: number;
}

/**
 * First and last write lie between two looks: as far from the look that saw them as the rate of the neighbouring second
 * says.
 */
function spanOf(looks: readonly Look[]): { firstSeconds: number; seconds: number } {
  const rate = (from: Look | undefined, to: Look | undefined) =>
    from === undefined || to === undefined ? 0 : (to.total - from.total) / (to.at - from.at);
  const [first, second] = looks;
  const [third, before, last] = [looks.at(-3), looks.at(-2), looks.at(-1)];
  const at = first?.at ?? 0;
  const early = (first?.total ?? 0) / rate(first, second);
  const late = ((last?.total ?? 0) - (before?.total ?? 0)) / rate(third, before);
  return {
    firstSeconds: at - Math.min(LOOK_MS / 1000, early),
    seconds: Math.min(last?.at ?? 0, (before?.at ?? Number.POSITIVE_INFINITY) + late),
  };
}

function runsIn(samples: readonly Sample[]): ReadonlyMap<string, number> {
  const runs = new Map<string, number>();
  for (const { name, labels, value } of samples) {
    if (name !== 'spillway_reconcile_duration_seconds_count') continue;
    const { controller = '' } = labels;
    runs.set(controller, (runs.get(controller) ?? 0) + value);
  }
  return runs;
}

function more(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  return new Map([...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)]));
}

/** The lease is written every few seconds whatever happens, so it is no work of the pools. */
function writesIn(samples: readonly Sample[]): Writes {
  const by = new Map<string, number>();
  let refused = 0;
  for (const { labels, value } of samples.filter(isCall)) {
    const { method = '', resource = '', status = '' } = labels;
    if (method === 'GET' || resource === 'leases') continue;
    if (Number(status) >= 300 || status === '0') refused += value;
    const key = `${method} ${resource}`;
    by.set(key, (by.get(key) ?? 0) + value);
  }
  return { total: [...by.values()].reduce((a, b) => a + b, 0), by, refused };
}
