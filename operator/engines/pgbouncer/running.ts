/** What a process may hold at its settings as running: the observation's part of a holder's charge. */
import type {
  CapAxis,
  CapEntry,
  LockedOut,
  Observation,
  ObservedPool,
  ObservedUser,
  RunningCapacity,
} from '../engine.ts';
import { isUserMark } from './mark.ts';

export function runningCapacity(
  observation: Observation,
  axis: CapAxis,
  lockedOut?: LockedOut,
): RunningCapacity {
  const { sessions } = observation;
  const held = axis === 'database' ? sessions.byDatabase : sessions.byUser;
  const entries = axis === 'database' ? databases(observation) : users(observation, lockedOut);
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

function users(observation: Observation, lockedOut?: LockedOut): CapEntry[] {
  const locked = new Set(lockedOut?.names);
  const gone = new Set(lockedOut?.gone);
  const inPools = new Set(
    observation.pools
      .filter(({ clientsActive, clientsWaiting }) => clientsActive + clientsWaiting > 0)
      .map(({ user }) => user),
  );
  return roles(observation)
    .filter(
      ({ name, currentConnections, currentClients }) =>
        !locked.has(name) ||
        currentConnections > 0 ||
        inPools.has(name) ||
        // Those that log in are in no pool yet.
        (currentClients > 0 && !gone.has(name)),
    )
    .map(({ name, maxConnections }) => ({ name, connections: maxConnections }));
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
