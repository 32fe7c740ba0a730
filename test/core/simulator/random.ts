// Seeded random numbers: the same seed gives the same sequence on every machine.

export interface Random {
  /** An integer in [0, below). */
  below(below: number): number;
  /** True in `percent` of 100. */
  chance(percent: number): boolean;
  /** One of the items, which must not be empty. */
  pick<T>(items: readonly T[]): T;
}

/** sfc32, after Chris Doty-Humphrey's PractRand; seeded by splitting one 32-bit number. */
export function randomFrom(seed: number): Random {
  let a = 0x9e3779b9 ^ seed;
  let b = Math.imul(seed, 0x85ebca6b) | 0;
  let c = (seed ^ 0xc2b2ae35) | 0;
  let counter = 1;
  const next = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  const below = (bound: number) => Math.floor((next() / 4294967296) * bound);
  return {
    below,
    chance: (percent) => below(100) < percent,
    pick: <T>(items: readonly T[]): T => {
      const item = items[below(items.length)];
      if (item === undefined) throw new RangeError('nothing to pick from');
      return item;
    },
  };
}
