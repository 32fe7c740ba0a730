// Measures what each case costs each kind of client: programs with real drivers, and pgbench, work all the time.
import { setTimeout as sleep } from 'node:timers/promises';
import { Bench, type BenchCount } from '../load.ts';
import { Scene } from '../scene.ts';
import { type Case, pool, spec } from './cases.ts';
import { between, type Driver, Program, type Totals, type Way } from './program.ts';

/** Of one kind of client in one case. */
export interface Figures {
  readonly kind: string;
  readonly way: Way;
  readonly done: number;
  readonly failed: number;
  readonly refused: number;
  readonly unconnected: number;
  /** Connections of holding clients that had to be opened again. */
  readonly reopened: number;
  readonly relogins: number;
  readonly errors: readonly string[];
}

export interface CaseResult {
  readonly case: Case;
  readonly seconds: number;
  readonly figures: readonly Figures[];
}

export interface Result {
  readonly cases: readonly CaseResult[];
  /** By kind: rows that are there, beside those whose transaction was confirmed and those that failed. */
  readonly rows: readonly { kind: string; there: number; done: number; failed: number }[];
}

const WORKERS = 8;
/** Clients of pgbench, which hold their connection and are never idle. */
const RESTLESS = 4;
/** Before the first case and after each, so that what comes late is counted where it belongs. */
const SETTLE_MS = 1000;

export async function measure(
  drivers: readonly Driver[],
  cases: readonly Case[],
  withBench: boolean,
): Promise<Result> {
  const scene = await Scene.make('drivers');
  try {
    await scene.pool(pool, spec);
    await scene.root(
      `CREATE TABLE done (kind text, worker int, n int, PRIMARY KEY (kind, worker, n));
       GRANT ALL ON done TO app`,
      'app',
    );
    const programs = drivers.flatMap((driver) =>
      driver.ways.map((way) => new Program(scene, pool, driver, way, WORKERS)),
    );
    await working(programs);
    const results: CaseResult[] = [];
    for (const one of cases) results.push(await measureCase(scene, programs, one, withBench));
    const totals = await Promise.all(programs.map((program) => program.stop()));
    const counts = await scene.root('SELECT kind, count(*)::int AS n FROM done GROUP BY 1', 'app');
    const rows = programs.map(({ name: kind }, index) => ({
      kind,
      there: Number(counts.find((row) => row.kind === kind)?.n ?? 0),
      done: totals[index]?.done ?? 0,
      failed: totals[index]?.failed ?? 0,
    }));
    return { cases: results, rows };
  } finally {
    await scene.remove();
  }
}

/** Returns when each has done some work. */
async function working(programs: readonly Program[]): Promise<void> {
  for (const end = Date.now() + 60_000; ; await sleep(200)) {
    const reports = await Promise.all(programs.map((program) => program.report()));
    if (reports.every(({ done }) => done >= WORKERS)) return;
    if (Date.now() > end) throw new Error(`no work: ${JSON.stringify(reports)}`);
  }
}

async function measureCase(
  scene: Scene,
  programs: readonly Program[],
  one: Case,
  withBench: boolean,
): Promise<CaseResult> {
  const benches = withBench ? await startBenches(scene, one) : [];
  if (one.password !== undefined) for (const program of programs) program.tell(one.password);
  await sleep(SETTLE_MS);
  const before = await Promise.all(programs.map((program) => program.report()));
  const started = performance.now();
  await one.run(scene);
  const seconds = (performance.now() - started) / 1000;
  await sleep(SETTLE_MS);
  const after = await Promise.all(programs.map((program) => program.report()));
  const figures = programs.map((program, index) => figuresOf(program, before[index], after[index]));
  for (const [way, bench] of benches) figures.push(benchFigures(way, await bench.count()));
  return { case: one, seconds, figures };
}

/** In a pool whose password changes, pgbench could not log in again, as it knows only one. */
async function startBenches(scene: Scene, one: Case): Promise<[Way, Bench][]> {
  const hold = await Bench.start(scene, pool, { clients: RESTLESS });
  if (one.password !== undefined) return [['hold', hold]];
  const options = { clients: RESTLESS, rate: 40, reconnect: true };
  return [
    ['hold', hold],
    ['reconnect', await Bench.start(scene, pool, options)],
  ];
}

function figuresOf(program: Program, before?: Totals, after?: Totals): Figures {
  if (before === undefined || after === undefined) throw new Error(`${program.name}: no report`);
  const { opened, ...counted } = between(before, after);
  const { name: kind, way } = program;
  return { kind, way, ...counted, reopened: way === 'reconnect' ? 0 : opened };
}

function benchFigures(way: Way, count: BenchCount): Figures {
  return { kind: `pgbench ${way}`, way, ...count, reopened: 0, relogins: 0 };
}

/** What clients were told, with the case in which it was. */
export function errorsOf({ cases }: Result): string {
  return cases
    .flatMap(({ case: { name }, figures }) =>
      figures.flatMap(({ kind, errors }) => errors.map((error) => `${name}, ${kind}: ${error}`)),
    )
    .join('\n');
}

/** A table in Markdown, one row for each kind of client: its transactions, and what was not as always. */
export function tableOf({ cases }: Result): string {
  const kinds = [...new Set(cases.flatMap(({ figures }) => figures.map(({ kind }) => kind)))];
  const cell = (figures: Figures | undefined) => {
    if (figures === undefined) return '-';
    const { done, failed, refused, unconnected, reopened, relogins } = figures;
    const costs = Object.entries({ failed, refused, unconnected, reopened, relogins });
    return [done, ...costs.filter(([, n]) => n > 0).map(([word, n]) => `${n} ${word}`)].join(', ');
  };
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    row(['', ...cases.map(({ case: { name } }) => name)]),
    row(['---', ...cases.map(() => '---')]),
    row(['seconds', ...cases.map(({ seconds }) => seconds.toFixed(1))]),
    ...kinds.map((kind) =>
      row([kind, ...cases.map(({ figures }) => cell(figures.find((one) => one.kind === kind)))]),
    ),
  ].join('\n');
}
