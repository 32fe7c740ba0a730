// Good objects of both resources, and changes to them, for tests.

type Json = Readonly<Record<string, unknown>>;

/** Maps are merged, everything else replaces; undefined takes a field away. */
export function merged(base: unknown, change: unknown): unknown {
  if (!isJson(base) || !isJson(change)) return change;
  const out: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(change)) {
    if (value === undefined) delete out[key];
    else out[key] = merged(out[key], value);
  }
  return out;
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const shopUser = { name: 'shop', secretRef: { name: 'shop-app' } };

const goodPool = {
  apiVersion: 'spillway.dev/v1alpha1',
  kind: 'ConnectionPool',
  metadata: { name: 'shop', namespace: 'default' },
  spec: {
    postgres: { endpoint: { host: 'db.example.com', cores: 8 } },
    users: [shopUser],
  },
};

/** A pool in front of an endpoint, with a change of its spec and of its metadata. */
export function pool(spec: Json = {}, metadata: Json = {}): Json {
  return merged(goodPool, { spec, metadata }) as Json;
}

/** The change of a spec that names a StatefulSet instead of the endpoint. */
export const statefulSet = (change: Json = {}): Json => ({
  endpoint: undefined,
  clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'shop-db', ...change },
});

const goodBudget = {
  apiVersion: 'spillway.dev/v1alpha1',
  kind: 'ConnectionBudget',
  metadata: { name: 'statefulset-shop-db', namespace: 'default' },
  spec: {
    postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'shop-db' } },
  },
};

export function budget(spec: Json = {}, metadata: Json = {}): Json {
  return merged(goodBudget, { spec, metadata }) as Json;
}

/** A budget of an endpoint with 100 connections, 3 of them reserved. */
export function endpointBudget(spec: Json = {}, metadata: Json = {}): Json {
  const endpoint = { host: 'db.example.com', cores: 8, maxConnections: 100 };
  const postgres = { clusterRef: undefined, endpoint };
  return budget(merged({ postgres }, spec) as Json, {
    name: 'endpoint-0123456789abcdef',
    ...(metadata as object),
  });
}
