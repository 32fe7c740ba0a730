// How fast pools converge, beside the limit of the API server that was measured just before; and what one edit costs.
//
// Everything runs on this machine: etcd and the API server share its cores with the operator, as the limit is
// measured with them and a plain client. There is no node, so no pod runs and no console answers.
import { availableParallelism } from 'node:os';
import type { ControlPlane } from '../cluster/control-plane.ts';
import { repository } from '../cluster/paths.ts';
import { run, sleep } from '../cluster/run.ts';
import { apiServerWrites } from './api-server.ts';
import type { Fleet } from './fleet.ts';
import { missing } from './missing.ts';
import { type Converged, OperatorProcess } from './operator.ts';
import { type Options, readOptions, usage } from './options.ts';
import { type Pattern, readPattern } from './pattern.ts';
import type { PlainClient } from './plain-client.ts';
import { serverCpu, withPlane } from './plane.ts';
import { measureRaw, type Raw, type StatusWrites } from './raw.ts';
import { replan } from './replan.ts';
import { atMost, Report } from './report.ts';

process.exitCode = await main();

async function main(): Promise<number> {
  let options: Options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
    return 2;
  }
  await run(['npm', 'run', '--silent', 'bundle'], { cwd: repository });
  const report = new Report();
  report.say(
    `${availableParallelism()} cores, shared by etcd, kube-apiserver and the operator (or the plain client); ${options.inFlight} requests in flight`,
  );
  report.say(
    'Left out: there is no node, so no pod runs, no console answers and no file is proven. Converged means that every object and every status is written.',
  );
  if (options.only !== 'replan') {
    report.say(
      "Judged is the rate from the operator's first write. The plain client's clock starts at its first write, too: it has its connections, the list of pools and every body by then.",
    );
    report.say(
      "The rate from the operator's start stands beside it: with the start of Node, the lease, and the reading of everything.",
    );
    let first: number | undefined;
    for (const fleet of options.fleets) {
      const rate = await measure(fleet, options, report, first);
      first ??= rate;
    }
  }
  if (options.only === 'replan' || options.only === 'all') await replan(options, report);
  if (report.missed.length > 0) report.say(`\n${report.missed.length} not reached`);
  return options.check && report.missed.length > 0 ? 1 : 0;
}

/** The operator's rate in writes/s; `before` is that of the smaller fleet. */
async function measure(
  fleet: Fleet,
  options: Options,
  report: Report,
  before: number | undefined,
): Promise<number | undefined> {
  report.say(`\n${fleet.pools} ConnectionPools on ${fleet.clusters} Postgres clusters`);
  let raw: Raw | undefined;
  if (options.only !== 'converge') {
    const { pattern, times } = await makePattern(fleet, options);
    raw = await withPlane(fleet, options.inFlight, async (plane, client) => {
      const busy = serverCpu(plane);
      const measured = await measureRaw(client, fleet, pattern, times, options.inFlight);
      const server = (serverCpu(plane) - busy) / measured.writes;
      report.figure(
        'plain writes of the same',
        `${rate(measured.writes, measured.seconds)} (${measured.writes} in ${measured.seconds.toFixed(1)} s)`,
      );
      report.figure(
        '  CPU per write',
        `client ${ms(measured.cpuMs / measured.writes)}, servers ${ms(server)}`,
      );
      return measured;
    });
  }
  if (options.only === 'raw') return undefined;
  return withPlane(fleet, options.inFlight, async (plane, client) => {
    const converged = await converge(plane, client, fleet, options, report, raw, before);
    await restart(plane, client, options, report);
    return converged;
  });
}

