// Decimal quantities as Kubernetes writes CPU: 8, "8", "2500m", "1.5", "1e3". Kept in thousandths, because
// an exact integer adds and compares without rounding.

const suffixes: Readonly<Record<string, number>> = {
  '': 1000,
  m: 1,
  k: 1e6,
  M: 1e9,
  u: 1e-3,
  n: 1e-6,
};

/** Thousandths of a quantity, rounded up (250u → 1), or undefined when it is not one. */
export function milliOf(quantity: unknown): number | undefined {
  if (typeof quantity !== 'string' && typeof quantity !== 'number') return undefined;
  const match = /^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([eE][+-]?[0-9]{1,2})|([numkM]))?$/.exec(
    String(quantity),
  );
  if (match === null) return undefined;
  const scale =
    match[2] === undefined ? suffixes[match[3] ?? ''] : 1000 * 10 ** Number(match[2].slice(1));
  const milli = Number(match[1]) * (scale ?? Number.NaN);
  // 1.1 × 1000 is 1100.0000000000002: less than a millionth of a thousandth is not meant.
  return Number.isFinite(milli) ? Math.ceil(milli - 1e-6) : undefined;
}

/** Writes thousandths the short way: 8000 → "8", 2500 → "2.5". */
export function formatMilli(milli: number): string {
  return String(milli / 1000);
}

const powers: Readonly<Record<string, bigint>> = {
  m: 10n ** 6n,
  '': 10n ** 9n,
  k: 10n ** 12n,
  M: 10n ** 15n,
  G: 10n ** 18n,
  T: 10n ** 21n,
  P: 10n ** 24n,
  Ki: (10n ** 9n) << 10n,
  Mi: (10n ** 9n) << 20n,
  Gi: (10n ** 9n) << 30n,
  Ti: (10n ** 9n) << 40n,
  Pi: (10n ** 9n) << 50n,
};

/** Of any resource ("256Mi", "500m", 2), in billionths: exact. Undefined when it is not one. */
function nanoOf(quantity: string | number): bigint | undefined {
  const match = /^([0-9]*)(?:\.([0-9]{1,9}))?([mkMGTP]|[KMGTP]i)?$/.exec(String(quantity));
  const [, whole = '', fraction = '', suffix = ''] = match ?? [];
  const power = powers[suffix];
  if (match === null || whole + fraction === '' || power === undefined) return undefined;
  return (BigInt(whole + fraction) * power) / 10n ** BigInt(fraction.length);
}

/** Below 0 when `a` is less than `b`, above when it is more; 0 also when either is not a quantity. */
export function compareQuantities(a: string | number, b: string | number): number {
  const [x, y] = [nanoOf(a), nanoOf(b)];
  if (x === undefined || y === undefined || x === y) return 0;
  return x < y ? -1 : 1;
}
