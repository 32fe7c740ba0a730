// Steps that usually come together, so that random sequences get far. Each yields single steps, which are applied
// before the next one is made.

import { nextConsoleStep } from '../../../operator/core/ledger/console-step.ts';
import { narrow } from './api-server.ts';
import {
  BUDGET,
  type FileContent,
  keysOfSlot,
  mapKey,
  ORDINALS,
  PLACES,
  type PoolSpec,
  PROCESSES,
  podKey,
  poolKey,
  SLOTS,
  setKey,
} from './objects.ts';
import type { Process } from './processes.ts';
import type { Random } from './random.ts';
import { NEWEST, type Step, type World } from './world.ts';

export type Steps = Generator<Step, void, void>;

/** The cluster does all that it can for one pool: controllers, kubelets, ends of pods. */
export function* clusterCatchesUp(world: World, slot: number): Steps {
  for (const what of ['set', 'map'] as const) yield { do: 'collect', slot, what };
  yield { do: 'controllerSees', slot, versions: NEWEST };
  for (let ordinal = 0; ordinal < ORDINALS; ordinal++) {
    yield { do: 'collect', slot, what: 'pods' };
    yield { do: 'controllerActs', slot };
  }
  for (let ordinal = 0; ordinal < ORDINALS; ordinal++) {
    if (world.pod(slot, ordinal) === undefined) continue;
    yield { do: 'end', slot, ordinal };
    yield { do: 'mount', slot, ordinal, back: 0 };
    yield { do: 'refresh', slot, ordinal, versions: NEWEST };
    for (let process = 0; process < PROCESSES; process++)
      yield { do: 'start', slot, ordinal, process };
  }
  for (let ordinal = 0; ordinal <= ORDINALS; ordinal++) yield { do: 'controllerActs', slot };
}

/** A pod goes and its successor gets a volume that may be older than the files are. */
export function* replacePod(slot: number, ordinal: number, back: number): Steps {
  yield { do: 'evict', slot, ordinal };
  yield { do: 'end', slot, ordinal };
  yield { do: 'controllerActs', slot };
  yield { do: 'mount', slot, ordinal, back };
  for (let process = 0; process < PROCESSES; process++)
    yield { do: 'start', slot, ordinal, process };
}

/** An operator sees some of what there is of one pool, each object by itself. */
export function* seeSome(op: number, slot: number, sees: () => boolean): Steps {
  for (const key of [BUDGET, ...keysOfSlot(slot)]) {
    if (sees()) yield { do: 'see', op, key, versions: NEWEST };
  }
}

/** A look between whose halves the process goes on living. */
export function* slowLook(
  op: number,
  slot: number,
  ordinal: number,
  process: number,
  random: Random,
): Steps {
  yield { do: 'see', op, key: podKey(slot, ordinal), versions: NEWEST };
  if (random.chance(50)) yield { do: 'release', slot, ordinal, process, idle: true };
  yield { do: 'lookMark', op, slot, ordinal, process };
  if (random.chance(60)) yield { do: 'open', slot, ordinal, process };
  if (random.chance(60)) yield { do: 'refresh', slot, ordinal, versions: NEWEST };
  if (random.chance(60)) yield { do: 'reload', op, slot, ordinal, process };
  if (random.chance(20)) yield { do: 'restart', slot, ordinal, process };
  yield { do: 'lookCount', op, slot, ordinal, process };
}

/** A pool is to give back, and while it does, its consoles are slow. */
export function* shrinkWhileLooking(world: World, op: number, slot: number, random: Random): Steps {
  if (random.chance(50)) yield { do: 'spec', slot, spec: { pods: 1 + random.below(3) } };
  else yield { do: 'budget', total: 1 + random.below(5) };
  yield* seePool(world, op, slot);
  yield* budgetRound(world, op);
  for (let i = 0; i < 2; i++) yield* poolRound(world, op, slot);
  for (const { ordinal, process } of PLACES) {
    if (world.machine(slot, ordinal)?.processes.has(process))
      yield* slowLook(op, slot, ordinal, process, random);
  }
  yield* clusterCatchesUp(world, slot);
  for (let i = 0; i < 2; i++) yield* poolRound(world, op, slot);
}

/** A pool is deleted and made again under its name, while some of it is still there. */
export function* recreate(slot: number, spec: PoolSpec, random: Random): Steps {
  yield { do: 'delete', slot };
  for (let i = random.below(4); i > 0; i--) {
    yield { do: 'collect', slot, what: random.pick(['set', 'map', 'pods', 'pods'] as const) };
  }
  yield { do: 'create', slot, spec };
}

/** An operator looks at a part of the world and does at once what it makes of that. */
export function* hasty(op: number, slot: number, random: Random): Steps {
  const percent = random.pick([20, 50, 80]);
  yield* seeSome(op, slot, () => random.chance(percent));
  if (random.chance(25)) yield { do: 'reconcileBudget', op };
  else yield* poolStep(op, slot, random.chance(50));
  if (random.chance(70)) yield { do: 'land', op, index: 0 };
}

