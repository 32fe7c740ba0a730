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
  readonly advice: readonly string[];
  /** One for each size that is recommended to a workload, at least one. */
  readonly applications: readonly ForApplications[];
}

export interface ForApplications {
  readonly settings: ApplicationSettings;
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

function settings({ advice, applications: all }: Explained): string {
  return [
    ...all.slice(0, 1).map(({ settings: { host, port, user, secret } }) => {
      const where =
        secret === undefined ? '' : `, password in key ${secret.key} of Secret ${secret.name}`;
      return `Settings for applications: ${host}:${port}, user ${user}${where}`;
    }),
    advice.map((line) => `  ${line}`).join('\n'),
    ...all.flatMap(({ settings: { poolSize, sizeOf }, libraries }) => [
      `A pool of ${poolSize} in each pod, divided over its processes (${sizeOf})`,
      ...libraries.map(({ name, file, text: body }) => section(`${name} (${file})`, body)),
    ]),
  ].join('\n\n');
}
