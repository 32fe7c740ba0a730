// What happened between two looks at a process.
import type { Look, Totals } from './look.ts';

export interface Interval extends Totals {
  readonly seconds: number;
}

/**
 * Undefined when there is nothing to compare: no time has passed, or the process has started again, which shows as a
 * count that is less than before.
 */
export function between(before: Look | undefined, after: Look): Interval | undefined {
  if (before === undefined || after.at <= before.at) return undefined;
  const [a, b] = [before.totals, after.totals];
  const interval: Interval = {
    seconds: after.at - before.at,
    transactions: b.transactions - a.transactions,
    queries: b.queries - a.queries,
    assignments: b.assignments - a.assignments,
    transactionSeconds: b.transactionSeconds - a.transactionSeconds,
    waitSeconds: b.waitSeconds - a.waitSeconds,
  };
  return Object.values(interval).some((value) => value < 0) ? undefined : interval;
}

export interface Rates {
  /**
   * Part of the server connections that were in a transaction, 0 to 1: Δtotal_xact_time / Δt ÷ connections. PgBouncer
   * counts a transaction when it ends, so that a long one shows late and at once.
   */
  readonly busyRatio: number;
  /** Δtotal_wait_time / Δtotal_server_assignment_count; 0 when nobody got a connection. */
  readonly meanWaitSeconds: number;
  /** Δtotal_xact_time / Δtotal_xact_count; 0 when none has ended. */
  readonly meanTransactionSeconds: number;
}

/** Over all processes of a pool; `connections` is what it may open. Undefined without an interval. */
export function ratesOf(intervals: readonly Interval[], connections: number): Rates | undefined {
  if (intervals.length === 0) return undefined;
  const sum = (of: (interval: Interval) => number) =>
    intervals.reduce((total, interval) => total + of(interval), 0);
  const busy = sum((i) => i.transactionSeconds / i.seconds);
  return {
    busyRatio: connections === 0 ? 0 : Math.min(1, busy / connections),
    meanWaitSeconds: ratio(
      sum((i) => i.waitSeconds),
      sum((i) => i.assignments),
    ),
    meanTransactionSeconds: ratio(
      sum((i) => i.transactionSeconds),
      sum((i) => i.transactions),
    ),
  };
}

function ratio(total: number, count: number): number {
  return count === 0 ? 0 : total / count;
}