/** One reconcile of a pool from whatever is in view, with or without a live look. */
export function* poolStep(op: number, slot: number, live: boolean): Steps {
  if (live) {
    for (const what of ['map', 'set', 'pods'] as const) yield { do: 'askLive', op, slot, what };
  }
  yield { do: 'reconcilePool', op, slot };
}

/** An operator sees all of one pool, and the ledger. */
export function* seePool(_world: World, op: number, slot: number): Steps {
  yield { do: 'see', op, key: BUDGET, versions: NEWEST };
  for (const key of keysOfSlot(slot)) yield { do: 'see', op, key, versions: NEWEST };
}

/** An operator makes every process of a pool follow its file, as far as it can. */
export function* consoles(world: World, op: number, slot: number): Steps {
  const map = world.server.read(mapKey(slot), 'map');
  for (const place of PLACES) {
    const process = world.machine(slot, place.ordinal)?.processes.get(place.process);
    const pod = world.pod(slot, place.ordinal);
    if (pod === undefined || place.process >= pod.processes) continue;
    yield { do: 'lookMark', op, slot, ...place };
    yield { do: 'lookCount', op, slot, ...place };
    const file = map?.files.get(world.fileKey(pod, place.ordinal, place.process));
    if (process === undefined || file === undefined) continue;
    for (let tries = 0; tries < 2; tries++) {
      const step = stepOf(process, file);
      if (step.kind === 'reload' || step.kind === 'reconnect')
        yield { do: step.kind, op, slot, ...place };
    }
    yield { do: 'release', slot, ...place, idle: false };
    yield { do: 'lookMark', op, slot, ...place };
    yield { do: 'lookCount', op, slot, ...place };
  }
}

/** What the operator asks of a process, from a look at it. */
function stepOf(process: Process, file: FileContent) {
  // Nobody here has been told: a word too many costs nothing.
  const sessions = [...process.open].map(([name, connections]) => ({
    name,
    connections,
    closing: 0,
  }));
  return nextConsoleStep({
    axis: 'database',
    file: { revision: file.mark, caps: file.caps },
    userMark: undefined,
    running: { revision: process.mark, userMarks: [], sessions },
  });
}

/** One reconcile of the ledger whose write lands at once. */
export function* budgetRound(world: World, op: number): Steps {
  yield { do: 'see', op, key: BUDGET, versions: NEWEST };
  for (let slot = 0; slot < SLOTS; slot++) {
    for (const what of ['pool', 'objects', 'pods'] as const)
      yield { do: 'askGone', op, slot, what };
  }
  yield { do: 'reconcileBudget', op };
  yield* landLast(world, op);
  yield { do: 'see', op, key: BUDGET, versions: NEWEST };
}

/** One reconcile of a pool whose write lands at once. */
export function* poolRound(world: World, op: number, slot: number): Steps {
  const writes = () => world.operators[op]?.writes.length ?? 0;
  const before = writes();
  yield { do: 'reconcilePool', op, slot };
  if (writes() === before && world.operators[op]?.wantsLive.has(slot)) {
    for (const what of ['map', 'set', 'pods'] as const) yield { do: 'askLive', op, slot, what };
    yield { do: 'reconcilePool', op, slot };
  }
  if (writes() > before) yield* landLast(world, op);
  for (const key of [poolKey(slot), mapKey(slot), setKey(slot)])
    yield { do: 'see', op, key, versions: NEWEST };
}

function* landLast(world: World, op: number): Steps {
  const index = (world.operators[op]?.writes.length ?? 0) - 1;
  if (index >= 0) yield { do: 'land', op, index };
}

/** Everything that an operator does for a pool until its next step has to wait for somebody else. */
export function* workOnPool(world: World, op: number, slot: number): Steps {
  yield* seePool(world, op, slot);
  yield* consoles(world, op, slot);
  yield* budgetRound(world, op);
  for (let i = 0; i < 3; i++) yield* poolRound(world, op, slot);
}

/** All of the cluster and one operator, once around; clients open what they can. */
export function* everythingOnce(world: World, op: number): Steps {
  for (let slot = 0; slot < SLOTS; slot++) {
    yield* clusterCatchesUp(world, slot);
    for (const place of PLACES) yield { do: 'open', slot, ...place };
    yield* seePool(world, op, slot);
    yield* consoles(world, op, slot);
  }
  yield* budgetRound(world, op);
  for (let slot = 0; slot < SLOTS; slot++) {
    for (let i = 0; i < 3; i++) yield* poolRound(world, op, slot);
  }
}

/** Late writes land, nodes come back if they do, one operator is left and starts anew. */
export function* faultsStop(world: World, op: number, nodesReturn: boolean): Steps {
  for (const [index, operator] of world.operators.entries()) {
    for (let i = operator.writes.length; i > 0; i--) yield { do: 'land', op: index, index: 0 };
  }
  for (let slot = 0; nodesReturn && slot < SLOTS; slot++) {
    for (let ordinal = 0; ordinal < ORDINALS; ordinal++) {
      if (narrow(world.server.read(podKey(slot, ordinal), 'pod'), 'pod') !== undefined)
        yield { do: 'nodeBack', slot, ordinal };
    }
  }
  yield { do: 'crash', op, back: 0 };
}
