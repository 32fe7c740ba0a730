// Random sequences of steps, checked after each one, and made as short as they can be when one breaks something.
import { knowledge, Monitor, truthOf } from './checks.ts';
import {
  budgetRound,
  clusterCatchesUp,
  consoles,
  everythingOnce,
  hasty,
  poolRound,
  poolStep,
  recreate,
  replacePod,
  type Steps,
  seePool,
  seeSome,
  shrinkWhileLooking,
  slowLook,
  workOnPool,
} from './macros.ts';
import {
  ALL_KEYS,
  BUDGET,
  keysOfSlot,
  mapKey,
  PROCESSES,
  poolKey,
  SLOTS,
  setKey,
} from './objects.ts';
import { type Random, randomFrom } from './random.ts';
import { settle } from './settle.ts';
import type { Switches } from './switches.ts';
import { NEWEST, type Step, World } from './world.ts';

export interface Setting {
  readonly total: number;
  readonly switches: Switches;
  /** Also the rules inside the ledger, not only the promise. */
  readonly strict: boolean;
  /** Also that everything settles at the end: once lost nodes are back, or although they are not. */
  readonly liveness: 'nodesReturn' | 'nodesStayLost' | undefined;
  /** What happens mostly, by name; by default every sequence has a habit of its own. */
  readonly focus?: readonly string[];
}

export interface Finding {
  readonly seed: number;
  readonly setting: Setting;
  readonly steps: readonly Step[];
  readonly broken: string;
}

type Maker = (world: World, random: Random) => Steps;

const slotOf = (random: Random) => (random.chance(60) ? 0 : random.below(SLOTS));
const processOf = (random: Random) => (random.chance(60) ? 0 : random.below(PROCESSES));
const ordinalOf = (random: Random) => (random.chance(50) ? 0 : random.below(3));
const place = (random: Random) => ({ slot: slotOf(random), ordinal: ordinalOf(random) });
const processAt = (random: Random) => ({ ...place(random), process: processOf(random) });
const entriesOf = (random: Random) => random.pick([['a'], ['a'], ['b'], ['a', 'b'], ['b', 'c']]);
const specOf = (random: Random) => ({
  pods: 1 + random.below(3),
  processes: random.pick([1, 1, 2, 3]),
  weight: 1 + random.below(3),
  entries: entriesOf(random),
  text: 0,
});
const versionsOf = (random: Random) => (random.chance(60) ? NEWEST : 1 + random.below(2));

function one(make: (random: Random, world: World) => Step): Maker {
  return function* (world, random) {
    yield make(random, world);
  };
}

