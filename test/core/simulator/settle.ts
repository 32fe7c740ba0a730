// Liveness: once the faults stop, every connection of the budget gets to a pod that can use it.
import { fleetFor, poolShares } from '../../../operator/core/sizing/pool-shares.ts';
import { splitEvenly } from '../../../operator/core/sizing/water-fill.ts';
import { truthOf } from './checks.ts';
import { everythingOnce, faultsStop } from './macros.ts';
import {
  BUDGET,
  holderOf,
  mapKey,
  ORDINALS,
  PLACES,
  type PoolObject,
  poolKey,
  SLOTS,
  setKey,
} from './objects.ts';
import { budgetOf, claimOf } from './operator.ts';
import type { Step, World } from './world.ts';

/** Rounds of everything in which a world must settle. */
export const ROUNDS = 40;

/**
 * Yields the steps; the caller applies each. Returns what is still wrong at the end, in words. Where lost nodes stay
 * lost, what they hold is out of reach, and everything else must be of use to somebody.
 */
export function* settle(
  world: World,
  nodesReturn: boolean,
): Generator<Step, string | undefined, void> {
  yield* faultsStop(world, 0, nodesReturn);
  const lost = [...world.machines.values()].some((m) => m.lost);
  const wrong = () => (lost ? unused(world) : unsettled(world));
  for (let round = 0; round < ROUNDS; round++) {
    if (lost && round === ROUNDS / 2) yield { do: 'impatience', op: 0 };
    yield* everythingOnce(world, 0);
    if (!lost && wrong() === undefined) return undefined;
  }
  const last = wrong();
  return last === undefined ? undefined : `UNSETTLED after ${ROUNDS} rounds: ${last}`;
}

/** Connections that nobody holds while somebody lacks them; undefined when there are none. */
export function unused(world: World): string | undefined {
  const { server } = world;
  const budget = server.read(BUDGET, 'budget');
  const pools = Array.from({ length: SLOTS }, (_, slot) => ({
    slot,
    pool: server.read(poolKey(slot), 'pool'),
  }));
  const claims = pools.flatMap(({ pool }) => (pool === undefined ? [] : [claimOf(pool)]));
  const shares = poolShares(budgetOf(budget?.total ?? 0), claims);
  const { committed } = truthOf(world);
  const free = (budget?.total ?? 0) - committed;
  for (const { slot, pool } of pools) {
    if (pool === undefined) continue;
    const row = budget?.rows.find((r) => r.uid === pool.uid)?.connections ?? 0;
    const share = shares.get(pool.uid)?.connections ?? 0;
    if (free > 0 && row < share) return `${free} are free, pool${slot} has ${row} of ${share}`;
    const inPool = (pool.allotment?.connections ?? 0) - sum(pool.grants);
    const { pods, processes } = fleetOf(pool, pool.allotment?.connections ?? 0);
    const perPod = pods === 0 ? [] : splitEvenly(pool.allotment?.connections ?? 0, pods);
    // One more of its processes may need a connection for each entry, and less than that is of no use to it.
    if (processes > 1 && inPool < pool.spec.entries.length) continue;
    for (const [ordinal, due] of perPod.entries()) {
      const places = PLACES.filter((place) => place.ordinal === ordinal);
      const holders = new Set(places.map(({ process }) => holderOf(slot, ordinal, process)));
      const grant = sum(pool.grants.filter(({ holder }) => holders.has(holder)));
      const isThere = world.pod(slot, ordinal)?.poolUid === pool.uid;
      const blocked = isThere && world.machine(slot, ordinal)?.lost === true;
      if (inPool > 0 && !blocked && grant < due && grant + inPool >= pool.spec.entries.length)
        return `${inPool} of pool${slot} are free, pod ${ordinal} has ${grant} of ${due}`;
    }
  }
  return undefined;
}

function sum(grants: readonly { readonly connections: number }[]): number {
  return grants.reduce((total, g) => total + g.connections, 0);
}

function fleetOf({ spec }: PoolObject, connections: number) {
  const { pods, processes, entries } = spec;
  return fleetFor(connections, { pods, processes, entries: entries.length });
}

/** What is not yet as sizing wants it; undefined when everything is. */
export function unsettled(world: World): string | undefined {
  const { server } = world;
  const budget = server.read(BUDGET, 'budget');
  const pools = Array.from({ length: SLOTS }, (_, slot) => ({
    slot,
    pool: server.read(poolKey(slot), 'pool'),
  }));
  const claims = pools.flatMap(({ pool }) => (pool === undefined ? [] : [claimOf(pool)]));
  const shares = poolShares(budgetOf(budget?.total ?? 0), claims);
  if ((budget?.rows.length ?? 0) !== claims.length)
    return `${budget?.rows.length} rows for ${claims.length} pools`;
  for (const { slot, pool } of pools) {
    if (pool === undefined) {
      for (let ordinal = 0; ordinal < ORDINALS; ordinal++)
        if (world.pod(slot, ordinal) !== undefined) return `pool${slot} is gone, its pod is not`;
      continue;
    }
    const share = shares.get(pool.uid)?.connections ?? 0;
    const row = budget?.rows.find((r) => r.uid === pool.uid);
    if (row?.connections !== share)
      return `row of pool${slot} is ${row?.connections}, not ${share}`;
    if ((pool.allotment?.connections ?? 0) !== share)
      return `pool${slot} has taken ${pool.allotment?.connections ?? 0}, not ${share}`;
    const entries = [...pool.spec.entries];
    const { pods, processes } = fleetOf(pool, share);
    const perPod = pods === 0 ? [] : splitEvenly(share, pods);
    const set = server.read(setKey(slot), 'set');
    if (set?.replicas !== pods) return `pool${slot} has ${set?.replicas} replicas, not ${pods}`;
    if (set.processes !== processes)
      return `the template of pool${slot} has ${set.processes} processes, not ${processes}`;
    for (const { ordinal, process } of PLACES) {
      const holder = holderOf(slot, ordinal, process);
      const inPod = perPod[ordinal];
      const due = inPod === undefined ? 0 : (splitEvenly(inPod, processes)[process] ?? 0);
      const grant = pool.grants.find((g) => g.holder === holder)?.connections ?? 0;
      if (grant !== due) return `grant of ${holder} is ${grant}, not ${due}`;
      const there = world.pod(slot, ordinal);
      const pod = there !== undefined && process < there.processes ? there : undefined;
      if ((pod === undefined) !== (due === 0))
        return `${holder} ${pod ? 'has a' : 'lacks its'} pod`;
      if (pod === undefined) continue;
      const file = server
        .read(mapKey(slot), 'map')
        ?.files.get(world.fileKey(pod, ordinal, process));
      const running = world.machine(slot, ordinal)?.processes.get(process);
      const parts = splitEvenly(due, entries.length);
      const expected = JSON.stringify(entries.map((name, i) => [name, parts[i]]));
      const inFile = JSON.stringify(file?.caps.map((c) => [c.name, c.connections]) ?? []);
      if (inFile !== expected) return `file of ${holder} says ${inFile}, not ${expected}`;
      const inUse = JSON.stringify([...(running?.caps ?? [])]);
      if (inUse !== expected) return `${holder} runs with ${inUse}, not ${expected}`;
    }
  }
  return undefined;
}
