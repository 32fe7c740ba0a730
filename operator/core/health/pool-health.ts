// The health of one pool from the looks at its processes: too few connections, or some who get none.
import { type Durations, type Evidence, type Judgement, judge } from './judgement.ts';
import type { Look } from './look.ts';

/** Waits of a minute are a state, not a burst; and it is over when there was calm for five. */
const SATURATED: Durations = { toHold: 60, toEnd: 300 };
/** Two looks. Clients that starve are dropped after query_wait_timeout, 120 s by default. */
const STARVING: Durations = { toHold: 10, toEnd: 300 };
/** While a client waits longer than that it is not calm; seconds. */
const CALM_WAIT_SECONDS = 0.25;
/** Room that was made for others is given back when they were not seen for so long; seconds. */
const SHARERS_SECONDS = 3600;

export interface PoolHealth {
  readonly saturated: Judgement;
  readonly starving: Judgement;
  /** See `HolderConfig.sharers`. */
  readonly sharers?: number;
  /** The most who wanted connections at the same time since `since`, while there are sharers. */
  readonly window?: { readonly since: number; readonly wanting: number };
}

/** `looks` are the last of each process. `at` in seconds of their clock. */
export function judgePool(before: PoolHealth, looks: readonly Look[], at: number): PoolHealth {
  const starving = judge(before.starving, starvingNow(looks), at, STARVING);
  const health: PoolHealth = {
    saturated: judge(before.saturated, saturatedNow(looks), at, SATURATED),
    starving,
  };
  const wanting = Math.max(0, ...looks.map((look) => look.wanting));
  return { ...health, ...sharersOf(before, starving.holds, wanting, at) };
}

/** One process that is pressed is enough, because a Service does not move its clients. */
function saturatedNow(looks: readonly Look[]): Evidence {
  if (looks.some((look) => look.paused)) return 'unclear';
  if (looks.some((look) => look.pressed)) return 'yes';
  return looks.every((look) => look.maxWaitSeconds < CALM_WAIT_SECONDS) ? 'no' : 'unclear';
}

function starvingNow(looks: readonly Look[]): Evidence {
  if (looks.some((look) => look.paused)) return 'unclear';
  return looks.some((look) => look.starving) ? 'yes' : 'no';
}

/** Grows at once while somebody starves; shrinks to the most that an hour has seen, and goes with the last. */
function sharersOf(
  before: PoolHealth,
  starving: boolean,
  wanting: number,
  at: number,
): Pick<PoolHealth, 'sharers' | 'window'> {
  const { sharers } = before;
  if (starving && wanting > Math.max(1, sharers ?? 1)) {
    return { sharers: wanting, window: { since: at, wanting } };
  }
  if (sharers === undefined) return {};
  const since = before.window?.since ?? at;
  const most = Math.max(wanting, before.window?.wanting ?? 0);
  if (starving || most >= sharers) return { sharers, window: { since: at, wanting } };
  if (at - since < SHARERS_SECONDS) return { sharers, window: { since, wanting: most } };
  return most > 1 ? { sharers: most, window: { since: at, wanting } } : {};
}