/** What can happen, by name. The weights of a sequence are drawn anew for each, some of them 0. */
const makers: Readonly<Record<string, Maker>> = {
  budget: one((r) => ({ do: 'budget', total: 1 + r.below(10) })),
  create: one((r) => ({
    do: 'create',
    slot: slotOf(r),
    spec: specOf(r),
  })),
  pods: one((r) => ({ do: 'spec', slot: slotOf(r), spec: { pods: r.below(4) } })),
  processes: one((r) => ({
    do: 'spec',
    slot: slotOf(r),
    spec: { processes: 1 + r.below(PROCESSES) },
  })),
  weight: one((r) => ({ do: 'spec', slot: slotOf(r), spec: { weight: 1 + r.below(5) } })),
  entries: one((r) => ({ do: 'spec', slot: slotOf(r), spec: { entries: entriesOf(r) } })),
  text: one((r) => ({ do: 'spec', slot: slotOf(r), spec: { text: 1 + r.below(3) } })),
  impatience: one((r) => ({ do: 'impatience', op: r.below(2) })),
  delete: one((r) => ({ do: 'delete', slot: slotOf(r) })),
  evict: one((r) => ({ do: 'evict', ...place(r) })),
  controllerSees: one((r) => ({
    do: 'controllerSees',
    slot: slotOf(r),
    versions: versionsOf(r),
  })),
  controllerActs: one((r) => ({ do: 'controllerActs', slot: slotOf(r) })),
  collect: one((r) => ({
    do: 'collect',
    slot: slotOf(r),
    what: r.pick(['set', 'map', 'pods'] as const),
  })),
  mountOld: one((r) => ({ do: 'mount', ...place(r), back: r.below(6) })),
  mount: one((r) => ({ do: 'mount', ...place(r), back: 0 })),
  refresh: one((r) => ({ do: 'refresh', ...place(r), versions: versionsOf(r) })),
  start: one((r) => ({ do: 'start', ...processAt(r) })),
  restart: one((r) => ({ do: 'restart', ...processAt(r) })),
  end: one((r) => ({ do: 'end', ...place(r) })),
  loseNode: one((r) => ({ do: 'loseNode', ...place(r) })),
  nodeBack: one((r) => ({ do: 'nodeBack', ...place(r) })),
  nodeDead: one((r) => ({ do: 'nodeDead', ...place(r) })),
  open: one((r) => ({ do: 'open', ...processAt(r) })),
  release: one((r) => ({ do: 'release', ...processAt(r), idle: r.chance(30) })),
  see: one((r) => ({
    do: 'see',
    op: r.below(2),
    key: r.chance(70) ? r.pick(keysOfSlot(slotOf(r))) : r.pick(ALL_KEYS),
    versions: versionsOf(r),
  })),
  seeMain: one((r) => {
    const slot = slotOf(r);
    const key = r.pick([BUDGET, poolKey(slot), mapKey(slot), setKey(slot)]);
    return { do: 'see', op: r.below(2), key, versions: versionsOf(r) };
  }),
  reconcileBudget: one((r) => ({ do: 'reconcileBudget', op: r.below(2) })),
  reconcilePool: one((r) => ({ do: 'reconcilePool', op: r.below(2), slot: slotOf(r) })),
  askLive: one((r) => ({
    do: 'askLive',
    op: r.below(2),
    slot: slotOf(r),
    what: r.pick(['map', 'set', 'pods'] as const),
  })),
  askGone: one((r) => ({
    do: 'askGone',
    op: r.below(2),
    slot: slotOf(r),
    what: r.pick(['pool', 'objects', 'pods'] as const),
  })),
  land: one((r) => ({ do: 'land', op: r.below(2), index: r.below(2) })),
  drop: one((r) => ({ do: 'drop', op: r.below(2), index: r.below(2) })),
  lookMark: one((r) => ({ do: 'lookMark', op: r.below(2), ...processAt(r) })),
  lookCount: one((r) => ({ do: 'lookCount', op: r.below(2), ...processAt(r) })),
  reload: one((r) => ({ do: 'reload', op: r.below(2), ...processAt(r) })),
  reloadInPart: one((r) => ({ do: 'reload', op: r.below(2), ...processAt(r), lines: r.below(4) })),
  reconnect: one((r) => ({ do: 'reconnect', op: r.below(2), ...processAt(r) })),
  crash: one((r) => ({ do: 'crash', op: r.below(2), back: r.chance(50) ? 0 : r.below(6) })),
  clusterCatchesUp: (world, r) => clusterCatchesUp(world, slotOf(r)),
  consoles: (world, r) => consoles(world, r.below(2), slotOf(r)),
  seePool: (world, r) => seePool(world, r.below(2), slotOf(r)),
  budgetRound: (world, r) => budgetRound(world, r.below(2)),
  poolRound: (world, r) => poolRound(world, r.below(2), slotOf(r)),
  workOnPool: (world, r) => workOnPool(world, r.below(2), slotOf(r)),
  everythingOnce: (world, r) => everythingOnce(world, r.below(2)),
  slowLook: (_world, r) => slowLook(r.below(2), slotOf(r), ordinalOf(r), processOf(r), r),
  shrinkWhileLooking: (world, r) => shrinkWhileLooking(world, r.below(2), slotOf(r), r),
  recreate: (_world, r) => recreate(slotOf(r), specOf(r), r),
  hasty: (_world, r) => hasty(r.below(2), slotOf(r), r),
  secondIsHasty: (_world, r) => hasty(1, slotOf(r), r),
  firstPoolRound: (world, r) => poolRound(world, 0, slotOf(r)),
  firstWorksOnPool: (world, r) => workOnPool(world, 0, slotOf(r)),
  firstDoesAll: (world) => everythingOnce(world, 0),
  replacePod: (_world, r) => {
    const { slot, ordinal } = place(r);
    return replacePod(slot, ordinal, r.below(6));
  },
  seeSome: (_world, r) => seeSome(r.below(2), slotOf(r), () => r.chance(50)),
  secondSeesSome: (_world, r) => seeSome(1, slotOf(r), () => r.chance(50)),
  poolStep: (_world, r) => poolStep(r.below(2), slotOf(r), r.chance(50)),
  secondPoolStep: (_world, r) => poolStep(1, slotOf(r), r.chance(50)),
  secondLands: one((r) => ({ do: 'land', op: 1, index: r.below(2) })),
};

