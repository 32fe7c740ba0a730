/** What a process may hold at its settings as running: the observation's part of a holder's charge. */
import type {
  CanLogIn,
  CapAxis,
  CapEntry,
  Observation,
  ObservedPool,
  ObservedUser,
  RunningCapacity,
} from '../engine.ts';
import { isUserMark } from './mark.ts';

export function runningCapacity(
  observation: Observation,
  axis: CapAxis,
  canLogIn?: CanLogIn,
): RunningCapacity {
  const { sessions } = observation;
  const held = axis === 'database' ? sessions.byDatabase : sessions.byUser;
  const entries = axis === 'database' ? databases(observation) : users(observation, canLogIn);
  const unbounded = entries.filter(({ connections }) => connections === 0).map(({ name }) => name);
  const caps: CapEntry[] = entries
    .filter(({ connections }) => connections > 0)
    .map(({ name, connections }) => ({
      name,
      connections: Math.max(connections, held[name] ?? 0),
    }));
  // A session of an entry that is in no list any more, should there be one, still is a session.
  const known = new Set(entries.map(({ name }) => name));
  for (const [name, connections] of Object.entries(held)) {
    if (!known.has(name) && connections > 0) caps.push({ name, connections });
  }
  caps.sort((a, b) => (a.name < b.name ? -1 : 1));
  const sum = caps.reduce((total, { connections }) => total + connections, 0);
  return {
    connections: unbounded.length > 0 ? Number.POSITIVE_INFINITY : Math.max(sum, sessions.total),
    caps,
    unbounded: unbounded.map((name) => `${axis} ${name}`),
  };
}

/** 0 connections: unlimited. */
function databases({ databases: all }: Observation): CapEntry[] {
  return all.map(({ name, maxConnections }) => ({ name, connections: maxConnections }));
}

function users(observation: Observation, canLogIn?: CanLogIn): CapEntry[] {
  const may = canLogIn && new Set(canLogIn.users);
  const inPools = new Set(
    observation.pools
      .filter(({ clientsActive, clientsWaiting }) => clientsActive + clientsWaiting > 0)
      .map(({ user }) => user),
  );
  // Of a user's clients, those that log in are in no pool yet.
  const hasClients = ({ name, currentClients }: ObservedUser) =>
    canLogIn?.loginsOver === true ? inPools.has(name) : currentClients > 0;
  return roles(observation)
    .filter(
      (user) =>
        may === undefined || may.has(user.name) || user.currentConnections > 0 || hasClients(user),
    )
    .map(({ name, maxConnections }) => ({ name, connections: maxConnections }));
}

export function loginSeconds({ parameters }: Observation): number {
  const seconds = Number(parameters.client_login_timeout);
  return seconds > 0 ? seconds : Number.POSITIVE_INFINITY;
}

export function starving({ pools }: Observation, axis: CapAxis): ObservedPool[] {
  const has = (pool: ObservedPool) =>
    pool.serversActive +
      pool.serversIdle +
      pool.serversUsed +
      pool.serversTested +
      pool.serversLogin +
      pool.serversBeingCancelled >
    0;
  const entry = (pool: ObservedPool) => (axis === 'database' ? pool.database : pool.user);
  const taken = new Set(pools.filter(has).map(entry));
  return pools.filter((pool) => pool.clientsWaiting > 0 && !has(pool) && taken.has(entry(pool)));
}

/** Without the operator's own users and marks: no role of the server answers to them. */
function roles({ users: all, parameters }: Observation): readonly ObservedUser[] {
  const own = new Set([...list(parameters.admin_users), ...list(parameters.stats_users)]);
  return all.filter(({ name }) => !isUserMark(name) && !own.has(name));
}

export function remembered(observation: Observation, listed: readonly string[]): string[] {
  const known = new Set(listed);
  return roles(observation)
    .map(({ name }) => name)
    .filter((name) => !known.has(name))
    .sort();
}

function list(value: string | undefined): string[] {
  return (value ?? '').split(',').map((name) => name.trim());
}
