// Time as something that can be handed in: a test turns it by hand.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds that only grow; not the time of day. */
  now(): number;
  /** Calls back once, after so many milliseconds. */
  after(milliseconds: number, callback: () => void): Timer;
}

/** setTimeout takes no more than this (24.8 days); longer waits are cut, and looked at again then. */
const longest = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, Math.min(longest, Math.max(0, milliseconds)));
    return { cancel: () => clearTimeout(timer) };
  },
};
