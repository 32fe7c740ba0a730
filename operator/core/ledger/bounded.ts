// The lower half of the ledger for a pool whose pods are those of a Deployment. They have no stable names, so there is
// one holder, the file that all of them read, and one grant: as many times what the file says as there can be pods.
//
// Two objects say how much that is, the file (connections of a pod) and the Deployment (how many pods), so a raise needs
// a ticket: the grant with a new generation, made for so many pods with so many connections each. Both objects record,
// as their epoch, the ticket that they were last written for:
//   grant {14 connections, 7 pods, generation 6} → file (at most 2, epoch 6) → Deployment (at most 3 replicas, epoch 6)
// Under a ticket each of them is raised once at most, in the write with which it records it; the next ticket is made when
// both have recorded the one before. So a raise that is still under way from an older ticket fails on the
// resourceVersion that it carries, and whichever lands first, pods × connections is within the grant.
//
// Lowering needs no ticket: the file says less, every pod proves it on its console, then the grant follows; fewer
// replicas are written, all pods beyond them are seen to be gone, then the grant counts fewer pods.
import type { AllotmentRecord } from '../../api/connection-budget.ts';
import type { GrantRecord, PoolAllotment } from '../../api/connection-pool.ts';
import { type EntrySizes, mostOf } from '../sizing/entries.ts';
import { mostPods, replicasFor, replicasWithin } from '../sizing/most-pods.ts';
import { takeAllotment } from './allotments.ts';
import { type Grant, makeGrant } from './grant.ts';
import type { HolderPlan } from './holders.ts';
import { holdersAsked, type PoolLedgerPlan, sameAllotment, sameGrants } from './pool.ts';
import {
  type FileState,
  type HolderState,
  held,
  isProven,
  newestGeneration,
  type WorkloadState,
} from './state.ts';
import { capsOf, mapOf, targetCaps } from './targets.ts';

/** What is there of the pool's one holder. */
export interface SharedReading {
  readonly grant?: GrantRecord;
  readonly file?: FileState;
  /** Every pod that is there, each as if the file were its own; none that has ended. */
  readonly pods: readonly HolderState[];
  /** Absent before the Deployment is made. Its epoch is the ticket that it records; paused: it does not roll. */
  readonly workload?: WorkloadState & { readonly paused: boolean };
  /** The ticket that the ConfigMap records. */
  readonly fileEpoch: number;
  /** See `PoolState.live`. */
  readonly live: boolean;
}

export interface BoundedState extends SharedReading {
  /** Connections that the pool has taken of its row. */
  readonly allotment: number;
  /** Replicas that the spec asks for. */
  readonly wanted: number;
  /** Entries of the axis, sorted. */
  readonly entries: readonly string[];
  readonly sizes?: EntrySizes;
  /** Name of the holder. */
  readonly name: string;
  readonly mayRaise: boolean;
}

/** What the bound of a pool is made of. */
export interface Bound {
  /** Pods that there can be; more are there only where some were deleted by somebody in quick succession. */
  readonly most: number;
  /** Connections of each. */
  readonly each: number;
  /** Pods that there are, with those that are ending. */
  readonly there: number;
}

export interface BoundedPlan extends HolderPlan {
  readonly bound: Bound;
  /**
   * The Deployment, which was paused with a new template, may replace its pods now: there is room for as many new ones
   * beside those that there are. Only ever with what the API server has.
   */
  readonly mayRoll: boolean;
}

/** Pure; the same state gives the same plan. See `HolderPlan`, and docs/decisions/0010. */
export function planBounded(state: BoundedState): BoundedPlan {
  const plan = planWith(state, state.live);
  if (plan.settled || state.live) return plan;
  return { ...plan, needsLive: !isSamePlan(plan, planWith(state, true)) };
}

export interface BoundedPoolInput extends Omit<BoundedState, 'allotment' | 'grant'> {
  /** In the pool's status. */
  readonly taken: PoolAllotment | undefined;
  readonly grants: readonly GrantRecord[];
  readonly row: AllotmentRecord | undefined;
}

/** As `planPoolLedger`, for the pods of a Deployment. */
export function planBoundedLedger(
  input: BoundedPoolInput,
): PoolLedgerPlan & { readonly holders: BoundedPlan } {
  const { taken, grants, row, ...reading } = input;
  const allotment = takeAllotment(taken, row);
  const grant = grants.find(({ holder }) => holder === input.name);
  const holders = planBounded({
    ...reading,
    ...(grant === undefined ? {} : { grant }),
    allotment: allotment.connections,
    mayRaise: input.mayRaise && holdersAsked(input.pods),
  });
  const changesLedger = !sameAllotment(allotment, taken) || !sameGrants(holders.grants, grants);
  const readLive = holders.needsLive && !changesLedger;
  return { allotment, grants: holders.grants, holders, changesLedger, readLive };
}

