// The sentence that says how a pool's size came about: `8 cores × 2 + 1 = 17; 2 pools share it 1:1, 8 here;
// 2 pooler pods, 4 each`. It says what decided, in the order of the computation, and nothing else.
import { isShared } from '../../api/workload.ts';
import { entrySizes, isSessionPool, poolMax } from '../sizing/entries.ts';
import { mostPods } from '../sizing/most-pods.ts';
import { ASKED, isAsked } from '../sizing/observed.ts';
import { ownersTotal, ownersWords } from '../sizing/server-budget.ts';
import { LISTED_POOLS, poolsInWords } from '../sizing/sharing.ts';
import type { SizedPool, SizedServer } from '../sizing/size-server.ts';
import { fleetOf, podSizes, processesOf } from '../sizing/size-server.ts';
import { splitEvenly } from '../sizing/water-fill.ts';

/** Numbers of server connections; cores and the factor in thousandths. */
export interface ExplanationInput {
  readonly milliCores: number;
  /** Nothing says how many cores the server has; `milliCores` is assumed. */
  readonly coresAssumed: boolean;
  readonly milliCoresFactor: number;
  readonly spindles: number;
  readonly optimum: number;
  readonly maxConnections: number;
  /** The server itself said so. */
  readonly maxConnectionsAsked?: boolean;
  /** superuser_reserved_connections + reserved_connections. */
  readonly reservedConnections: number;
  /** By the owner, for others than pools. */
  readonly setAside: number;
  readonly slack: number;
  /** max_connections less the three before. */
  readonly guard: number;
  /** The owner's number instead of the optimum, or his part of max_connections in percent. */
  readonly total?: number;
  readonly sharePercent?: number;
  /** What the pools of this pool's kind (in session mode or not) may open together. */
  readonly ceiling: number;
  readonly session: boolean;
  /** Read replicas behind the pool; absent when it leads to the primary. */
  readonly readReplicas?: number;
  readonly weight: number;
  /** Weights of the other pools of the server: of the same kind, and of the other one. */
  readonly alike: readonly number[];
  readonly unlike: readonly number[];
  readonly share: number;
  readonly min?: number;
  readonly max?: number;
  /** What the pools of its namespace may have together, when that is what bounds this one. */
  readonly namespaceMax?: number;
  readonly podsAsked: number;
  /** By ordinal; empty when no pod can run. */
  readonly perPod: readonly number[];
  /** They are those of a Deployment: so many of them can be there at once. */
  readonly podsAtOnce?: number;
  /** Processes of each pod: as they are asked for, and as they can be fed. */
  readonly processesAsked: number;
  readonly processes: number;
  /** What each process divides its connections over. */
  readonly axis: 'database' | 'user';
  readonly entries: number;
  /** Some of those have a weight or a max of their own. */
  readonly bySize?: boolean;
}

export function explain(input: ExplanationInput): string {
  return [ceiling(input), sharing(input), pods(input)].join('; ');
}

