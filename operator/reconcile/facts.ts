// What a Postgres is, read once from the objects that say so: every look at every pool asks. Facts that are the same
// are the same object, because sizes are computed anew when they are another one.
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import type { Found, PodLookup, PostgresRef, RawObject } from '../postgres/adapter.ts';
import { findPostgres, type Lookup, postgresRef } from '../postgres/find.ts';
import { type Context, findContext, lookupIn } from './context.ts';
import { sameJson } from './same.ts';

type Ground = Pick<Context, 'world' | 'settings'>;

/** Facts, and all that they were read from besides the cluster's own object. */
interface Read {
  readonly found: Found;
  readonly objects: readonly (readonly [PostgresRef, RawObject | undefined])[];
  readonly pods: readonly (readonly [PostgresRef, readonly RawObject[]])[];
}

/** By object as the store has it, which is never changed, and by role. */
const read = new WeakMap<RawObject, Map<string, Read>>();

export function findFacts(
  context: Ground,
  postgres: ConnectionPoolSpec['postgres'],
  namespace: string,
): Found {
  const lookup = lookupIn(context.world);
  const ref = postgresRef(postgres, namespace);
  const object = ref === undefined ? undefined : lookup(ref);
  if (object === undefined) return readNow(context, postgres, namespace).found;
  const byRole = read.get(object) ?? new Map<string, Read>();
  read.set(object, byRole);
  const known = byRole.get(postgres.role);
  if (known !== undefined && isStill(known, lookup, findContext(context).pods)) return known.found;
  const now = readNow(context, postgres, namespace);
  const found = known !== undefined && sameJson(known.found, now.found) ? known.found : now.found;
  byRole.set(postgres.role, { ...now, found });
  return found;
}

/** Whether something of which the facts are read, whatever the role, is still on its way into the stores. */
export function areComing(
  { world }: Pick<Context, 'world'>,
  postgres: Pick<ConnectionPoolSpec['postgres'], 'clusterRef'>,
  namespace: string,
): boolean {
  const ref = postgresRef(postgres, namespace);
  if (ref === undefined) return false;
  if (world.instances.reading(ref)) return true;
  const object = world.find(ref);
  const known = object === undefined ? [] : [...(read.get(object)?.values() ?? [])];
  return known.some(({ objects }) => objects.some(([one]) => world.instances.reading(one)));
}

function readNow(context: Ground, postgres: ConnectionPoolSpec['postgres'], namespace: string) {
  const known = findContext(context);
  const objects: (readonly [PostgresRef, RawObject | undefined])[] = [];
  const pods: (readonly [PostgresRef, readonly RawObject[]])[] = [];
  const lookup = lookupIn(context.world);
  const found = findPostgres(
    postgres,
    namespace,
    (ref) => {
      const object = lookup(ref);
      objects.push([ref, object]);
      return object;
    },
    {
      ...known,
      pods: (ref) => {
        const now = known.pods?.(ref) ?? [];
        pods.push([ref, now]);
        return now;
      },
    },
  );
  return { found, objects, pods };
}

function isStill({ objects, pods }: Read, lookup: Lookup, podsOf: PodLookup | undefined): boolean {
  return (
    objects.every(([ref, object]) => lookup(ref) === object) &&
    pods.every(([ref, before]) => {
      const now = podsOf?.(ref) ?? [];
      return now.length === before.length && now.every((pod, i) => pod === before[i]);
    })
  );
}