/** Each sequence has one of these beside what is drawn: who works most, and what moves at all. */
const usual: readonly (readonly string[])[] = [
  ['clusterCatchesUp', 'workOnPool', 'workOnPool', 'everythingOnce', 'poolRound', 'create'],
  ['clusterCatchesUp', 'firstWorksOnPool', 'firstDoesAll', 'pods', 'weight'],
  ['firstDoesAll', 'secondSeesSome', 'secondPoolStep', 'secondLands', 'pods', 'budget'],
  ['firstDoesAll', 'replacePod', 'weight', 'pods', 'entries'],
  ['firstDoesAll', 'secondIsHasty', 'secondIsHasty', 'weight', 'pods', 'budget'],
  ['firstDoesAll', 'secondIsHasty', 'secondIsHasty', 'recreate', 'delete', 'clusterCatchesUp'],
  ['workOnPool', 'hasty', 'slowLook', 'weight', 'entries', 'pods', 'replacePod'],
  ['firstDoesAll', 'slowLook', 'shrinkWhileLooking', 'weight', 'budget'],
  ['firstDoesAll', 'secondIsHasty', 'secondIsHasty', 'secondIsHasty', 'pods', 'pods'],
  ['workOnPool', 'clusterCatchesUp', 'seeSome', 'poolStep', 'land', 'weight', 'pods'],
  ['firstDoesAll', 'processes', 'replacePod', 'weight', 'budget'],
  ['firstDoesAll', 'processes', 'secondIsHasty', 'secondIsHasty', 'pods', 'evict'],
];

/** Which makers this sequence draws from: a few at random, so that each sequence has a habit of its own. */
function habit(random: Random, focus: readonly string[] | undefined): Maker[] {
  const names = Object.keys(makers);
  const chosen = [...(focus ?? random.pick(usual))];
  const kinds = focus === undefined ? 4 + random.below(14) : random.below(4);
  for (let i = 0; i < kinds; i++) {
    const name = random.pick(names);
    const times = 1 + random.below(4);
    for (let j = 0; j < times; j++) chosen.push(name);
  }
  return chosen.flatMap((name) => makers[name] ?? []);
}

export interface Run {
  readonly steps: readonly Step[];
  readonly broken: string | undefined;
}

/** One random sequence of about `length` steps that change something. */
export function runSeed(
  seed: number,
  length: number,
  setting: Omit<Setting, 'total'>,
): Run & {
  total: number;
} {
  const random = randomFrom(seed);
  const total = 2 + random.below(9);
  const world = new World(total, setting.switches);
  const monitor = new Monitor(setting.strict);
  const steps: Step[] = [];
  let changes = 0;
  const take = (step: Step) => {
    if (!world.apply(step)) return undefined;
    steps.push(step);
    if (!knowledge.has(step.do)) changes += 1;
    return monitor.check(world, step);
  };
  const chosen = habit(random, setting.focus);
  // How many steps of those that usually come together are left out.
  const omitted = random.pick([0, 0, 5, 20, 40]);
  for (const step of opening(random)) {
    const broken = take(step);
    if (broken !== undefined) return { steps, broken, total };
  }
  for (let tries = 0; changes < length && tries < length * 10; tries++) {
    for (const step of random.pick(chosen)(world, random)) {
      if (random.chance(omitted)) continue;
      const broken = take(step);
      if (broken !== undefined) return { steps, broken, total };
    }
  }
  return { steps, broken: settled(world, monitor, setting.liveness), total };
}