/** The sentence from the results of sizing. */
export function explanationOf(
  server: SizedServer,
  pools: readonly SizedPool[],
  pool: SizedPool,
  axis: 'database' | 'user',
  assumedMilliCores: number,
): string {
  const { limits, budget, facts } = server;
  const { spec } = pool;
  const session = isSessionPool(spec);
  const max = poolMax(spec);
  const share = server.shares.get(pool.uid)?.connections ?? 0;
  const perPod = podSizes(share, spec, pool.entries);
  const others = pools.filter((other) => other.uid !== pool.uid && other.spec.pooler.replicas > 0);
  const weights = (alike: boolean) =>
    others
      .filter((other) => (isSessionPool(other.spec) === session) === alike)
      .map((other) => other.spec.sizing.weight)
      .sort((a, b) => b - a);
  return explain({
    milliCores: limits.milliCores ?? assumedMilliCores,
    coresAssumed: limits.milliCores === undefined,
    milliCoresFactor: limits.milliCoresFactor,
    spindles: limits.spindles,
    optimum: budget.optimum,
    maxConnections: limits.maxConnections,
    maxConnectionsAsked: isAsked(facts.maxConnections),
    reservedConnections: limits.reservedConnections,
    setAside: limits.setAside,
    slack: budget.slack,
    guard: budget.guard,
    ...(limits.total !== undefined ? { total: limits.total } : {}),
    ...(limits.sharePercent !== undefined ? { sharePercent: limits.sharePercent } : {}),
    ceiling: session ? budget.total : budget.active,
    session,
    ...(spec.postgres.role === 'replicas' ? { readReplicas: facts.replicas } : {}),
    weight: spec.sizing.weight,
    alike: weights(true),
    unlike: weights(false),
    share,
    ...(spec.sizing.min !== undefined ? { min: spec.sizing.min } : {}),
    ...(max !== undefined ? { max } : {}),
    ...(server.shares.get(pool.uid)?.groupIsFull === true && pool.namespaceMax !== undefined
      ? { namespaceMax: pool.namespaceMax }
      : {}),
    podsAsked: spec.pooler.replicas,
    perPod,
    ...(isShared(spec) ? { podsAtOnce: mostPods(perPod.length) } : {}),
    processesAsked: processesOf(spec),
    processes: fleetOf(share, spec, pool.entries).processes,
    axis,
    entries: pool.entries,
    bySize: entrySizes(spec).size > 0,
  });
}

function ceiling(input: ExplanationInput): string {
  const { optimum, guard, readReplicas } = input;
  const total = ownersTotal(input);
  const limit = guardParts(input);
  const replicas =
    readReplicas !== undefined && readReplicas > 1
      ? `, for one of the ${readReplicas} replicas, as all connections can land on it`
      : '';
  if (total !== undefined) {
    const why = `the owner sets ${ownersWords(input)} (${formula(input)} would be ${optimum})`;
    return `${total > guard ? `${why}, but ${limit} leaves ${guard}` : why}${replicas}`;
  }
  if (input.session) {
    return `session mode holds a connection for each client, so the limit counts: ${limit} = ${guard} (${formula(input)} = ${optimum} would work best)${replicas}`;
  }
  const exact = exactOptimum(input);
  const assumed = input.coresAssumed ? 'the cores are not known, so the fewest are assumed: ' : '';
  const rounded =
    exact === optimum
      ? `${optimum}`
      : exact < 1
        ? `${exact}, at least ${optimum}`
        : `${exact}, rounded down to ${optimum}`;
  const works = `${assumed}${formula(input)} = ${rounded}`;
  return `${optimum > guard ? `${works}, but ${limit} leaves ${guard}` : works}${replicas}`;
}

function formula({ milliCores, milliCoresFactor, spindles }: ExplanationInput): string {
  return `${counted(milliCores / 1000, 'core')} × ${milliCoresFactor / 1000} + ${spindles}`;
}

function exactOptimum({ milliCores, milliCoresFactor, spindles }: ExplanationInput): number {
  return (milliCores * milliCoresFactor) / 1e6 + spindles;
}

function guardParts(input: ExplanationInput): string {
  const parts = [
    `max_connections ${input.maxConnections}${input.maxConnectionsAsked === true ? ` (${ASKED})` : ''}`,
    `${input.reservedConnections} reserved`,
    ...(input.setAside > 0 ? [`${input.setAside} set aside`] : []),
    `${input.slack} slack`,
  ];
  return parts.join(' − ');
}

