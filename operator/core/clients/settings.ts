// Ready settings for the connection pools that applications use: what all libraries need to know, from the pool's spec.
import type { ConnectionPoolSpec, PoolClients } from '../../api/connection-pool.ts';
import { queryWaitTimeoutOf } from './plan.ts';
import { recommend } from './recommend.ts';

export interface ApplicationSettings {
  readonly host: string;
  readonly port: number;
  /** A placeholder where the pool lists none. */
  readonly database: string;
  readonly user: string;
  /** The Secret with the user's password; absent when the owner of the Postgres says who may log in. */
  readonly secret?: { readonly name: string; readonly key: string };
  /** Connections of one pod; processes of a pod divide them. */
  readonly poolSize: number;
  /** Whose size it is: all workloads of which this size is recommended. */
  readonly sizeOf: string;
  readonly mode: ConnectionPoolSpec['mode'];
  /** PgBouncer keeps track of protocol-level prepared statements (max_prepared_statements is not 0). */
  readonly preparedStatements: boolean;
  readonly tlsRequired: boolean;
  /** A request that waits so long for a connection of the application's own pool fails. */
  readonly acquireSeconds: number;
  /** To reach the pooler and log in. */
  readonly connectSeconds: number;
  /** A connection that nobody uses is closed after so long. */
  readonly idleSeconds: number;
  /** A connection is replaced after so long, so that new pooler pods get their part. */
  readonly lifetimeSeconds: number;
}

export interface Library {
  readonly name: string;
  /** Where the text goes. */
  readonly file: string;
  render(settings: ApplicationSettings): string;
}

/** HikariCP's and psycopg_pool's own default for a wait; less where PgBouncer gives up earlier. */
const ACQUIRE_SECONDS = 30;
const CONNECT_SECONDS = 5;
const IDLE_SECONDS = 600;
/** HikariCP's own default. */
const LIFETIME_SECONDS = 1800;

/** Sizes where no workload is named: of an unknown number of pods. */
const MANY_PODS = 1000;

/** One for each size that is recommended to a workload, in the order of the workloads; one where none is named. */
export function applicationSettings(
  spec: ConnectionPoolSpec,
  to: { readonly host: string; readonly port: number },
  share: number,
  clients: PoolClients | undefined,
): readonly ApplicationSettings[] {
  const common = commonSettings(spec, to);
  const bySize = new Map<number, string[]>();
  for (const { kind, name, recommendedPoolSize } of clients?.workloads ?? []) {
    const names = bySize.get(recommendedPoolSize) ?? [];
    bySize.set(recommendedPoolSize, [...names, `${kind} ${name}`]);
  }
  if (bySize.size === 0) {
    const { poolSize } = recommend({ mode: spec.mode, share, pods: MANY_PODS });
    const sizeOf =
      'for any number of pods; name the workloads in spec.clients.workloads for their own';
    return [{ ...common, poolSize, sizeOf }];
  }
  return [...bySize].map(([poolSize, names]) => ({
    ...common,
    poolSize,
    sizeOf: `for ${names.join(', ')}`,
  }));
}

/** What is the same whatever the size. */
function commonSettings(
  spec: ConnectionPoolSpec,
  to: { readonly host: string; readonly port: number },
): Omit<ApplicationSettings, 'poolSize' | 'sizeOf'> {
  const [user] = spec.users ?? [];
  const wait = queryWaitTimeoutOf(spec);
  const clientIdle = Number(spec.parameters.client_idle_timeout ?? 0);
  const database = user?.binding?.database ?? spec.databases.find((d) => d.name !== '*')?.name;
  return {
    ...to,
    database: database ?? 'DATABASE',
    user: user?.name ?? 'USER',
    ...(user === undefined ? {} : { secret: user.secretRef }),
    mode: spec.mode,
    preparedStatements: spec.parameters.max_prepared_statements !== '0',
    tlsRequired: spec.tls.client?.mode === 'require',
    acquireSeconds:
      wait > 0 ? Math.max(1, Math.min(ACQUIRE_SECONDS, Math.floor(wait))) : ACQUIRE_SECONDS,
    connectSeconds: CONNECT_SECONDS,
    // Before PgBouncer does it, because the application would find out by an error.
    idleSeconds:
      clientIdle > 0
        ? Math.max(1, Math.min(IDLE_SECONDS, Math.floor(clientIdle * 0.8)))
        : IDLE_SECONDS,
    lifetimeSeconds: LIFETIME_SECONDS,
  };
}

/** What holds for every library, because of how PgBouncer works in this mode. */
export function advice({
  mode,
  preparedStatements,
}: Pick<ApplicationSettings, 'mode' | 'preparedStatements'>): string[] {
  if (mode === 'session') {
    return [
      'Session mode: every connection of the application holds a server connection, so the sizes of all pods together must stay within the share.',
    ];
  }
  return [
    `${mode === 'statement' ? 'Statement mode: no transactions of several statements, and no' : 'Transaction mode: no'} state outside of a ${mode}: SET (use SET LOCAL), LISTEN, temporary tables, session advisory locks, WITH HOLD cursors.`,
    'No further parameters at connection time (statement_timeout, options=…): PgBouncer refuses those that it does not know. Use ALTER ROLE … SET.',
    preparedStatements
      ? 'Prepared statements of the protocol work (max_prepared_statements); PREPARE and DEALLOCATE in SQL do not.'
      : 'Prepared statements do not work, because max_prepared_statements is 0.',
  ];
}
