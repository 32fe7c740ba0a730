// Who may lead: the decisions of the leader election as pure functions.

/** The spec of a coordination.k8s.io/v1 Lease, as far as it matters here. */
export interface LeaseRecord {
  readonly holder: string;
  readonly durationSeconds: number;
  readonly transitions: number;
  readonly resourceVersion: string;
}

/** Defaults of client-go: 15, 10 and 2 s. */
export interface LeaseTiming {
  /** A lease that was not renewed for so long may be taken by another. */
  readonly durationSeconds: number;
  /** A leader that could not renew for so long stops acting. Must be less than the duration. */
  readonly renewDeadlineSeconds: number;
  /** Between two tries. */
  readonly retrySeconds: number;
}

export const defaultLeaseTiming: LeaseTiming = {
  durationSeconds: 15,
  renewDeadlineSeconds: 10,
  retrySeconds: 2,
};

/**
 * What this process knows of the lease: the record as it was last read, and when (ms of the local
 * clock) it was seen to change. The other side's clock and its renewTime are never used.
 */
export interface Seen {
  /** undefined: there is no Lease object. */
  readonly record: LeaseRecord | undefined;
  readonly changedAt: number;
}

export type Decision =
  /** There is no Lease: make one that is ours. */
  | { readonly do: 'create' }
  /** It is ours: write it again. */
  | { readonly do: 'renew' }
  /** It is nobody's, or its holder has not renewed it in time. */
  | { readonly do: 'take' }
  /** It is another's, for at least so long. */
  | { readonly do: 'wait'; readonly seconds: number };

/** What to do at `now` (ms of the clock of `seen.changedAt`) as `identity`. */
export function decide(seen: Seen, identity: string, now: number, timing: LeaseTiming): Decision {
  const { record } = seen;
  if (record === undefined) return { do: 'create' };
  if (record.holder === identity) return { do: 'renew' };
  if (record.holder === '') return { do: 'take' };
  // The holder's own word counts where it is longer: it may run with other settings.
  const seconds = Math.max(record.durationSeconds, timing.durationSeconds);
  const left = seconds - (now - seen.changedAt) / 1000;
  return left <= 0 ? { do: 'take' } : { do: 'wait', seconds: left };
}

/** Takes in a reading of the lease: the clock of its expiry starts anew only where it changed. */
export function observe(
  seen: Seen | undefined,
  record: LeaseRecord | undefined,
  now: number,
): Seen {
  const same = seen !== undefined && seen.record?.resourceVersion === record?.resourceVersion;
  return { record, changedAt: same ? seen.changedAt : now };
}

/** An error sentence where the three times do not fit together. */
export function checkTiming(timing: LeaseTiming): string | undefined {
  const { durationSeconds, renewDeadlineSeconds, retrySeconds } = timing;
  if (renewDeadlineSeconds >= durationSeconds) {
    return `renewDeadlineSeconds (${renewDeadlineSeconds}) must be less than durationSeconds (${durationSeconds})`;
  }
  if (retrySeconds * 1.2 >= renewDeadlineSeconds) {
    return `retrySeconds (${retrySeconds}) must be well under renewDeadlineSeconds (${renewDeadlineSeconds})`;
  }
  return undefined;
}