function sharing(input: ExplanationInput): string {
  const { weight, alike, unlike, share, session } = input;
  if (input.podsAsked === 0) return 'no pods are asked for, so nothing is given to it';
  const bound =
    share === input.max
      ? ', its max'
      : input.namespaceMax !== undefined
        ? `, as pools of its namespace may have ${input.namespaceMax} together`
        : share === input.min
          ? ', its min'
          : '';
  const here = `${share} here${bound}`;
  const which = unlike.length === 0 ? '' : session ? 'session-mode ' : 'other-mode ';
  const beside =
    unlike.length === 0
      ? ''
      : session
        ? ` beside ${poolsInWords(unlike.length)} in other modes`
        : ` beside ${poolsInWords(unlike.length)} in session mode`;
  if (alike.length === 0) return `1 pool has it${beside}, ${here}`;
  const weights = [weight, ...alike];
  if (weights.length > LISTED_POOLS) {
    return `more than ${LISTED_POOLS} ${which}pools share it by weight${beside}, ${here} for weight ${weight}`;
  }
  return `${weights.length} ${which}pools share it ${weights.join(':')}${beside}, ${here}`;
}

function pods(input: ExplanationInput): string {
  const { perPod, podsAsked, entries, axis, processes, processesAsked } = input;
  if (podsAsked === 0) return 'no pooler pods';
  const things = entries > 1 ? `${entries} ${axis}s` : '';
  if (input.podsAtOnce !== undefined) return podsOfDeployment(input, input.podsAtOnce);
  if (perPod.length === 0) {
    return `no pooler pod can run: one needs ${counted(Math.max(1, entries), 'connection')}${things === '' ? '' : `, one for each of its ${things}`}`;
  }
  const how = input.bySize === true ? ' by their sizes' : '';
  const split = things === '' ? '' : `, divided over ${things}${how}`;
  const needed = entries * processes;
  const needs = needed > 1 ? `${needed} connections` : 'a connection';
  const fewer =
    perPod.length < podsAsked ? ` of the ${podsAsked} asked for, since each needs ${needs}` : '';
  const single = entries > 1 ? `${entries} connections` : 'a connection';
  const fewerEach =
    processes < processesAsked
      ? ` (of the ${processesAsked} asked for, since each needs ${single})`
      : '';
  const inEach = processesAsked > 1 ? ` × ${counted(processes, 'process')}${fewerEach}` : '';
  const perProcess = perPod.flatMap((connections) => splitEvenly(connections, processes));
  return `${counted(perPod.length, 'pooler pod')}${inEach}${fewer}, ${sizes(perProcess)}${split}`;
}

/** `2 pooler pods of a Deployment, at most 5 at once, 3 each`. */
function podsOfDeployment(input: ExplanationInput, atOnce: number): string {
  const { perPod, podsAsked, entries, axis } = input;
  const things = entries > 1 ? `, divided over ${entries} ${axis}s` : '';
  const [each] = perPod;
  if (each === undefined) {
    const least = mostPods(1);
    const why = entries > 1 ? `, and each needs one for each of its ${entries} ${axis}s` : '';
    return `no pooler pod can run: of a Deployment with 1 replica there can be ${least} at once${why}, which takes ${counted(least * Math.max(1, entries), 'connection')}`;
  }
  const how = input.bySize === true && things !== '' ? ' by their sizes' : '';
  const fewer =
    perPod.length < podsAsked
      ? ` of the ${podsAsked} asked for, since each of ${mostPods(podsAsked)} would need ${counted(entries, 'connection')}`
      : '';
  return `${counted(perPod.length, 'pooler pod')} of a Deployment${fewer}, at most ${atOnce} at once, ${each} each${things}${how}`;
}

/** `4 each`, `5 and 4`, `2 with 4 and 3 with 3`. The first have one more where it does not come out even. */
function sizes(perPod: readonly number[]): string {
  const [first] = perPod;
  const last = perPod.at(-1);
  if (perPod.length === 1) return `${first}`;
  if (first === last) return `${first} each`;
  if (perPod.length <= 3) return `${perPod.slice(0, -1).join(', ')} and ${last}`;
  const larger = perPod.filter((size) => size === first).length;
  return `${larger} with ${first} and ${perPod.length - larger} with ${last}`;
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : noun.endsWith('s') ? 'es' : 's'}`;
}
