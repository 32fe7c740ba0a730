// What a Postgres is, read once from each version of the object that says so: every look at every pool asks.
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import type { Found, RawObject } from '../postgres/adapter.ts';
import { findPostgres, postgresRef } from '../postgres/find.ts';
import { adapterFor } from '../postgres/table.ts';
import { type Context, findContext, lookupIn } from './context.ts';

/** By object as the store has it, which is never changed, and by role. */
const read = new WeakMap<RawObject, Map<string, Found>>();

export function findFacts(
  context: Pick<Context, 'world' | 'settings'>,
  postgres: ConnectionPoolSpec['postgres'],
  namespace: string,
): Found {
  const lookup = lookupIn(context.world);
  const find = () => findPostgres(postgres, namespace, lookup, findContext(context));
  const ref = postgresRef(postgres, namespace);
  if (ref === undefined) return find();
  const object = lookup(ref);
  // Where other objects are read besides, this one alone does not tell whether the facts have changed.
  const alone = adapterFor(ref.apiGroup, ref.kind)?.related === undefined;
  if (object === undefined || !alone) return find();
  const byRole = read.get(object) ?? new Map<string, Found>();
  read.set(object, byRole);
  const known = byRole.get(postgres.role) ?? find();
  byRole.set(postgres.role, known);
  return known;
}
