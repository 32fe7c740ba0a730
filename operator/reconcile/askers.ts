// By which ways a server can be asked: pods that serve, users whose password the processes have read, databases that
// they may open. A way that disturbs the pool's own clients is none.
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import { drainingSince } from '../core/drain/read-pod.ts';
import { namesOf } from '../core/pool/names.ts';
import { LISTEN_PORT } from '../core/pool/paths.ts';
import { isPauseWanted } from '../core/pool/pause.ts';
import { podAddress, recordsOf } from '../core/pool/read.ts';
import type { Observation, ObservedPool } from '../engines/engine.ts';
import { type KubeObject, keyOf } from '../kube/types.ts';
import type { Context } from './context.ts';
import { readList } from './gather.ts';
import { isReady } from './pods.ts';

export interface Asker {
  readonly address: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly password: string;
    readonly database: string;
    readonly tls?: { readonly ca?: string };
  };
  /** For people: "user app of ConnectionPool shop/web". */
  readonly through: string;
}

type Ground = Pick<Context, 'world' | 'consoles' | 'engine'>;

/** In transaction mode a server connection is borrowed for a millisecond, in session mode for the whole visit. */
const gentleness: readonly ConnectionPoolSpec['mode'][] = ['transaction', 'statement', 'session'];
/** Where no client has shown which database there is. Nearly every server has it, and lets everybody in. */
const COMMON_DATABASE = 'postgres';

/** The gentlest first; in an order that only changes with the pools and their pods. */
export function askersOf(
  context: Ground,
  budgetKey: string,
  role: ConnectionPoolSpec['postgres']['role'],
): Asker[] {
  return poolsOf(context, budgetKey, role)
    .filter((pool) => !isPauseWanted(specOf(pool).pause, Date.now()))
    .sort((a, b) => rank(a) - rank(b) || (keyOf(a.metadata) < keyOf(b.metadata) ? -1 : 1))
    .flatMap((pool) => askersOfPool(context, pool));
}

/** Whether there is anything that could be asked at another time. */
export function hasPods(
  context: Ground,
  budgetKey: string,
  role: ConnectionPoolSpec['postgres']['role'],
): boolean {
  return poolsOf(context, budgetKey, role).some(
    ({ metadata: { namespace = '', name } }) => context.world.podsOf(namespace, name).length > 0,
  );
}

function poolsOf(
  { world }: Ground,
  budgetKey: string,
  role: ConnectionPoolSpec['postgres']['role'],
): KubeObject[] {
  return world.pools
    .byIndex('budget', budgetKey)
    .filter((pool) => pool.metadata.deletionTimestamp === undefined)
    .filter((pool) => specOf(pool).postgres.role === role);
}

function rank(pool: KubeObject): number {
  return gentleness.indexOf(specOf(pool).mode);
}

function askersOfPool({ world, consoles, engine }: Ground, pool: KubeObject): Asker[] {
  const { namespace = '', name } = pool.metadata;
  const names = namesOf(name);
  const list = readList(
    world.secrets.get(namespace, names.userListSecret),
    world.secrets.get(namespace, names.consoleSecret),
  );
  if (list === undefined) return [];
  const users = engine
    .usersOf(list.text, list.seed)
    .map((user) => ({ user, password: engine.secretOf(list.text, user) ?? '' }))
    .filter(({ user, password }) => !isOurs(user) && isPlain(password));
  return world
    .podsOf(namespace, name)
    .filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .filter((pod) => isReady(pod) && drainingSince(pod) === undefined)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap((pod) => {
      const host = podAddress(pod);
      // Any of its processes may be the one that is asked.
      const records = recordsOf(consoles.records, pod);
      const observations = records.flatMap((one) =>
        one?.follows === true && one.observation?.paused === false ? [one.observation] : [],
      );
      if (host === undefined || observations.length < records.length) return [];
      const tls = world.requiresTls(namespace, name) ? { tls: {} } : {};
      return users.flatMap(({ user, password }) =>
        databasesForAll(specOf(pool), user, observations).map((database) => ({
          address: { host, port: LISTEN_PORT, user, password, database, ...tls },
          through: `user ${user} of ConnectionPool ${namespace}/${name}`,
        })),
      );
    });
}

/** Those of the first process that all others of its pod have too. */
function databasesForAll(
  spec: ConnectionPoolSpec,
  user: string,
  processes: readonly Observation[],
): string[] {
  const [first = [], ...others] = processes.map((one) => databasesFor(spec, user, one));
  return first.filter((database) => others.every((list) => list.includes(database)));
}

/**
 * First those that have a connection to the server already; others only while there is room for one more: where there
 * is none, we would wait in front of clients who starve.
 */
function databasesFor(
  spec: ConnectionPoolSpec,
  user: string,
  { pools, users, databases, sessions }: Observation,
): string[] {
  const own = pools.filter((one) => one.user === user);
  const connected = own.filter((one) => connections(one) > 0).map((one) => one.database);
  const listed = spec.databases.map((one) => one.name).filter((one) => one !== '*');
  const any = listed.length < spec.databases.length;
  const named = any ? [...own.map((one) => one.database), COMMON_DATABASE, user] : listed;
  const cap = users.find((one) => one.name === user)?.maxConnections ?? 0;
  const rooms = named.filter((database) => {
    if (any) return cap === 0 || (sessions.byUser[user] ?? 0) < cap;
    const most = databases.find((one) => one.name === database)?.maxConnections;
    return most !== undefined && (sessions.byDatabase[database] ?? 0) < most;
  });
  const busy = new Set(own.filter((one) => one.clientsWaiting > 0).map((one) => one.database));
  return [...new Set([...connected, ...rooms])].filter((database) => !busy.has(database));
}

function connections(pool: ObservedPool): number {
  return pool.serversActive + pool.serversIdle + pool.serversUsed + pool.serversTested;
}

/** The operator's own users of the console: no roles of the server. */
function isOurs(user: string): boolean {
  return user.startsWith('spillway-');
}

/** A secret as the server stores it is no password to log in with. */
function isPlain(password: string): boolean {
  return password !== '' && !/^(SCRAM-SHA-256\$|md5[0-9a-f]{32}$)/.test(password);
}

function specOf(pool: KubeObject): ConnectionPoolSpec {
  return pool.spec as ConnectionPoolSpec;
}
