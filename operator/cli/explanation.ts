// What `spillway explain` prints: for people, or as JSON.
import type { PoolClients, PoolSizing } from '../api/connection-pool.ts';
import type { ApplicationSettings } from '../core/clients/settings.ts';
import { formatTable } from './table.ts';

export interface Share {
  readonly namespace: string;
  readonly name: string;
  readonly mode: string;
  readonly weight: number;
  readonly min?: number;
  readonly max?: number;
  /** Server connections of the pool, and of each of its pods. */
  readonly share: number;
  readonly perPod: readonly number[];
}

export interface Explained {
  readonly namespace: string;
  readonly name: string;
  readonly postgres: string;
  readonly mode: string;
  /** `namespace/name` of the ConnectionBudget. */
  readonly budget: string;
  readonly server: string;
  readonly sizing: PoolSizing;
  readonly clients?: PoolClients;
  /** What works less well than asked for, each with its fix. */
  readonly notes: readonly string[];
  /** Every pool of the server, this one too. */
  readonly shares: readonly Share[];
  readonly settings: ApplicationSettings;
  readonly advice: readonly string[];
  readonly libraries: readonly {
    readonly name: string;
    readonly file: string;
    readonly text: string;
  }[];
}

export function formatExplained(pools: readonly Explained[], output: 'table' | 'json'): string {
  if (output === 'json') return `${JSON.stringify(pools, undefined, 2)}\n`;
  return `${pools.map(text).join('\n\n\n')}\n`;
}

function text(pool: Explained): string {
  return [
    `ConnectionPool ${pool.namespace}/${pool.name}, ${pool.mode} mode, in front of ${pool.postgres}`,
    pool.sizing.explanation ?? '',
    ...pool.notes.map((note) => `Note: ${note}`),
    section('Numbers', formatTable(numbers(pool))),
    section(`Shares of ConnectionBudget ${pool.budget}, ${pool.server}`, shares(pool)),
    ...(pool.clients === undefined ? [] : [section('Applications', applications(pool.clients))]),
    settings(pool),
  ].join('\n\n');
}

function section(title: string, body: string): string {
  const indented = body.split('\n').map((line) => (line === '' ? '' : `  ${line}`));
  return `${title}\n${indented.join('\n')}`;
}

function numbers({ sizing }: Explained): string[][] {
  return (sizing.sources ?? []).map(({ field, value, source }) => [field, value, `(${source})`]);
}

function shares({ shares: all, sizing, namespace, name }: Explained): string {
  const given = all.reduce((sum, { share }) => sum + share, 0);
  const rows = all.map((one) => [
    `${one.namespace === namespace && one.name === name ? '* ' : '  '}${one.namespace}/${one.name}`,
    one.mode,
    `${one.weight}`,
    `${one.min ?? '-'}`,
    `${one.max ?? '-'}`,
    `${one.share}`,
    one.perPod.length === 0 ? '-' : one.perPod.join(', '),
  ]);
  const budget = sizing.budget ?? 0;
  return [
    formatTable([['  POOL', 'MODE', 'WEIGHT', 'MIN', 'MAX', 'SHARE', 'PER POD'], ...rows]),
    `  ${given} of ${budget} are with pools, ${Math.max(0, budget - given)} are left`,
  ].join('\n');
}

function applications({ connections, workloads }: PoolClients): string {
  const rows = workloads.map((one) => [
    `${one.kind} ${one.name}`,
    `${one.pods}`,
    `${one.poolSize}`,
    `${one.connections}`,
    `${one.recommendedPoolSize}`,
  ]);
  return [
    formatTable([['WORKLOAD', 'PODS', 'POOL', 'CONNECTIONS', 'RECOMMENDED POOL'], ...rows]),
    `${connections} connections together`,
    '',
    ...workloads.flatMap((one) => [
      `${one.kind} ${one.name}`,
      `  pods: ${one.source}`,
      `  pool: ${one.advice}`,
    ]),
  ].join('\n');
}

function settings({ settings: s, advice, libraries }: Explained): string {
  const secret =
    s.secret === undefined ? '' : `, password in key ${s.secret.key} of Secret ${s.secret.name}`;
  return [
    `Settings for applications: ${s.host}:${s.port}, user ${s.user}${secret}`,
    [
      `  A pool of ${s.poolSize} in each pod, divided over its processes (${s.sizeOf}).`,
      ...advice.map((line) => `  ${line}`),
    ].join('\n'),
    ...libraries.map(({ name, file, text: body }) => section(`${name} (${file})`, body)),
  ].join('\n\n');
}
