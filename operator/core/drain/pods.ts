// Which pods are emptied before they go, and which may go now. A pod that goes by our own decision first leaves the
// Service, so that no new client comes; then its idle clients are closed little by little (closing.ts); it is deleted
// when none is left or the time that the user gives is over. All of that can be taken back until it is deleted.

export interface DrainPod {
  readonly uid: string;
  readonly ordinal: number;
  readonly ready: boolean;
  /** It is deleted already. */
  readonly leaving: boolean;
  /** Out of the Service since then, in milliseconds; absent: it serves. */
  readonly since?: number;
  /** Counted when no new one could come any more; absent: not known. */
  readonly clients?: number;
}

export interface DrainInput {
  readonly pods: readonly DrainPod[];
  /** Pods with this ordinal or a higher one are to go. */
  readonly target: number;
  /** uid of the pod that is to be replaced by a new one. */
  readonly replace?: string | undefined;
  /** Milliseconds. */
  readonly now: number;
  /** How long clients may take to leave, in seconds; 0: pods are deleted at once. */
  readonly limitSeconds: number;
}

export interface DrainPlan {
  /** uids of pods that leave the Service now. */
  readonly start: readonly string[];
  /** uids of pods that serve again. */
  readonly stop: readonly string[];
  /** Pods to delete now. Of one that is empty nobody has to wait for anything. */
  readonly remove: readonly { readonly uid: string; readonly empty: boolean }[];
  /** Seconds until a limit is over; absent when there is none to wait for. */
  readonly nextSeconds?: number;
}

type Verdict = 'start' | 'wait' | 'stop' | 'remove' | 'removeEmpty';

/**
 * Pure. Guarantees: a pod leaves the Service only while another that stays serves, or when none is to stay; a pod
 * that is drained and becomes the only one that could serve, serves again.
 */
export function planDrains(input: DrainInput): DrainPlan {
  const pods = input.pods.filter((pod) => !pod.leaving);
  const goes = (pod: DrainPod) => pod.ordinal >= input.target || pod.uid === input.replace;
  const covered =
    input.target === 0 || pods.some((p) => !goes(p) && p.ready && p.since === undefined);
  const verdicts = pods.map((pod) => ({
    pod,
    verdict: goes(pod) ? verdictOf(pod, input, covered) : pod.since === undefined ? 'wait' : 'stop',
  }));
  const of = (wanted: Verdict) =>
    verdicts.filter((v) => v.verdict === wanted).map((v) => v.pod.uid);
  const ends = verdicts.flatMap(({ pod, verdict }) =>
    verdict === 'wait' && pod.since !== undefined ? [endOf(pod.since, input) - input.now] : [],
  );
  return {
    start: of('start'),
    stop: of('stop'),
    remove: [
      ...of('removeEmpty').map((uid) => ({ uid, empty: true })),
      ...of('remove').map((uid) => ({ uid, empty: false })),
    ],
    ...(ends.length === 0 ? {} : { nextSeconds: Math.max(0.1, Math.min(...ends) / 1000) }),
  };
}

function verdictOf(pod: DrainPod, input: DrainInput, covered: boolean): Verdict {
  const { replace, target, now, limitSeconds } = input;
  const empty = pod.since !== undefined && pod.clients === 0;
  // Nobody is led to it, and what it has waits for the grace period.
  if (!pod.ready || limitSeconds === 0) return empty ? 'removeEmpty' : 'remove';
  if (covered) {
    if (pod.since === undefined) return 'start';
    if (empty) return 'removeEmpty';
    return now >= endOf(pod.since, input) ? 'remove' : 'wait';
  }
  // The only pod is replaced as it is: its clients have nowhere to go meanwhile. One too many waits for another to
  // serve.
  if (pod.uid === replace && pod.ordinal < target) return 'remove';
  return pod.since === undefined ? 'wait' : 'stop';
}

function endOf(since: number, { limitSeconds }: DrainInput): number {
  return since + limitSeconds * 1000;
}

/**
 * How many pods there are to be meanwhile, where `asked` are asked for: those that are too many keep their place and
 * their connections until they are deleted. Deleted by us and not by lowering the replicas: the workload's controller
 * gives even an empty pod its whole preStop.
 */
export function podsMeanwhile(
  asked: number,
  replicas: number,
  pods: readonly Pick<DrainPod, 'ordinal' | 'leaving'>[],
): number {
  const there = pods.filter((p) => !p.leaving && p.ordinal < replicas).map((p) => p.ordinal + 1);
  return Math.max(asked, ...there);
}
