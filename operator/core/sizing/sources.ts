// Where each number of `status.sizing` comes from: found on which object, said by whom, or computed how.
import type { SizingSource } from '../../api/connection-pool.ts';
import { formatMilli, milliOf } from '../../api/quantity.ts';
import { poolMax } from './entries.ts';
import { ASSUMED_MILLI_CORES, ownersTotal } from './server-budget.ts';
import { LISTED_POOLS, poolsInWords, sharingInWords, sharingOf } from './sharing.ts';
import type { OwnerLimits, SizedPool, SizedServer } from './size-server.ts';

export interface ServerSourcesInput {
  readonly server: SizedServer;
  readonly owner: OwnerLimits | undefined;
  /** The ConnectionBudget that has the owner's word, as `namespace/name`; absent in its own status. */
  readonly budgetName?: string;
  readonly pools: readonly SizedPool[];
}

export interface SourcesInput extends ServerSourcesInput {
  readonly pool: SizedPool;
  readonly maxClientConn: { readonly max: number; readonly source: string };
}

/** Longest source that is kept; the schema takes 1024. */
const MAX_SOURCE = 500;

type Row = readonly [field: string, value: string | number, source: string];

/** Of one pool, in the order of the computation. No number here changes by itself: they follow specs and objects. */
export function sourcesOf(input: SourcesInput): SizingSource[] {
  const { server, pools, pool, maxClientConn } = input;
  const share = server.shares.get(pool.uid)?.connections ?? 0;
  return [
    ...rowsOf(input),
    ['share', share, whyOf(server, pools, pool)] as const,
    ['maxClientConn', maxClientConn.max, maxClientConn.source] as const,
  ].map(sourceOf);
}

/** What is the same for all pools of the server, and how they share it. */
export function serverSources(input: ServerSourcesInput): SizingSource[] {
  return [...rowsOf(input), ['pools', ...sharingInWords(sharingOf(input.pools))] as const].map(
    sourceOf,
  );
}

function sourceOf([field, value, source]: Row): SizingSource {
  return {
    field,
    value: String(value),
    source: source.length > MAX_SOURCE ? `${source.slice(0, MAX_SOURCE - 1)}…` : source,
  };
}

function rowsOf({ server, owner, budgetName, pools }: ServerSourcesInput): readonly Row[] {
  const { budget, limits, facts } = server;
  const by = budgetName === undefined ? '' : ` of ConnectionBudget ${budgetName}`;
  const ofBudget = (field: string) => `spec.${field}${by}`;
  const milliCores = facts.milliCores?.value ?? ASSUMED_MILLI_CORES;
  const setAside = (owner?.reserved ?? []).map((r) => `${r.connections} for ${r.name}`);
  return [
    [
      'cores',
      formatMilli(milliCores),
      facts.milliCores?.source ?? 'assumed, the fewest: nothing says how many there are',
    ],
    [
      'coresFactor',
      formatMilli(limits.milliCoresFactor),
      owner?.coresFactor !== undefined
        ? ofBudget('coresFactor')
        : (saidBy(pools, limits.milliCoresFactor, (p) =>
            p.spec.sizing.coresFactor === undefined
              ? undefined
              : milliOf(p.spec.sizing.coresFactor),
          ) ?? "the default, of PostgreSQL's own formula"),
    ],
    [
      'spindles',
      limits.spindles,
      owner?.spindles !== undefined
        ? ofBudget('spindles')
        : (saidBy(pools, limits.spindles, (p) => p.spec.sizing.spindles) ??
          'the default, for SSD and cloud disks'),
    ],
    ['optimum', budget.optimum, 'cores × coresFactor + spindles, rounded down'],
    ['maxConnections', limits.maxConnections, facts.maxConnections.source],
    [
      'reserved',
      budget.reserved,
      [
        `${limits.reservedConnections} of the server (${facts.reservedConnections.source})`,
        ...(setAside.length === 0
          ? []
          : [
              `set aside${budgetName === undefined ? '' : ` by ConnectionBudget ${budgetName}`}: ${setAside.join(', ')}`,
            ]),
      ].join('; '),
    ],
    [
      'slack',
      budget.slack,
      owner?.slack === undefined
        ? 'the default: a tenth of maxConnections, at least 5'
        : ofBudget('slack'),
    ],
    ['budget', budget.total, budgetSource(server, ofBudget)],
  ];
}

/** The pool that said the number: where several do, the smallest counts, and the first of them by name. */
function saidBy(
  pools: readonly SizedPool[],
  value: number,
  of: (pool: SizedPool) => number | undefined,
): string | undefined {
  const names = pools.filter((p) => of(p) === value).map((p) => `${p.namespace}/${p.name}`);
  const [first] = names.sort();
  return first === undefined ? undefined : `spec.sizing of ConnectionPool ${first}`;
}

function budgetSource(
  { budget, limits }: SizedServer,
  ofBudget: (field: string) => string,
): string {
  if (budget.total > budget.active) {
    return 'maxConnections − reserved − slack, because a session-mode pool holds connections for idle clients';
  }
  const owner =
    limits.total !== undefined || limits.sharePercent === undefined
      ? ofBudget('total')
      : `${limits.sharePercent} % of max_connections ${limits.maxConnections} (${ofBudget('share')})`;
  switch (budget.decidedBy) {
    case 'owner':
      return owner;
    case 'guard':
      return `maxConnections − reserved − slack, which is less than ${ownersTotal(limits) === undefined ? 'the optimum' : owner}`;
    case 'optimum':
      return 'the optimum';
  }
}

/** Why a pool has the share that it has, in a few words: `weight 1 of 2, at its max`. */
export function whyOf(server: SizedServer, pools: readonly SizedPool[], pool: SizedPool): string {
  const { weight, min } = pool.spec.sizing;
  const max = poolMax(pool.spec);
  const share = server.shares.get(pool.uid);
  if (pool.spec.pooler.replicas === 0) return 'spec.pooler.replicas is 0';
  const together = `what pools of namespace ${pool.namespace} may have together, ${pool.namespaceMax}`;
  if (share?.shortage === 'NoPod') {
    return share.groupIsFull === true
      ? `not enough for one pod within ${together}`
      : 'there is not enough for one pod';
  }
  const bound =
    share?.connections === max
      ? ', at its max'
      : share?.groupIsFull === true
        ? `, within ${together}`
        : share?.connections === min
          ? ', raised to its min'
          : '';
  const { active, session } = sharingOf(pools);
  const count = active.length + session.length;
  if (count === 1) return `all of the budget${bound}`;
  if (count > LISTED_POOLS) return `weight ${weight}, among ${poolsInWords(count)}${bound}`;
  const sum = [...active, ...session].reduce((total, one) => total + one, 0);
  return `weight ${weight} of ${sum}${bound}`;
}