function* opening(random: Random): Steps {
  const pools = 1 + random.below(2);
  for (let slot = 0; slot < pools; slot++) {
    yield { do: 'create', slot, spec: specOf(random) };
  }
}

function settled(
  world: World,
  monitor: Monitor,
  liveness: Setting['liveness'],
): string | undefined {
  if (liveness === undefined) return undefined;
  const steps = settle(world, liveness === 'nodesReturn');
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
    if (!world.apply(next.value)) continue;
    const broken = monitor.check(world, next.value);
    if (broken !== undefined) return broken;
  }
}

/** The same steps again; what is not possible any more is left out. */
export function replay(steps: readonly Step[], setting: Setting): Run {
  const world = new World(setting.total, setting.switches);
  const monitor = new Monitor(setting.strict);
  const applied: Step[] = [];
  for (const step of steps) {
    if (!world.apply(step)) continue;
    applied.push(step);
    const broken = monitor.check(world, step);
    if (broken !== undefined) return { steps: applied, broken };
  }
  return { steps: applied, broken: settled(world, monitor, setting.liveness) };
}

/** The shortest part of the steps that still breaks the same kind of rule (delta debugging). */
export function shrink(steps: readonly Step[], setting: Setting, broken: string): Run {
  const kind = broken.slice(0, broken.indexOf(' '));
  let best: Run = { steps, broken };
  for (let size = Math.ceil(steps.length / 2); size >= 1; ) {
    let shorter = false;
    for (let at = best.steps.length - size; at > -size; at -= size) {
      const rest = [...best.steps.slice(0, Math.max(0, at)), ...best.steps.slice(at + size)];
      if (rest.length === best.steps.length) continue;
      const run = replay(rest, setting);
      if (run.broken?.startsWith(kind)) {
        best = run;
        shorter = true;
      }
    }
    if (size > 1) size = Math.ceil(size / 2);
    else if (!shorter) break;
  }
  return best;
}

export interface Exploration {
  readonly sequences: number;
  readonly steps: number;
  readonly finding: Finding | undefined;
}

/** Explores from `seed` on until `until` says so, or something is broken. */
export function explore(options: {
  readonly seed: number;
  /** Steps of a sequence; its seed says which, so that a seed alone repeats it. */
  readonly lengths: readonly number[];
  readonly setting: Omit<Setting, 'total'>;
  readonly until: (sequences: number) => boolean;
}): Exploration {
  let sequences = 0;
  let steps = 0;
  while (!options.until(sequences)) {
    const seed = (options.seed + sequences) >>> 0;
    const length = options.lengths[seed % options.lengths.length] ?? 0;
    const run = runSeed(seed, length, options.setting);
    sequences += 1;
    steps += run.steps.length;
    if (run.broken === undefined) continue;
    const setting = { ...options.setting, total: run.total };
    const short = shrink(run.steps, setting, run.broken);
    const finding = { seed, setting, steps: short.steps, broken: short.broken ?? run.broken };
    return { sequences, steps, finding };
  }
  return { sequences, steps, finding: undefined };
}

/** A finding as text: one line for each step, with the numbers after it. */
export function tell(finding: Finding): string {
  const world = new World(finding.setting.total, finding.setting.switches);
  const lines = finding.steps.map((step, i) => {
    world.apply(step);
    const { possible, committed } = truthOf(world);
    const { do: name, ...rest } = step;
    return `${String(i + 1).padStart(3)}. ${name} ${JSON.stringify(rest)} → ${possible} possible, ${committed} committed`;
  });
  return [`seed ${finding.seed}, budget ${finding.setting.total}`, ...lines, finding.broken].join(
    '\n',
  );
}
