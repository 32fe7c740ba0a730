// One edit that concerns every pool of a server: what it costs the operator, and whether it writes only what changed.
import { admin } from '../cluster/certificates.ts';
import { Audit, type Written } from '../control-plane/audit.ts';
import { type Fleet, namespaceOf, poolNameOf } from './fleet.ts';
import { missing } from './missing.ts';
import { OperatorProcess } from './operator.ts';
import type { Options } from './options.ts';
import { pathOf } from './pattern.ts';
import type { PlainClient, PlainObject } from './plain-client.ts';
import { withPlane } from './plane.ts';
import { atMost, type Report } from './report.ts';
import { lackOfPool, SHARING } from './whole.ts';
import { byKind, changedPools, uncalledFor } from './written.ts';

/** By which the API server's own record tells the operator's writes from ours. */
const user = 'operator-of-the-bench';

/** Of the edited pool; all others, and itself before, have 1. */
const WEIGHT = 2;

interface EditedFleet extends Fleet {
  readonly total: number;
}

export async function replan(options: Options, report: Report): Promise<void> {
  const total = 4 * options.replanned;
  const fleet: EditedFleet = { pools: options.replanned, clusters: 1, total };
  report.say(
    `\n${fleet.pools} ConnectionPools on one Postgres server, whose owner sets a total of ${fleet.total}: the weight of one pool is edited`,
  );
  report.say(
    'As no console answers, no process confirms a smaller cap: what is given back stays charged, and the raise waits for it.',
  );
  const audit = new Audit();
  try {
    await withPlane(
      fleet,
      options.inFlight,
      async (plane, client) => {
        const kubeconfig = await plane.kubeconfigFor(user, admin.groups);
        const operator = await OperatorProcess.start(kubeconfig, options.node);
        try {
          await operator.converge(120 + fleet.pools / 4);
          await edit(operator, client, audit, fleet, report);
        } finally {
          await operator.stop();
        }
        await restart(kubeconfig, audit, options, report);
      },
      audit.flags,
    );
  } finally {
    audit.remove();
  }
}

async function edit(
  operator: OperatorProcess,
  client: PlainClient,
  audit: Audit,
  fleet: EditedFleet,
  report: Report,
): Promise<void> {
  const faults = await missing(client, fleet);
  if (faults.length > 0) throw new Error(`${faults.join(', ')}:\n${operator.tail()}`);
  const pools = pathOf('ConnectionPool', namespaceOf(0));
  const before = await client.list(pools);
  const writtenBefore = oursIn(audit).length;
  const edited = poolNameOf(0);
  const { seconds, cpuMs, runs } = await operator.changedBy(
    () => setWeight(client, `${pools}/${edited}`, WEIGHT),
    300,
  );
  const writes = oursIn(audit).slice(writtenBefore);
  report.figure('settled', `within ${seconds.toFixed(0)} s`);
  const cpu = Number((cpuMs / 1000).toFixed(2));
  report.figure("operator's CPU", `${cpu} s`, atMost(cpu, 1, 's'));
  report.figure('  reconciles', [...runs].map(([name, n]) => `${name} ${n}`).join(', '));
  judgeLedger(await ledger(client), edited, fleet, report);
  judgeWrites(writes, before, await client.list(pools), edited, report);
}

/** What nobody was woken for would be written now: a status that is not true any more. */
async function restart(
  kubeconfig: string,
  audit: Audit,
  options: Options,
  report: Report,
): Promise<void> {
  const before = oursIn(audit).length;
  const operator = await OperatorProcess.start(kubeconfig, options.node);
  try {
    await operator.converge(300);
  } finally {
    await operator.stop();
  }
  const writes = oursIn(audit).slice(before);
  report.figure('restart after the edit: writes', String(writes.length), none(writes));
  if (writes.length > 0) report.say(`    ${byKind(writes)}`);
}

function oursIn(audit: Audit): Written[] {
  return audit.writes().filter((one) => one.user === user && one.resource !== 'leases');
}

/** Every row is of the new weights, to the connection that does not come out even, and their sum is what the owner gives. */
function judgeLedger(
  rows: readonly Row[],
  edited: string,
  { pools, total }: EditedFleet,
  report: Report,
): void {
  const part = ({ name }: Row) => ((name === edited ? WEIGHT : 1) * total) / (pools - 1 + WEIGHT);
  const right = rows.filter((row) => Math.abs(row.target - part(row)) < 1).length;
  report.figure('planned by the new weights', `${right} of ${pools}`, {
    text: 'all',
    reached: right === pools,
  });
  const [wanted, held] = [sum(rows, 'target'), sum(rows, 'connections')];
  report.figure('connections', `${wanted} planned, ${held} held`, {
    text: `the total of ${total}, and at most that`,
    reached: wanted === total && held <= total,
  });
}

/** Only the pools whose numbers changed were written. */
function judgeWrites(
  writes: readonly Written[],
  before: readonly PlainObject[],
  after: readonly PlainObject[],
  edited: string,
  report: Report,
): void {
  const changed = changedPools(before, after);
  report.figure('pools whose numbers changed', `${changed.size}`, {
    text: 'the edited one among them, and not all',
    reached: changed.has(edited) && changed.size < before.length,
  });
  report.figure('writes', `${writes.length}`);
  report.say(`    ${byKind(writes)}`);
  const names = before.map(({ metadata }) => metadata.name);
  const others = uncalledFor(writes, names, changed);
  report.figure('  to pools with the same numbers', String(others.length), none(others));
  if (others.length > 0) report.say(`    ${byKind(others)}`);
  // The pools that change share among themselves, for as long as no process confirms; nobody else waits for anything.
  const lacking = after.filter((pool) => {
    const lack = lackOfPool(pool);
    return lack !== undefined && !(lack === SHARING && changed.has(pool.metadata.name));
  });
  report.figure('pools without a whole status', String(lacking.length), none(lacking));
}

function none(found: readonly unknown[]) {
  return { text: '0', reached: found.length === 0 };
}

async function setWeight(client: PlainClient, path: string, weight: number): Promise<void> {
  const pool = JSON.parse(await client.send('GET', path)) as PlainObject;
  const spec = pool.spec as { sizing?: object };
  const body = { ...pool, spec: { ...spec, sizing: { ...spec.sizing, weight } } };
  await client.send('PUT', path, JSON.stringify(body));
}

interface Row {
  /** Of the pool. */
  readonly name: string;
  readonly connections: number;
  readonly target: number;
}

async function ledger(client: PlainClient): Promise<Row[]> {
  const [budget] = await client.list(pathOf('ConnectionBudget', namespaceOf(0)));
  const { allotments = [] } = (budget?.status ?? {}) as { allotments?: Row[] };
  return allotments;
}

function sum(rows: readonly Row[], field: 'connections' | 'target'): number {
  return rows.reduce((total, row) => total + row[field], 0);
}