/** Server connections that all pods together may have open now, or at any moment without another write of ours. */
export function boundedCharge({ grant, file, pods, workload }: SharedReading): number {
  const counted = Math.max(pods.length, mostPods(workload?.replicas ?? 0), podsOf(grant));
  return Math.max(grant?.connections ?? 0, heldBy(pods, file, counted, grant));
}

/** See `BoundedPlan.mayRoll`; true for pods that are not those of a Deployment. */
export function mayRollWith(plan: HolderPlan): boolean {
  return !('mayRoll' in plan) || plan.mayRoll === true;
}

/** The bound of a plan; undefined where each pod has a part of its own. */
export function boundOf(plan: HolderPlan): Bound | undefined {
  return 'bound' in plan ? (plan as BoundedPlan).bound : undefined;
}

/** The pool of a Deployment has all that its pods can have of the allotment. */
export function isWholeOf(plan: HolderPlan): boolean {
  if (boundOf(plan) === undefined) return false;
  const granted = sum(plan.grants.map(({ connections }) => connections));
  return granted >= mostPods(plan.pods) * (plan.perPod[0] ?? 0);
}

interface Facts {
  readonly state: BoundedState;
  readonly live: boolean;
  readonly running: number;
  /** Replicas that the pool is to have. */
  readonly target: number;
  /** Pods that there can be as things are, and as they are to be. */
  readonly mostNow: number;
  readonly most: number;
  /** What each pod is to have in the end; empty when there is to be no file. */
  readonly goal: ReadonlyMap<string, number>;
  /** Nothing of the pool runs, nothing can come, and nothing is wanted. */
  readonly gone: boolean;
  /** The newest ticket that anything records. */
  readonly recorded: number;
  readonly newest: number;
  /** Every pod runs with the file, and holds no more than it says. */
  readonly proven: boolean;
}

function planWith(state: BoundedState, live: boolean): BoundedPlan {
  const facts = factsOf(state, live);
  const { grant, file, pods, entries, workload } = state;
  const { target, most, mostNow, goal, recorded, running } = facts;
  const grants = nextGrant(facts);
  const caps = nextFile(facts);
  const epoch = Math.max(recorded, grant?.generation ?? 0);
  const replicas = nextReplicas(facts);
  const each = sum(goal.values());
  const unproven = pods.filter((pod) => pod.file !== undefined && !isProven(pod));
  const atGoal =
    goal.size === 0
      ? file === undefined
      : file !== undefined && file !== 'unreadable' && isSameCaps(mapOf(file.caps), goal);
  return {
    grants: grants === undefined ? [] : [grants],
    files: caps === undefined ? [] : [{ holder: state.name, ordinal: 0, process: 0, grant: caps }],
    epoch,
    replicas,
    processes: 1,
    pods: target,
    perPod: Array.from({ length: target }, () => Math.max(each, entries.length)),
    unproven: unproven.map(({ name }) => name).sort(),
    stranded: [],
    charged: Math.max(grant?.connections ?? 0, heldBy(pods, file, mostNow, grant)),
    settled:
      unproven.length === 0 &&
      atGoal &&
      running === target &&
      workload?.paused !== true &&
      podsOf(grant) === (goal.size === 0 ? 0 : mostPods(target)) &&
      (grant?.connections ?? 0) === (goal.size === 0 ? 0 : most * each) &&
      isRecorded(facts),
    needsLive: false,
    withheld: false,
    bound: {
      most: Math.max(mostPods(running), podsOf(grant)),
      each: eachOf(file),
      there: pods.length,
    },
    mayRoll:
      live &&
      workload?.paused === true &&
      workload.seen &&
      mostAfterRoll(pods, replicas) <= podsOf(grant) &&
      eachOf(file) <= eachGranted(grant),
  };
}

