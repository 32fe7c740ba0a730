// What there is of a pool as the API server has it now. A cache may be behind, each by itself: it proves neither that a
// pod is gone nor that it is the one from before, and capacity is taken back on proof only.

import type { ConnectionPool } from '../api/resources.ts';
import { isShared } from '../api/workload.ts';
import { POOL_UID_LABEL } from '../core/pool/labels.ts';
import { namesOf } from '../core/pool/names.ts';
import type { PoolObjects } from '../core/pool/read.ts';
import { type KubeObject, pods as podType } from '../kube/types.ts';
import type { Run } from '../runtime/controller.ts';
import type { Context } from './context.ts';
import { objectsOf, ownedBy } from './gather.ts';
import type { Shelf } from './shelf.ts';
import { trimDeployment, trimOwned, trimPod, trimStatefulSet } from './trim.ts';

/**
 * Three requests, one after the other, each answered from the newest state: the files, then the workload, then the
 * pods. A pod that comes after the list was made by a workload that was read before it. To be called after `pool` was
 * read, and to be planned from for that version of it only. Rejects with what the API server says.
 */
export async function readLive(
  context: Context,
  pool: ConnectionPool,
  run: Run,
): Promise<PoolObjects> {
  const { client, world } = context;
  const { namespace, name, uid } = pool.metadata;
  const names = namesOf(name);
  const call = { signal: run.signal };
  run.log.debug('files, workload and pods are read from the API server');
  const get = async (shelf: Shelf, object: string, trim: typeof trimOwned) => {
    const live = await client.get(shelf.type, { namespace, name: object }, call);
    return live === undefined ? undefined : newest(shelf.get(namespace, object), live, trim);
  };
  const configMap = await get(world.configMaps, names.configMap, trimOwned);
  const workload = isShared(pool.spec)
    ? { deployment: await get(world.deployments, names.deployment, trimDeployment) }
    : { statefulSet: await get(world.statefulSets, names.statefulSet, trimStatefulSet) };
  const labelSelector = `${POOL_UID_LABEL}=${uid}`;
  const { items } = await client.list(podType, { namespace, labelSelector, ...call });
  const pods = items.map((pod) =>
    newest(world.pods.get(namespace, pod.metadata.name), pod, trimPod),
  );
  return {
    ...objectsOf(context, pool),
    configMap: ownedBy(pool, configMap),
    statefulSet: ownedBy(pool, workload.statefulSet),
    deployment: ownedBy(pool, workload.deployment),
    pods,
  };
}

/** What the store has, where it is the same version: what was found out about that object once holds. */
function newest(
  stored: KubeObject | undefined,
  live: KubeObject,
  trim: (object: KubeObject, ours: boolean) => KubeObject,
): KubeObject {
  const same =
    stored?.metadata.uid === live.metadata.uid &&
    stored?.metadata.resourceVersion === live.metadata.resourceVersion;
  return same && stored !== undefined ? stored : trim(live, false);
}
