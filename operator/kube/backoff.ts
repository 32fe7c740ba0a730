// How long to wait before the next attempt.

/**
 * Seconds before attempt `failures + 1`: base × 2^failures, at most `cap`, and then between half of
 * that and all of it at random, so that many clients do not come back in the same moment.
 */
export function backoffSeconds(
  failures: number,
  baseSeconds: number,
  capSeconds: number,
  random: () => number,
): number {
  const full = Math.min(capSeconds, baseSeconds * 2 ** Math.min(failures, 40));
  return full / 2 + (full / 2) * random();
}
