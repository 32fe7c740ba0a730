// A judgement that changes rarely: something must be seen for a while before it is believed, and be away for longer
// before it is over. What is in between changes nothing.

/** What one look says: it is so, it is not so, or neither. */
export type Evidence = 'yes' | 'no' | 'unclear';

export interface Judgement {
  readonly holds: boolean;
  /** Since when every look has said the opposite of `holds`; seconds, of the looks' clock. */
  readonly againstSince?: number;
  /** The last look that was judged. */
  readonly at?: number;
}

export interface Durations {
  /** So long it must be seen before it holds; seconds. */
  readonly toHold: number;
  /** So long it must be away before it is over; seconds. */
  readonly toEnd: number;
}

/** Looks come every 15 s; after a longer silence nobody knows what was, and the time starts again; seconds. */
export const SILENCE_SECONDS = 60;

export const unjudged: Judgement = { holds: false };

export function judge(
  before: Judgement,
  evidence: Evidence,
  at: number,
  { toHold, toEnd }: Durations,
): Judgement {
  const { holds } = before;
  const against = evidence === (holds ? 'no' : 'yes');
  if (!against) return { holds, at };
  const known = before.at !== undefined && at - before.at <= SILENCE_SECONDS;
  const since = known ? (before.againstSince ?? at) : at;
  if (at - since >= (holds ? toEnd : toHold)) return { holds: !holds, at };
  return { holds, againstSince: since, at };
}
