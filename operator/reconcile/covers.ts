// Whether a live object says everything that we want it to say: drift made by hand is seen without a write.

/** Maps that are one value to Kubernetes: a key that somebody added changes what is selected. */
const whole: ReadonlySet<string> = new Set([
  'labelSelector',
  'matchLabels',
  'namespaceSelector',
  'nodeSelector',
  'podSelector',
  'selector',
]);

/**
 * True when every field of `wanted` has the same value in `live`. What the API server adds (defaults) and what
 * others own may be there besides, but in a selector. Lists are compared item by item, because those that we write
 * keep their order.
 */
export function covers(live: unknown, wanted: unknown, key = ''): boolean {
  if (Array.isArray(wanted)) {
    if (live === undefined) return wanted.length === 0;
    return (
      Array.isArray(live) &&
      live.length === wanted.length &&
      wanted.every((item, i) => covers(live[i], item, key))
    );
  }
  if (typeof wanted === 'object' && wanted !== null) {
    const entries = Object.entries(wanted);
    if (live === undefined || live === null) return entries.length === 0;
    if (typeof live !== 'object' || Array.isArray(live)) return false;
    const present = live as Record<string, unknown>;
    if (whole.has(key) && Object.keys(present).length !== entries.length) return false;
    const inner = key === 'requests' || key === 'limits' ? 'quantity' : undefined;
    return entries.every(([name, value]) => covers(present[name], value, inner ?? name));
  }
  if (live === wanted) return true;
  return key === 'quantity' && sameQuantity(live, wanted);
}

const scales: Readonly<Record<string, number>> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The API server writes quantities its own way: "0.5" comes back as "500m". */
function sameQuantity(a: unknown, b: unknown): boolean {
  const [left, right] = [quantity(a), quantity(b)];
  if (left === undefined || right === undefined) return false;
  return Math.abs(left - right) <= 1e-9 * Math.max(Math.abs(left), Math.abs(right));
}

function quantity(value: unknown): number | undefined {
  const match = /^([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([numkMGTPE]|[KMGTPE]i)?$/.exec(String(value));
  const scale = scales[match?.[2] ?? ''];
  return match === null || scale === undefined ? undefined : Number(match[1]) * scale;
}