function factsOf(state: BoundedState, live: boolean): Facts {
  const { entries, sizes = new Map(), grant, file, pods, workload, fileEpoch } = state;
  const usable = Math.min(state.allotment, mostOf(entries, sizes));
  const target = replicasFor(usable, state.wanted, entries.length);
  const running = workload?.replicas ?? 0;
  const quiet =
    live &&
    workload?.seen === true &&
    pods.length <= running &&
    pods.every(({ pod }) => pod?.terminating !== true);
  // Until it is calm, those of before may still be there.
  const before = quiet ? 0 : podsOf(grant);
  const mostNow = Math.max(mostPods(running), pods.length, before);
  const most = Math.max(mostNow, mostPods(target));
  const gone = target === 0 && quiet && running === 0 && pods.length === 0;
  const none = gone || (target === 0 && file === undefined && pods.length === 0);
  // Who is to go keeps serving with the smallest caps, and so do more pods than there is anything for.
  const each = target === 0 ? 0 : Math.floor(usable / Math.max(1, most));
  const goal = none
    ? new Map<string, number>()
    : targetCaps(Math.max(each, entries.length), entries, partOf(sizes, most));
  const recorded = Math.max(fileEpoch, workload?.epoch ?? 0);
  const newest = Math.max(
    recorded,
    grant?.generation ?? 0,
    file === undefined || file === 'unreadable' ? 0 : file.generation,
    ...pods.map(newestGeneration),
  );
  const proven = pods.every(isProven);
  return { state, live, running, target, mostNow, most, goal, gone, recorded, newest, proven };
}

/** Every object has recorded the ticket: no raise under it can come any more. */
function isRecorded({ state: { grant, workload }, recorded }: Facts): boolean {
  if (grant === undefined) return true;
  // A file that was lost takes its record along; the Deployment is always written after it.
  return recorded >= grant.generation && (workload?.epoch ?? -1) >= grant.generation;
}

/** The grant as it may be written now; undefined: none. */
function nextGrant(facts: Facts): GrantRecord | undefined {
  const { state, live, mostNow, most, goal, gone, recorded, newest, proven } = facts;
  const { grant, file, pods, name } = state;
  const holds = file !== undefined || pods.length > 0;
  if (grant === undefined && holds) {
    // Written down before anything else: a grant that was lost.
    const each = Math.max(eachOf(file), ...pods.map(held));
    const connections = mostNow * each;
    if (!live || connections === 0 || !Number.isFinite(connections)) return undefined;
    return { holder: name, connections, generation: Math.max(recorded, newest), pods: mostNow };
  }
  if (gone && file === undefined && isRecorded(facts)) return undefined;
  if (isLost(facts)) return grant && { ...grant, generation: newest + 1 };
  if (mayIssue(facts)) {
    const connections = most * sum(goal.values());
    return { holder: name, connections, generation: newest + 1, pods: most };
  }
  if (grant === undefined || file === undefined || file === 'unreadable') return grant;
  if (gone || !live || !proven || !isRecorded(facts)) return grant;
  const connections = mostNow * eachOf(file);
  if (connections >= grant.connections && mostNow >= podsOf(grant)) return grant;
  if (connections > grant.connections) return grant;
  return { ...grant, connections, pods: mostNow };
}

/**
 * There is a grant and no file, though pods may run with what it said: it is written again under a new ticket for the
 * same numbers, which is right also where only a cache does not show it.
 */
function isLost({ state, live, target, ...facts }: Facts): boolean {
  const { grant, file, pods, mayRaise } = state;
  if (grant === undefined || file !== undefined || (live && pods.length === 0)) return false;
  return mayRaise && target > 0 && isRecorded({ state, live, target, ...facts });
}

/** Whether a new ticket is needed, and may be made. */
function mayIssue(facts: Facts): boolean {
  const { state, live, running, target, most, goal, proven } = facts;
  const { grant, file, pods, workload, mayRaise, allotment } = state;
  const each = sum(goal.values());
  if (!mayRaise || target === 0 || file === 'unreadable' || !isRecorded(facts)) return false;
  if (most * each > allotment) return false;
  // Perhaps fewer pods are to be counted, and each of them can have more.
  const least = Math.max(mostPods(running), pods.length, mostPods(target));
  if (!live && podsOf(grant) > least) return false;
  if (file === undefined) return true;
  const now = mapOf(file.caps);
  // What is to become less comes first, in every pod.
  if (!proven || isLess(goal, now)) return false;
  if (each < eachGranted(grant) && !live) return false;
  const grows = !isSameCaps(now, goal);
  return grows || target > running || workload === undefined;
}

