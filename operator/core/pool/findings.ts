// What was found about a pool, one judgement for each condition of the domain. Each is a small pure
// function from what is known to a reason and a message that names the fix.
import type { Fault, ServerFacts } from '../../postgres/adapter.ts';
import type { Bound } from '../ledger/bounded.ts';
import type { Judged } from './conditions.ts';
import { some } from './some.ts';

export type FindingType =
  | 'SpecAccepted'
  | 'PostgresFound'
  | 'CoresKnown'
  | 'CredentialsFound'
  | 'ShareGranted'
  | 'ClientsFit'
  | 'WithinBudget'
  | 'ObjectsApplied'
  | 'ConfigApplied'
  | 'PodsReady'
  | 'Paused'
  | 'SessionsRenewed'
  | 'Saturated'
  | 'Starving';

/**
 * What a finding means for Ready: 'fine' nothing; 'noted' is said, but the pool does its work; 'waiting'
 * heals when something else happens that is under way or expected; 'stalled' needs somebody's hand.
 */
export type Effect = 'fine' | 'noted' | 'waiting' | 'stalled';

export interface Finding extends Judged {
  readonly type: FindingType;
  readonly effect: Effect;
}

function good(type: FindingType, reason: string, message: string): Finding {
  return { type, status: 'True', reason, message, effect: 'fine' };
}

function bad(type: FindingType, fault: Fault, effect: Exclude<Effect, 'fine'>): Finding {
  return { type, status: 'False', reason: fault.reason, message: fault.message, effect };
}

/** What cannot be decided yet, because something before it failed. */
export function unknown(type: FindingType, message: string): Finding {
  return { type, status: 'Unknown', reason: 'NotReached', message, effect: 'noted' };
}

/** The spec and what is rendered from it: what cannot be bounded, or must not be written. */
export function specAccepted(fault?: Fault): Finding {
  return fault === undefined
    ? good('SpecAccepted', 'Accepted', 'Everything that the spec says can be done.')
    : bad('SpecAccepted', fault, 'stalled');
}

/** Faults that may heal by themselves: the cluster or the DNS record is on its way, or a server is to be started. */
const passing = [
  'PostgresDoesNotExist',
  'PostgresKindNotInstalled',
  'PostgresVersionUnknown',
  'PostgresStopped',
  'HostDoesNotResolve',
];

/** A cluster that does not exist may be on its way; every other fault is in what was written. */
export function postgresFound(
  found: { facts: ServerFacts; tls?: string | undefined } | { fault: Fault },
): Finding {
  if ('fault' in found) {
    const expected = passing.includes(found.fault.reason);
    return bad('PostgresFound', found.fault, expected ? 'waiting' : 'stalled');
  }
  const { host, port, maxConnections, primary, warning } = found.facts;
  if (warning !== undefined) {
    // A pool before a server that only reads does what it can, and is ready for the day when the server writes.
    return bad('PostgresFound', warning, passing.includes(warning.reason) ? 'waiting' : 'noted');
  }
  const parts = [
    `${host}:${port}`,
    ...(primary === undefined ? [] : [`primary ${primary}`]),
    `max_connections ${maxConnections.value} (${maxConnections.source})`,
    ...(found.tls === undefined ? [] : [found.tls]),
  ];
  return good('PostgresFound', 'Found', parts.join(', '));
}

export function coresKnown(facts: ServerFacts, assumed: string): Finding {
  if (facts.milliCores !== undefined) {
    const cores = facts.milliCores.value / 1000;
    return good('CoresKnown', 'Found', `${cores} (${facts.milliCores.source})`);
  }
  const why = facts.coresUnknown ?? 'nothing says how many cores Postgres has';
  const message = `${why}, so the smallest safe size is used, that of ${assumed}: set a cpu limit or request, or the ConnectionBudget's total or share`;
  return bad('CoresKnown', { reason: 'CoresUnknown', message }, 'noted');
}

/** Secrets are often created after the pool: a missing one is waited for. */
export function credentialsFound(faults: readonly Fault[]): Finding {
  const [first] = faults;
  if (first === undefined) {
    return good('CredentialsFound', 'Found', 'Every Secret that the spec names is there.');
  }
  const message = faults.map((fault) => fault.message).join('; ');
  return bad('CredentialsFound', { reason: first.reason, message }, 'waiting');
}

export interface ShareState {
  readonly share: number;
  /** Connections that the pool holds now; less than the share while others give back. */
  readonly held: number;
  readonly shortage?: Shortage;
  /** The owner's max for the pool's namespace has no room for more. */
  readonly groupIsFull?: boolean;
  /** The pool's namespace. */
  readonly namespace: string;
  /** `namespace/name` of the ConnectionBudget. */
  readonly budget: string;
  /** Somebody has deleted the budget; this pool is one of those that hold it. */
  readonly budgetIsDeleted?: boolean;
  readonly explanation: string;
  /** Why the rest is not here yet, where it is not that others hold it. */
  readonly waitsFor?: string;
}

type Shortage = 'NoPod' | 'FewerProcesses' | 'FewerPods' | 'BelowMin';

