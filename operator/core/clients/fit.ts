// Whether the applications' connections fit the pool: what the poolers accept, what can be served before clients are
// dropped, and whether tasks can block each other. Each check is one small pure function; the first fault is the
// condition's reason, and all of them are its message.
import type { PoolMode } from '../../engines/engine.ts';
import type { Fault } from '../../postgres/adapter.ts';
import type { Counted } from './count.ts';
import { LEAST_FILE_LIMIT, processClients } from './limit.ts';
import { deadlockFloor } from './recommend.ts';

export interface FitInput {
  readonly mode: PoolMode;
  readonly workloads: readonly Counted[];
  /** Client connections that they can open together. */
  readonly connections: number;
  /** Server connections of the pool. */
  readonly share: number;
  /** Pooler pods. */
  readonly pods: number;
  /** In each of them; absent: 1. */
  readonly processes?: number;
  /** Client connections that each pod accepts. */
  readonly maxClientConn: number;
  readonly filesBesides: number;
  readonly fileLimit?: number | undefined;
  /** Seconds; 0 is for ever. */
  readonly queryWaitTimeout: number;
}

/**
 * Seconds that a transaction is assumed to take on average, where the pool has to be judged before anybody has seen
 * it work. Long for OLTP, where 1 to 20 ms are common: whoever is slower is told by Saturated, from measured waits.
 */
export const ASSUMED_TRANSACTION_SECONDS = 0.1;

/** PgBouncer's own default of query_wait_timeout; seconds. */
export const DEFAULT_QUERY_WAIT_TIMEOUT = 120;

const checks: readonly ((input: FitInput) => Fault | undefined)[] = [
  moreThanAccepted,
  filesDoNotSuffice,
  sessionsDoNotFit,
  waitsTooLong,
  blocksItself,
  blocksEachOther,
  notWithoutAPod,
  filesNotKnown,
];

/** In the order of what matters most; empty when all is well. */
export function misfits(input: FitInput): Fault[] {
  if (input.connections === 0) return [];
  return checks.map((check) => check(input)).filter((fault) => fault !== undefined);
}

function moreThanAccepted({ connections, maxClientConn, pods }: FitInput): Fault | undefined {
  const accepted = maxClientConn * pods;
  if (pods === 0 || connections <= accepted) return undefined;
  return {
    reason: 'MoreThanAccepted',
    message: `the workloads can open ${connections} connections and ${count(pods, 'pod')} accept ${maxClientConn} each: raise spec.clients.max or spec.clients.fileLimit, or lower the applications' pools`,
  };
}

/** Only of a limit that was told: PgBouncer opens a file for each client, and stops accepting at the limit. */
function filesDoNotSuffice(input: FitInput): Fault | undefined {
  const { fileLimit, filesBesides } = input;
  const accepts = acceptedByProcess(input);
  const needed = accepts + filesBesides;
  if (fileLimit === undefined || needed <= fileLimit) return undefined;
  return {
    reason: 'FileLimitTooSmall',
    message: `${oneOf(input)} that accepts ${accepts} clients needs up to ${needed} open files and has ${fileLimit}: raise the nodes' limit and spec.clients.fileLimit, or lower spec.clients.max`,
  };
}

function sessionsDoNotFit({ mode, connections, share }: FitInput): Fault | undefined {
  if (mode !== 'session' || connections <= share) return undefined;
  return {
    reason: 'SessionsDoNotFit',
    message: `in session mode each client holds a server connection, and the workloads can open ${connections} while the pool has ${share}: use transaction mode, or lower the applications' pools`,
  };
}

/**
 * Little's law, W = L / λ: when all ask at once, `connections − share` wait, and `share` connections end
 * `share / S` transactions a second, so that the last one waits `(connections − share) × S / share` seconds.
 */
export function longestWait(
  connections: number,
  share: number,
  transactionSeconds: number,
): number {
  return share === 0 ? 0 : (Math.max(0, connections - share) * transactionSeconds) / share;
}

function waitsTooLong(input: FitInput): Fault | undefined {
  const { mode, connections, share, queryWaitTimeout } = input;
  if (mode === 'session' || queryWaitTimeout === 0) return undefined;
  const wait = longestWait(connections, share, ASSUMED_TRANSACTION_SECONDS);
  if (wait <= queryWaitTimeout) return undefined;
  const bearable = (queryWaitTimeout * share) / (connections - share);
  return {
    reason: 'WaitsTooLong',
    message: `when all ${connections} connections ask at once, the last waits ${round(wait)} s for one of ${share} if a transaction takes ${ASSUMED_TRANSACTION_SECONDS} s (assumed), and PgBouncer drops it after ${queryWaitTimeout} s (query_wait_timeout): lower the applications' pools as status.clients says; only transactions of less than ${round(bearable * 1000)} ms on average would do`,
  };
}

function blocksItself({ workloads }: FitInput): Fault | undefined {
  const blocked = workloads.filter(
    ({ entry }) => entry.poolSize < deadlockFloor(entry.tasks, entry.connectionsPerTask),
  );
  if (blocked.length === 0) return undefined;
  const each = blocked.map(
    ({ entry, name }) =>
      `${entry.kind} ${name} has ${entry.poolSize} and needs ${deadlockFloor(entry.tasks, entry.connectionsPerTask)}`,
  );
  return {
    reason: 'TasksBlockEachOther',
    message: `tasks can wait for each other's connections for ever: ${each.join(', ')}`,
  };
}

/** The same for all pods together: each task may hold all server connections but its last one. */
function blocksEachOther({ workloads, share }: FitInput): Fault | undefined {
  const held = workloads.reduce(
    (sum, { entry, pods }) =>
      sum + pods * (deadlockFloor(entry.tasks, entry.connectionsPerTask) - 1),
    0,
  );
  if (held === 0 || held + 1 <= share) return undefined;
  return {
    reason: 'TasksBlockEachOther',
    message: `if every task has all its connections in transactions at once, all pods together need ${held + 1} server connections lest they wait for each other, and the pool has ${share}: let a task use one connection, or give the pool more`,
  };
}

/** A Service does not know how many connections a pod has: without the lost one, the others must take them. */
function notWithoutAPod({ connections, maxClientConn, pods }: FitInput): Fault | undefined {
  const left = maxClientConn * (pods - 1);
  if (pods < 2 || connections <= left || connections > maxClientConn * pods) return undefined;
  return {
    reason: 'NotWithoutAPod',
    message: `when one of the ${pods} pods is lost, the others accept ${left} of ${connections} connections: raise spec.clients.max`,
  };
}

/** A smaller limit than needed is possible, and cannot be seen from outside of the container. */
function filesNotKnown(input: FitInput): Fault | undefined {
  const { fileLimit, filesBesides } = input;
  const needed = acceptedByProcess(input) + filesBesides;
  if (fileLimit !== undefined || needed <= LEAST_FILE_LIMIT) return undefined;
  return {
    reason: 'FileLimitNotKnown',
    message: `${oneOf(input)} needs up to ${needed} open files, and some nodes give ${LEAST_FILE_LIMIT} (containerd 2 without LimitNOFILE): look with "ulimit -n" in a container, and write it into spec.clients.fileLimit`,
  };
}

/** A limit of files is of each process. */
function acceptedByProcess({ maxClientConn, processes = 1 }: FitInput): number {
  return processClients(maxClientConn, processes);
}

function oneOf({ processes = 1 }: FitInput): string {
  return processes === 1 ? 'a pod' : 'a pooler process';
}

function round(value: number): string {
  return value >= 10 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
