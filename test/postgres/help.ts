// Asking an adapter, and objects with a part of them changed.
import assert from 'node:assert/strict';
import type {
  Found,
  PostgresAdapter,
  RawObject,
  Role,
  ServerFacts,
} from '../../operator/postgres/adapter.ts';
import { podsIn } from '../../operator/postgres/table.ts';
import { lookupOf } from './objects.ts';

export const POSTGRES = "PostgreSQL's default";
/** Why nobody knows the cores of a cluster that says nothing, while no pod of it is known. */
export const NO_CORES =
  'Postgres has neither a cpu limit nor a cpu request, and no pod of it has a node';

export function find(
  adapter: PostgresAdapter,
  raw: RawObject,
  role: Role = 'primary',
  related: readonly RawObject[] = [],
): Found {
  return adapter.facts(raw, role, {
    clusterDomain: 'cluster.local',
    lookup: lookupOf(...related),
    pods: (cluster) =>
      podsIn(
        related.filter(({ kind }) => kind === 'Pod'),
        cluster,
      ),
  });
}

export function factsOf(...args: Parameters<typeof find>): ServerFacts {
  const found = find(...args);
  assert.ok(found.ok, found.ok ? '' : found.fault.message);
  return found.facts;
}

export function reasonOf(...args: Parameters<typeof find>): string {
  const found = find(...args);
  assert.ok(!found.ok, 'a fault was expected');
  assert.match(found.fault.message, /: /, 'a fault says its fix');
  return found.fault.reason;
}

/** The object with another value at a path, or without the path. */
export function change(raw: RawObject, path: readonly string[], value?: unknown): RawObject {
  const copy = structuredClone(raw) as Record<string, unknown>;
  let inner: Record<string, unknown> = copy;
  for (const key of path.slice(0, -1)) {
    inner[key] ??= {};
    inner = inner[key] as Record<string, unknown>;
  }
  const last = path.at(-1) ?? '';
  if (value === undefined) delete inner[last];
  else inner[last] = value;
  return copy as RawObject;
}