const shortages: Readonly<Record<Shortage, readonly [what: string, Exclude<Effect, 'fine'>]>> = {
  NoPod: ['No pod can run', 'stalled'],
  FewerProcesses: ['Fewer processes in a pod than asked for', 'noted'],
  FewerPods: ['Fewer pods than asked for', 'noted'],
  BelowMin: ['The share is below spec.sizing.min', 'noted'],
};

export function shareGranted(state: ShareState): Finding {
  const { share, held, shortage, budget } = state;
  if (shortage === 'NoPod') return tooSmall(state, shortage);
  // Before the other shortages: a pool that has nothing yet is not ready, however little it is to have.
  if (held < share && state.waitsFor !== undefined) {
    const message = `${held} of ${share} connections are here: ${state.waitsFor}`;
    return bad('ShareGranted', { reason: 'AskingServer', message }, 'waiting');
  }
  if (held < share) {
    return bad(
      'ShareGranted',
      {
        reason: 'WaitingForOthers',
        message: `${held} of ${share} connections are here; the rest follows as the other pools of ConnectionBudget ${budget} give it back`,
      },
      'waiting',
    );
  }
  if (shortage !== undefined) return tooSmall(state, shortage);
  const message = `${share} connections of ConnectionBudget ${budget}`;
  if (state.budgetIsDeleted === true) {
    return good(
      'ShareGranted',
      'BudgetBeingDeleted',
      `${message}, which is deleted: it is held until its pools are gone, and gives nothing to new ones`,
    );
  }
  return good('ShareGranted', 'Granted', message);
}

function tooSmall(state: ShareState, shortage: Shortage): Finding {
  return bad('ShareGranted', shareTooSmall(state, shortage), shortages[shortage][1]);
}

/** A share that is too small, with how it came about and what would make it larger. */
export function shareTooSmall(
  state: Pick<ShareState, 'groupIsFull' | 'namespace' | 'budget' | 'explanation'>,
  shortage: Shortage,
): Fault {
  const { groupIsFull, budget, explanation, namespace } = state;
  const less = shortage === 'BelowMin' ? 'lower spec.sizing.min' : 'lower what the pools ask for';
  const fix =
    groupIsFull === true
      ? `raise the max of namespace ${namespace} in spec.namespaces of ConnectionBudget ${budget}, or lower what its pools ask for`
      : `raise the total or share of ConnectionBudget ${budget}, give Postgres more cores, or ${less}`;
  const reason =
    groupIsFull === true
      ? 'NamespaceMaxTooSmall'
      : shortage === 'NoPod'
        ? 'BudgetTooSmall'
        : shortage;
  return { reason, message: `${shortages[shortage][0]} (${explanation}): ${fix}` };
}

/** Whether the counted workloads fit: most important first. */
export function clientsFit(connections: number, faults: readonly Fault[]): Finding {
  const [first] = faults;
  if (first === undefined) {
    return good(
      'ClientsFit',
      'Fits',
      `The workloads can open ${connections} connections, and the pool can serve them.`,
    );
  }
  const message = faults.map((fault) => fault.message).join('; ');
  return bad('ClientsFit', { reason: first.reason, message }, 'noted');
}

/** Whether all that the pool's processes can hold is within what it was allotted. */
export function withinBudget(state: {
  readonly allotted: number;
  /** Infinite when a file cannot be read. */
  readonly charged: number;
  /** Holders that have not proven their configuration and keep their charge. */
  readonly unproven: readonly string[];
  /** What all pools of the server may open together, while that is less than what they hold. */
  readonly shrunkTo?: number | undefined;
  /** Pods that hold more than their files allow, each with who has it: see `heldInWords`. */
  readonly held?: readonly string[];
  /** Of a pool whose pods are those of a Deployment. */
  readonly bound?: Bound;
}): Finding {
  const { allotted, charged, unproven, shrunkTo, held = [], bound } = state;
  const who = [
    ...(unproven.length === 0 ? [] : [`; not proven yet: ${some(unproven)}`]),
    ...(held.length === 0 ? [] : [`; ${some(held)}`]),
  ].join('');
  if (bound !== undefined && bound.there > bound.most && Number.isFinite(charged)) {
    const { there, most, each } = bound;
    return bad(
      'WithinBudget',
      {
        reason: 'MorePods',
        message: `${there} pods are there, with those that are ending, and ${most} were counted on, ${each} connections each: up to ${charged} can be open and ${allotted} are allotted; each pod gets less until the pods that were deleted or evicted have ended${who}`,
      },
      'waiting',
    );
  }
  if (charged > allotted) {
    const count = Number.isFinite(charged) ? `${charged}` : 'An unknown number of';
    const why =
      shrunkTo === undefined
        ? ''
        : `, because the budget of all pools became smaller than what they hold, ${shrunkTo}`;
    return bad(
      'WithinBudget',
      {
        reason: shrunkTo === undefined ? 'GivingBack' : 'BudgetShrank',
        message: `${count} connections can be open and ${allotted} are allotted${why}: they are closed as clients release them${who}`,
      },
      'waiting',
    );
  }
  if (bound !== undefined) {
    const { most, each } = bound;
    const message = `At most ${most} pods × ${each} = ${most * each} of ${allotted} connections${who}`;
    return good('WithinBudget', 'Bounded', message);
  }
  return good('WithinBudget', 'Exact', `At most ${charged} of ${allotted} connections${who}`);
}

