// What the connection pool inside an application should be. Pure arithmetic; sizes are connections of one pod.
import type { PoolMode } from '../../engines/engine.ts';

/** Behind a pooler an application's own pool only has to keep it from connecting anew: it stays small. */
export const SMALLEST = 5;
export const LARGEST = 10;

/**
 * For each server connection so many client connections: one that works, and one whose client is between two
 * transactions and will be there next.
 */
const CLIENTS_PER_SERVER = 2;

export interface ApplicationPool {
  readonly mode: PoolMode;
  /** Server connections of the whole ConnectionPool. */
  readonly share: number;
  /** Pods of all workloads that connect to it. */
  readonly pods: number;
  /** Tasks of one pod that use the database at the same time. */
  readonly tasks?: number | undefined;
  /** Connections that one task holds at the same time. */
  readonly connectionsPerTask?: number | undefined;
}

export interface Recommendation {
  readonly poolSize: number;
  /** Why, in one sentence. */
  readonly advice: string;
}

/**
 * The smallest pool in which `tasks` tasks that hold `connectionsPerTask` connections each cannot all wait for their
 * last one: `Tn × (Cm − 1) + 1` (HikariCP, "About Pool Sizing").
 */
export function deadlockFloor(tasks = 1, connectionsPerTask = 1): number {
  return tasks * (connectionsPerTask - 1) + 1;
}

/**
 * 5 to 10, by what the pods share; in session mode, where each client connection holds a server connection, an equal
 * part of the share. Never below the deadlock floor.
 */
export function recommend(pool: ApplicationPool): Recommendation {
  const { share, tasks, connectionsPerTask } = pool;
  const pods = Math.max(1, pool.pods);
  const session = pool.mode === 'session';
  const part = session ? Math.floor(share / pods) : Math.ceil((CLIENTS_PER_SERVER * share) / pods);
  const size = Math.min(LARGEST, Math.max(session ? 1 : SMALLEST, part));
  const floor = deadlockFloor(tasks, connectionsPerTask);
  const shared = `${counted(pods, 'pod')} share ${counted(share, 'server connection')}`;
  if (floor > size) {
    return {
      poolSize: floor,
      advice: `${floor}, or tasks can wait for each other for ever: ${tasks} tasks × (${connectionsPerTask} connections − 1) + 1`,
    };
  }
  if (session) {
    const why = part < 1 ? ', which is not one each: use transaction mode, or fewer pods' : '';
    return {
      poolSize: size,
      advice: `${size}: in session mode every client connection holds a server connection, and ${shared}${why}`,
    };
  }
  return {
    poolSize: size,
    advice: `${size}, within ${SMALLEST} to ${LARGEST}: ${shared}, and the pooler keeps them busy with two clients each`,
  };
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