async function converge(
  plane: ControlPlane,
  client: PlainClient,
  fleet: Fleet,
  options: Options,
  report: Report,
  raw: Raw | undefined,
  before: number | undefined,
): Promise<number> {
  const busy = serverCpu(plane);
  const operator = await OperatorProcess.start(plane.kubeconfig, options.node);
  try {
    const converged = await operator.converge(120 + fleet.pools / 4);
    const server = serverCpu(plane) - busy;
    const span = converged.seconds - converged.firstSeconds;
    const speed = converged.writes.total / span;
    const { total, refused } = converged.writes;
    report.figure(
      'converged',
      `${converged.seconds.toFixed(1)} s after the start (${converged.firstSeconds.toFixed(1)} s to the first write)`,
    );
    report.figure(
      'writes',
      `${total} (${(total / fleet.pools).toFixed(2)} a pool), ${refused} refused`,
    );
    report.say(`    ${describe(converged, fleet)}`);
    const whole = total / converged.seconds;
    const ofPlain = (speed: number, raw: Raw) => (speed * raw.seconds) / raw.writes;
    const percent = (part: number) => `${(100 * part).toFixed(0)} %`;
    report.figure(
      'rate from the first write',
      rate(total, span),
      raw && {
        text: `at least 80 % of plain writes: ${percent(ofPlain(speed, raw))}`,
        reached: ofPlain(speed, raw) >= 0.8,
      },
    );
    report.figure(
      "  from the operator's start",
      rate(total, converged.seconds),
      raw && { text: `${percent(ofPlain(whole, raw))} of plain writes` },
    );
    if (before !== undefined) {
      report.figure('  beside the smaller fleet', `${((100 * speed) / before).toFixed(0)} %`, {
        text: 'at least 80 %',
        reached: speed >= 0.8 * before,
      });
    }
    const each = converged.cpuMs / total;
    report.figure('operator CPU per write', ms(each), atMost(Number(each.toFixed(3)), 0.6, 'ms'));
    report.figure('  servers beside it', ms(server / total));
    const { peak } = operator.memory();
    report.figure('most resident memory', `${peak.toFixed(0)} MB`, memoryTarget(peak, fleet));
    const faults = await missing(client, fleet);
    report.figure(
      'every object, every status',
      faults.length === 0 ? 'written' : faults.join(', '),
      {
        text: 'nothing missing',
        reached: faults.length === 0,
      },
    );
    if (faults.length > 0) report.say(operator.tail());
    return speed;
  } finally {
    await operator.stop();
  }
}

async function restart(
  plane: ControlPlane,
  client: PlainClient,
  options: Options,
  report: Report,
): Promise<void> {
  const before = await apiServerWrites(client);
  const operator = await OperatorProcess.start(plane.kubeconfig, options.node);
  try {
    const settled = await operator.converge(300);
    // What comes late (a second look, an event) would be seen here.
    await sleep(2000);
    const after = await apiServerWrites(client);
    const writes = after.total - before.total;
    report.figure('restart: writes', String(writes), { text: '0', reached: writes === 0 });
    if (writes > 0) report.say(`    ${difference(before.by, after.by)}`);
    report.figure(
      'restart: reads, CPU',
      `${settled.reads}, ${(settled.cpuMs / 1000).toFixed(1)} s`,
    );
    if (options.idleSeconds === 0) return;
    const used = operator.cpuMs();
    await sleep(options.idleSeconds * 1000);
    const percent = (operator.cpuMs() - used) / (options.idleSeconds * 10);
    report.figure(
      `idle for ${options.idleSeconds} s`,
      `${percent.toFixed(2)} % of a core`,
      atMost(percent, 1, '%'),
    );
    report.figure('  resident memory then', `${operator.memory().now.toFixed(0)} MB`);
  } finally {
    await operator.stop();
  }
}

/** From one cluster with as many pools as each of the fleet has. */
async function makePattern(
  fleet: Fleet,
  options: Options,
): Promise<{ pattern: Pattern; times: StatusWrites }> {
  const one = { pools: fleet.pools / fleet.clusters, clusters: 1 };
  return withPlane(one, options.inFlight, async (plane, client) => {
    const operator = await OperatorProcess.start(plane.kubeconfig, options.node);
    try {
      const { writes } = await operator.converge(60);
      const faults = await missing(client, one);
      if (faults.length > 0) throw new Error(`${faults.join(', ')}:\n${operator.tail()}`);
      const each = (resource: string, count: number) =>
        Math.max(1, Math.round((writes.by.get(`PUT ${resource}`) ?? 0) / count));
      return {
        pattern: await readPattern(client, one),
        times: {
          ConnectionPool: each('connectionpools/status', one.pools),
          ConnectionBudget: each('connectionbudgets/status', 1),
        },
      };
    } finally {
      await operator.stop();
    }
  });
}

function describe({ writes, reads, runs }: Converged, fleet: Fleet): string {
  const parts = [...writes.by]
    .sort(([, a], [, b]) => b - a)
    .map(([what, count]) => `${what} ${(count / fleet.pools).toFixed(2)}`);
  const reconciles = [...runs].map(([name, n]) => `${name} ${(n / fleet.pools).toFixed(2)}`);
  return `a pool: ${parts.join(', ')}; reads ${(reads / fleet.pools).toFixed(2)}; reconciles: ${reconciles.join(', ')}`;
}

function difference(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): string {
  return [...after]
    .filter(([what, count]) => count !== (before.get(what) ?? 0))
    .map(([what, count]) => `${what} ${count - (before.get(what) ?? 0)}`)
    .join(', ');
}

function memoryTarget(peak: number, fleet: Fleet) {
  return atMost(Math.round(peak), fleet.pools > 1000 ? 300 : 150, 'MB');
}

function rate(count: number, seconds: number): string {
  return `${(count / seconds).toFixed(0)} writes/s`;
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}
