// Shares an integer total over claims by weight, within each claim's min and max.

export interface Claim {
  /** Unique; breaks ties, so that the same claims get the same shares in whatever order they come. */
  readonly id: string;
  /** Greater than 0. */
  readonly weight: number;
  readonly min: number;
  readonly max: number;
}

/**
 * Water-filling: every claim gets `level × weight`, kept within [min, max], with the level at which the
 * shares sum to `min(total, Σ max)`; integers by largest remainder.
 *
 * Expects integers and Σ min ≤ total; returns a share for every claim. The frozen-set iteration is that of
 * "Resolving Flexible Lengths" in CSS Flexible Box Layout; everything is compared as integers over a common
 * denominator, so no rounding error can move a connection.
 */
export function waterFill(total: number, claims: readonly Claim[]): Map<string, number> {
  const shares = new Map<string, number>();
  let open = [...claims].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  let rest = Math.min(
    total,
    sum(open, (c) => c.max),
  );
  for (;;) {
    const weight = sum(open, (c) => c.weight);
    const exact = (c: Claim) => rest * c.weight; // in units of 1/weight
    const clamped = (c: Claim) => Math.min(Math.max(exact(c), c.min * weight), c.max * weight);
    const violation = sum(open, (c) => clamped(c) - exact(c));
    const frozen = open.filter((c) =>
      violation > 0 ? exact(c) < c.min * weight : violation < 0 && exact(c) > c.max * weight,
    );
    if (frozen.length === 0) {
      // No violation in sum: each claim's own clamp is what it gets.
      const bounded = open.filter((c) => clamped(c) !== exact(c));
      if (bounded.length === 0) {
        largestRemainder(rest, weight, open, shares);
        return shares;
      }
      frozen.push(...bounded);
    }
    // All of them by the level of this round: what one takes must not move the bound of the next.
    const taken = frozen.map((c) => [c.id, clamped(c) / weight] as const);
    for (const [id, share] of taken) {
      shares.set(id, share);
      rest -= share;
    }
    open = open.filter((c) => !shares.has(c.id));
  }
}

function largestRemainder(
  total: number,
  weight: number,
  claims: readonly Claim[],
  shares: Map<string, number>,
): void {
  if (claims.length === 0) return;
  let left = total;
  const remainders = claims.map((c) => {
    const whole = Math.floor((total * c.weight) / weight);
    left -= whole;
    shares.set(c.id, whole);
    return { id: c.id, whole, remainder: (total * c.weight) % weight };
  });
  remainders.sort((a, b) => b.remainder - a.remainder || (a.id < b.id ? -1 : 1));
  for (const { id, whole } of remainders.slice(0, left)) shares.set(id, whole + 1);
}

/** Splits `total` into `parts` integers that differ by at most 1, the larger ones first: 9 over 2 is 5 and 4. */
export function splitEvenly(total: number, parts: number): number[] {
  const whole = Math.floor(total / parts);
  return Array.from({ length: parts }, (_, i) => whole + (i < total - whole * parts ? 1 : 0));
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