/** Writing the objects: an object of the same name that is not ours, or one that the API server refuses. */
export function objectsApplied(fault?: Fault): Finding {
  return fault === undefined
    ? good('ObjectsApplied', 'Applied', 'Every object is as it should be.')
    : bad('ObjectsApplied', fault, 'stalled');
}

export interface PodCounts {
  /** spec.pooler.replicas. */
  readonly asked: number;
  /** Pods that the budget allows, and that are to run. */
  readonly target: number;
  readonly existing: number;
  readonly ready: number;
  /** Pods whose running process has confirmed its file. */
  readonly confirmed: number;
  /** Pods that must be replaced, because PgBouncer cannot reload what changed, with what it was. */
  readonly toReplace: number;
  readonly restartFor?: readonly string[];
  /** Pods that are emptied before they go, each with what is left of its clients. */
  readonly draining?: readonly string[];
  /** Databases and users that are drained before they go from the files, each with what is left. */
  readonly leaving?: readonly string[];
  /** New entries that have no connection before those have left. */
  readonly waiting?: EntriesWaiting | undefined;
  /** Pods whose processes do not do what they are told, each with why. */
  readonly silent?: readonly string[];
  /** Pods whose process is too old to be believed, by name. */
  readonly tooOld?: readonly TooOldPod[];
}

/** A pod, the version of its pooler, and the oldest that would do. */
export interface TooOldPod {
  readonly name: string;
  readonly version: string;
  readonly oldest: string;
}

export interface EntriesWaiting {
  /** Like "database shop". */
  readonly names: readonly string[];
  /** When they come at the latest; RFC 3339. */
  readonly until: string;
}

export function configApplied(pods: PodCounts): Finding {
  const {
    confirmed,
    target,
    toReplace,
    restartFor = [],
    leaving = [],
    silent = [],
    tooOld = [],
    waiting,
  } = pods;
  const why = silent.length === 0 ? '' : `; ${some(silent)}`;
  const progress = `${confirmed} of ${target} pods have confirmed their configuration${why}`;
  if (toReplace > 0) {
    const what = restartFor.length === 0 ? 'the pod template' : restartFor.join(', ');
    return bad(
      'ConfigApplied',
      {
        reason: 'ReplacingPods',
        message: `${toReplace} pods are replaced one at a time, because ${what} cannot be changed in a running pod; ${progress}`,
      },
      'waiting',
    );
  }
  const [old] = tooOld;
  if (old !== undefined) {
    const others = tooOld.length === 1 ? '' : ` (and ${tooOld.length - 1} more)`;
    return bad(
      'ConfigApplied',
      {
        reason: 'PoolerTooOld',
        message: `Pod ${old.name}${others} runs version ${old.version} of the pooler, which may keep old settings and not say so: its connections stay charged, and it gets no more. Set spec.pooler.image to one with ${old.oldest} or newer; where it is not set, the image is the operator's own setting (poolerImage of the chart)`,
      },
      'stalled',
    );
  }
  if (waiting !== undefined && confirmed >= target) {
    const text = `Not served yet, because every pod's connections are in use by what is to leave: ${some(waiting.names)}; served when the clients of ${some(leaving)} have gone, at ${waiting.until} at the latest`;
    return bad('ConfigApplied', { reason: 'EntriesWait', message: text }, 'waiting');
  }
  if (leaving.length > 0 && confirmed >= target) {
    const text = `No new clients, and the idle ones are closed: ${some(leaving)}`;
    return bad('ConfigApplied', { reason: 'EntriesLeaving', message: text }, 'waiting');
  }
  return confirmed >= target
    ? good('ConfigApplied', 'Confirmed', progress)
    : bad('ConfigApplied', { reason: 'NotConfirmed', message: progress }, 'waiting');
}

/** `fault` says what a pod that does not start reports: an image that cannot be pulled, a crash. */
export function podsReady(pods: PodCounts, fault?: Fault): Finding {
  const { ready, target, existing, asked, draining = [] } = pods;
  if (draining.length > 0 && ready >= target) {
    const message = `Out of the Service, and their idle clients are closed: ${draining.join(', ')}`;
    return bad('PodsReady', { reason: 'PodsDraining', message }, 'waiting');
  }
  if (ready >= target && existing > target) {
    const message = `${existing - target} pods are leaving; they wait for their clients`;
    return bad('PodsReady', { reason: 'PodsLeaving', message }, 'waiting');
  }
  if (ready >= target) {
    return good(
      'PodsReady',
      'Ready',
      asked === 0 ? 'No pods are asked for' : `${ready} of ${target} pods serve clients`,
    );
  }
  if (fault !== undefined) return bad('PodsReady', fault, 'waiting');
  const message = `${ready} of ${target} pods serve clients`;
  return bad('PodsReady', { reason: 'PodsNotReady', message }, 'waiting');
}