/** What the file must say now; undefined: there is to be none. */
function nextFile(facts: Facts): Grant | undefined {
  const { state, goal, gone, recorded, newest, proven } = facts;
  const { grant, file, pods, entries, mayRaise } = state;
  const most = eachGranted(grant);
  if (gone || goal.size === 0) return undefined;
  const isNew = grant !== undefined && grant.generation > recorded && mayRaise;
  if (file === undefined) {
    if (!isNew || most < entries.length) return undefined;
    // Where it was lost, the processes still have what it said.
    const caps = mostOpen(goal, pods) <= most ? goal : targetCaps(entries.length, entries);
    return makeGrant(capsOf(caps), Math.max(grant.generation, newest));
  }
  if (file === 'unreadable') {
    const caps = sum(goal.values()) <= most ? goal : targetCaps(entries.length, entries);
    return most < entries.length ? undefined : makeGrant(capsOf(caps), newest + 1);
  }
  const now = mapOf(file.caps);
  const lower = new Map(
    [...now].flatMap(([name, n]) => {
      const wanted = goal.get(name);
      return wanted === undefined ? [] : [[name, Math.min(n, wanted)] as const];
    }),
  );
  // What was granted may be less than what could be by now.
  const parts = partOf(state.sizes ?? new Map(), podsOf(grant));
  const granted = sum(goal.values()) <= most ? goal : targetCaps(most, entries, parts);
  const mayGrow = isNew && proven && !isLess(goal, now) && !isLess(granted, now);
  const next = mayGrow ? granted : lower;
  if (isSameCaps(next, now)) return makeGrant(file.caps, file.generation);
  const least = mayGrow ? grant.generation : 0;
  return makeGrant(capsOf(next), Math.max(least, file.generation + 1));
}

function nextReplicas({ state, live, running, target, recorded }: Facts): number {
  const { grant, file, pods, workload } = state;
  if (target <= running) return target;
  if (grant === undefined || file === undefined || file === 'unreadable') return running;
  const isNew = (workload?.epoch ?? -1) < grant.generation && recorded <= grant.generation;
  if (!isNew || eachOf(file) > eachGranted(grant)) return running;
  const replicas = Math.min(target, replicasWithin(podsOf(grant)));
  // Pods that are still ending would be one too many; what is there to end, where there was nothing?
  const isKnown = workload === undefined || (live && workload.seen);
  const hasRoom = isKnown && mostAfterRoll(pods, replicas) <= podsOf(grant);
  return hasRoom ? Math.max(running, replicas) : running;
}

/**
 * Pods that there may be in the end of a rollout that is under way or begins now: first those that lack may come of the
 * old template, and then as many of the new one.
 */
function mostAfterRoll(pods: readonly HolderState[], replicas: number): number {
  const ending = pods.filter(({ pod }) => pod?.terminating === true).length;
  return ending + Math.max(pods.length - ending, replicas) + replicas;
}

/** What pods hold, and what others that may come could. Who has not proven its file may have all that was granted. */
function heldBy(
  pods: readonly HolderState[],
  file: FileState | undefined,
  counted: number,
  grant: GrantRecord | undefined,
): number {
  const coming = Math.max(0, counted - pods.length);
  const least = eachGranted(grant);
  const each = pods.map((pod) => (isProven(pod) ? held(pod) : Math.max(held(pod), least)));
  return sum(each) + (coming === 0 ? 0 : coming * eachOf(file));
}

/** The most that a pod could have open while it changes from what it runs with to `caps`. */
function mostOpen(caps: ReadonlyMap<string, number>, pods: readonly HolderState[]): number {
  const open = pods.map(({ observation }) => {
    const most = new Map(caps);
    for (const { name, connections } of [
      ...(observation?.caps ?? []),
      ...(observation?.sessions ?? []),
    ]) {
      most.set(name, Math.max(most.get(name) ?? 0, connections));
    }
    return sum(most.values());
  });
  return Math.max(sum(caps.values()), ...open);
}

/** The part of one pod out of `count`: what cannot be divided is left, because all pods have the same file. */
function partOf(sizes: EntrySizes, count: number): EntrySizes {
  return new Map(
    [...sizes].map(([name, { weight, max }]) => [
      name,
      { weight, ...(max === undefined ? {} : { max: Math.max(1, Math.floor(max / count)) }) },
    ]),
  );
}

/** Pods that a grant was made for. */
function podsOf(grant: GrantRecord | undefined): number {
  return grant?.pods ?? 0;
}

function eachGranted(grant: GrantRecord | undefined): number {
  return grant === undefined ? 0 : Math.floor(grant.connections / Math.max(1, podsOf(grant)));
}

function eachOf(file: FileState | undefined): number {
  if (file === undefined) return 0;
  if (file === 'unreadable') return Number.POSITIVE_INFINITY;
  return Math.max(file.connections, sum(file.caps.map((c) => c.connections)));
}

/** Something of `now` is to be less, or to go. */
function isLess(goal: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): boolean {
  return [...now].some(([name, n]) => n > (goal.get(name) ?? 0));
}

function isSameCaps(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([name, n]) => b.get(name) === n);
}

function isSamePlan(a: BoundedPlan, b: BoundedPlan): boolean {
  const written = ({ grants, files, epoch, replicas, mayRoll }: BoundedPlan) =>
    JSON.stringify([grants, files, epoch, replicas, mayRoll]);
  return written(a) === written(b);
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
