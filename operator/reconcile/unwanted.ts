// Deletes objects that a pool had with an earlier spec. Only kinds that the renderers call optional come here, and
// only an object that this very pool controls is touched.
import { isOwnedBy } from '../core/pool/labels.ts';
import type { Unwanted } from '../core/pool/render.ts';
import type { Fault, PoolIdentity } from '../core/pool/view.ts';
import { isForbidden } from '../kube/errors.ts';
import type { Run } from '../runtime/controller.ts';
import type { Context } from './context.ts';

/**
 * Returns why one could not be deleted, when that is for somebody to mend. Rejects with what else the API server says;
 * an object that was made anew since it was read stays (a conflict).
 */
export async function removeUnwanted(
  { client, world }: Context,
  pool: PoolIdentity,
  unwanted: readonly Unwanted[],
  run: Run,
): Promise<Fault | undefined> {
  for (const { kind, namespace, name } of unwanted) {
    const { type, shelf } = world.ownedKind(kind);
    const live = shelf.get(namespace, name);
    const { uid, deletionTimestamp } = live?.metadata ?? {};
    if (live === undefined || uid === undefined || deletionTimestamp !== undefined) continue;
    if (!isOwnedBy(live.metadata, pool)) continue;
    run.log.info({ kind, object: name }, 'deleting an object that the pool asks for no more');
    try {
      const lingering = await client.delete(type, { namespace, name }, { uid, signal: run.signal });
      if (lingering !== undefined) shelf.observeWrite(lingering);
    } catch (error) {
      if (!isForbidden(error)) throw error;
      return {
        reason: 'ObjectNotDeleted',
        message: `${kind} ${name} is wanted no more and may not be deleted (${error.message}): give the operator that right, or delete it`,
      };
    }
  }
  return undefined;
}
