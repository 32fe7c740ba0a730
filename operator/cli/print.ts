// What `spillway plan` prints: a table for people, the manifests as YAML, or everything as JSON.
import { dump } from 'js-yaml';
import type { PoolSizing } from '../api/connection-pool.ts';
import type { Manifest } from '../core/pool/manifest.ts';
import type { Output } from './arguments.ts';
import { formatTable } from './table.ts';

/** One pool as the operator would have it when all is settled. */
export interface PlannedPool {
  readonly namespace: string;
  readonly name: string;
  readonly sizing: PoolSizing;
  readonly objects: readonly Manifest[];
  /** What a person reads beside the sizes. */
  readonly about: {
    /** `StatefulSet shop/shop-db`, or `db.example.com:5432`. */
    readonly postgres: string;
    readonly mode: string;
    /** Processes in each pod. */
    readonly processes: number;
    /** What works less well than asked for, each with its fix. */
    readonly notes: readonly string[];
  };
}

const REDACTED = '<redacted>';

export function formatPlan(
  pools: readonly PlannedPool[],
  output: Output,
  showSecrets: boolean,
): string {
  const shown = showSecrets
    ? pools
    : pools.map((pool) => ({ ...pool, objects: pool.objects.map(redacted) }));
  switch (output) {
    case 'json':
      return `${JSON.stringify(
        shown.map(({ namespace, name, sizing, objects }) => ({ namespace, name, sizing, objects })),
        undefined,
        2,
      )}\n`;
    case 'yaml':
      return yaml(shown);
    case 'table':
      return table(shown);
  }
}

/** The same Secret with none of its values. */
function redacted(manifest: Manifest): Manifest {
  const { data } = manifest;
  if (manifest.kind !== 'Secret' || typeof data !== 'object') return manifest;
  return {
    ...manifest,
    data: Object.fromEntries(Object.keys(data).map((key) => [key, REDACTED])),
  };
}

function yaml(pools: readonly PlannedPool[]): string {
  const note =
    '# What the operator would write, for reading: uids, generations and the credentials of the consoles are made up.\n';
  const documents = pools.flatMap(({ objects }) =>
    objects.map((object) => `---\n${dump(object, { noRefs: true, lineWidth: -1 })}`),
  );
  return note + documents.join('');
}

function table(pools: readonly PlannedPool[]): string {
  const header = ['NAMESPACE', 'POOL', 'POSTGRES', 'MODE', 'BUDGET', 'SHARE', 'PODS', 'PER POD'];
  const rows = pools.map(({ namespace, name, sizing, about }) => [
    namespace,
    name,
    about.postgres,
    about.mode,
    `${sizing.budget ?? ''}`,
    `${sizing.share ?? ''}`,
    `${sizing.perPod?.length ?? ''}${about.processes > 1 ? ` × ${about.processes}` : ''}`,
    perPod(sizing.perPod ?? []),
  ]);
  return `${[formatTable([header, ...rows]), ...pools.map(details)].join('\n\n')}\n`;
}

/** `4 each`, `5, 4`, or the range where there are many. */
function perPod(sizes: readonly number[]): string {
  const [first] = sizes;
  const last = sizes.at(-1);
  if (first === undefined || last === undefined) return '-';
  if (sizes.length === 1) return `${first}`;
  if (first === last) return `${first} each`;
  return sizes.length <= 3 ? sizes.join(', ') : `${last} to ${first}`;
}

function details({ namespace, name, sizing, about, objects }: PlannedPool): string {
  const names = new Map<string, string[]>();
  for (const { kind, metadata } of objects) {
    names.set(kind, [...(names.get(kind) ?? []), metadata.name]);
  }
  const lines = [...names].map(([kind, list]) => [`  ${kind}`, list.join(', ')]);
  return [
    `${namespace}/${name}: ${sizing.explanation ?? ''}`,
    ...about.notes.map((note) => `  Note: ${note}`),
    formatTable(lines),
  ].join('\n');
}
