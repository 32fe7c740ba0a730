// The command line of the bench.
import { parseArgs } from 'node:util';
import type { Fleet } from './fleet.ts';

export interface Options {
  readonly fleets: readonly Fleet[];
  readonly inFlight: number;
  /** Exit with 1 when a target is missed. */
  readonly check: boolean;
  readonly only: Part | 'all';
  /** How many pools share one server where one edit plans them all anew. */
  readonly replanned: number;
  readonly idleSeconds: number;
  /** Flags for the operator's Node instead of the image's: to profile and to tune it. */
  readonly node: readonly string[];
}

const parts = ['raw', 'converge', 'replan'] as const;
export type Part = (typeof parts)[number];

export const usage = `usage: node test/bench/main.ts [options]
  --pools N --clusters N   one size instead of 1,000 on 100 and 5,000 on 500
  --only raw|converge      leave the rest out
  --only replan            only the edit that plans 500 pools of one server anew; --pools N takes another number
  --in-flight N            requests at the same time (32)
  --idle SECONDS           how long to look at the idle operator (20)
  --node=FLAG              a flag for the operator's Node instead of the image's; may be repeated
  --check                  exit with 1 when a target is missed`;

/** Throws an Error whose message is for the user. */
export function readOptions(words: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...words],
    options: {
      pools: { type: 'string' },
      clusters: { type: 'string' },
      only: { type: 'string' },
      'in-flight': { type: 'string', default: '32' },
      idle: { type: 'string', default: '20' },
      node: { type: 'string', multiple: true, default: [] },
      check: { type: 'boolean', default: false },
    },
  });
  const { only = 'all' } = values;
  const part = parts.find((one) => one === only);
  if (part === undefined && only !== 'all') {
    throw new Error(`--only ${only}: must be ${parts.slice(0, -1).join(', ')} or ${parts.at(-1)}`);
  }
  if (part === 'replan' && values.clusters !== undefined) {
    throw new Error('--clusters: --only replan is about one server');
  }
  return {
    fleets: fleetsOf(values.pools, values.clusters),
    inFlight: whole('--in-flight', values['in-flight'], 1),
    check: values.check,
    only: part ?? 'all',
    replanned: part === 'replan' ? whole('--pools', values.pools ?? '500', 5) : 500,
    idleSeconds: whole('--idle', values.idle, 0),
    node: values.node,
  };
}

function fleetsOf(pools: string | undefined, clusters: string | undefined): Fleet[] {
  if (pools === undefined && clusters === undefined) {
    return [
      { pools: 1000, clusters: 100 },
      { pools: 5000, clusters: 500 },
    ];
  }
  const count = whole('--pools', pools ?? String(10 * Number(clusters)), 1);
  const of = whole('--clusters', clusters ?? String(Math.max(1, Math.round(count / 10))), 1);
  if (count % of !== 0) throw new Error('--pools must be a multiple of --clusters');
  return [{ pools: count, clusters: of }];
}

function whole(option: string, text: string, min: number): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < min) throw new Error(`${option} ${text}: must be a whole number`);
  return n;
}
