// How many connections all pools together may open to one Postgres server.

/** What the budget of one server is computed from; numbers of connections, cores in thousandths. */
export interface ServerLimits {
  /** Absent when nothing says how many cores the server has. */
  readonly milliCores?: number;
  /** Thousandths; 2000 is PostgreSQL's own "cores × 2". */
  readonly milliCoresFactor: number;
  readonly spindles: number;
  readonly maxConnections: number;
  /** superuser_reserved_connections + reserved_connections. */
  readonly reservedConnections: number;
  /** What the owner keeps for admin, monitoring, migrations, cron. */
  readonly setAside: number;
  /** Stays free below the limit; absent for the default. */
  readonly slack?: number;
  /** The owner's number, instead of the optimum. */
  readonly total?: number;
  /** The same as a part of max_connections, in percent; `total` comes before it. */
  readonly sharePercent?: number;
}

export interface ServerBudget {
  /** `floor(cores × coresFactor + spindles)`, at least 1. */
  readonly optimum: number;
  /** `max_connections − reserved − set aside − slack`, at least 0: the most that can be promised. */
  readonly guard: number;
  readonly slack: number;
  /** What is kept from the pools: the server's reserved ones and what the owner set aside. */
  readonly reserved: number;
  /** What pools in transaction and statement mode may open together. */
  readonly active: number;
  /** What all pools may open together; more than `active` only where pools in session mode are. */
  readonly total: number;
  /** Which of the three numbers decided `active`. */
  readonly decidedBy: 'optimum' | 'guard' | 'owner';
}

/** Cores that are assumed where nothing says: the smallest server, because too small is safe. */
export const ASSUMED_MILLI_CORES = 1000;

/**
 * The optimum counts connections that work (PostgreSQL wiki, "Number Of Database Connections":
 * `connections = cores × 2 + effective_spindle_count`). A session-mode pool holds a connection for an idle
 * client too, so with `sessions` the guard is the ceiling of the whole, and the optimum only that of the others.
 */
export function serverBudget(limits: ServerLimits, sessions: boolean): ServerBudget {
  const milliCores = limits.milliCores ?? ASSUMED_MILLI_CORES;
  const optimum = Math.max(
    1,
    Math.floor((milliCores * limits.milliCoresFactor) / 1e6 + limits.spindles),
  );
  const slack = limits.slack ?? defaultSlack(limits.maxConnections);
  const reserved = limits.reservedConnections + limits.setAside;
  const guard = Math.max(0, limits.maxConnections - reserved - slack);
  const owners = ownersTotal(limits);
  const wanted = owners ?? optimum;
  const active = Math.min(wanted, guard);
  const decidedBy = active < wanted ? 'guard' : owners === undefined ? 'optimum' : 'owner';
  const total = sessions && owners === undefined ? guard : active;
  return { optimum, guard, slack, reserved, active, total, decidedBy };
}

/**
 * Connections that the owner wants for all pools together: his number, or `floor(max_connections × percent / 100)`, at
 * least 1 as the optimum is. Undefined where he leaves it to the cores.
 */
export function ownersTotal({
  total,
  sharePercent,
  maxConnections,
}: Pick<ServerLimits, 'total' | 'sharePercent' | 'maxConnections'>): number | undefined {
  if (total !== undefined || sharePercent === undefined) return total;
  return Math.max(1, Math.floor((maxConnections * sharePercent) / 100));
}

/** The same in words: `40`, or `50 % of max_connections 200 = 100`. */
export function ownersWords(
  limits: Pick<ServerLimits, 'total' | 'sharePercent' | 'maxConnections'>,
): string {
  const { total, sharePercent, maxConnections } = limits;
  const number = `${ownersTotal(limits)}`;
  if (total !== undefined || sharePercent === undefined) return number;
  return `${sharePercent} % of max_connections ${maxConnections} = ${number}`;
}

/** A tenth of max_connections, at least 5: cancels, look-ups, sessions that outlive their client. */
export function defaultSlack(maxConnections: number): number {
  return Math.max(5, Math.ceil(maxConnections / 10));
}
