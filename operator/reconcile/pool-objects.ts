// Writes the objects of one pool in the order that the ledger needs.
import type { ConnectionPool } from '../api/resources.ts';
import { isOwnedBy } from '../core/pool/labels.ts';
import type { PoolObjects } from '../core/pool/read.ts';
import type { Rendered } from '../core/pool/render.ts';
import { isForbidden, isInvalid } from '../kube/errors.ts';
import type { KubeObject } from '../kube/types.ts';
import type { Fault } from '../postgres/adapter.ts';
import type { Run } from '../runtime/controller.ts';
import type { Context } from './context.ts';
import { madeSince, type Wanted, type Written } from './writer.ts';

interface Applied {
  /** Files were written: the ledger has to look again, because replicas follow files that are there. */
  readonly files: boolean;
  readonly fault?: Fault;
}

/** Files and workload as the plan was made from them. */
export type Planned = Pick<PoolObjects, 'configMap' | 'statefulSet' | 'deployment'>;

/**
 * Objects that say nothing about capacity are written side by side; then the files, the list of users and the
 * workload, one after the other. An object that belongs to somebody else ends it. Files and workload are written
 * against the versions that were planned from, not against what has come into the stores since: rejects with a
 * conflict when they have changed.
 */
export async function apply(
  context: Context,
  pool: ConnectionPool,
  objects: readonly Rendered[],
  planned: Planned,
  run: Run,
): Promise<Applied> {
  const last = ['configMap', 'userListSecret', 'statefulSet', 'deployment'];
  const first = objects.filter((o) => !last.includes(o.id));
  const results = await Promise.all(first.map((o) => ensure(context, pool, o, planned, run)));
  const fault = results.map((r) => r.fault).find((f) => f !== undefined);
  if (fault !== undefined) return { files: false, fault };
  for (const id of last) {
    const rendered = objects.find((o) => o.id === id);
    if (rendered === undefined) continue;
    const result = await ensure(context, pool, rendered, planned, run);
    if (result.fault !== undefined) return { files: false, fault: result.fault };
    if (result.wrote && id === 'configMap') return { files: true };
  }
  return { files: false };
}

/** What an object is to be written over. Throws a conflict where something of ours has come since the plan. */
function basisOf(
  pool: ConnectionPool,
  { id, manifest }: Rendered,
  planned: Planned,
  stored: KubeObject | undefined,
): KubeObject | undefined {
  if (id !== 'configMap' && id !== 'statefulSet' && id !== 'deployment') return stored;
  const basis = planned[id] as KubeObject | undefined;
  if (basis !== undefined || stored === undefined) return basis;
  if (isOwnedBy(stored.metadata, pool.metadata)) throw madeSince(manifest as unknown as KubeObject);
  return stored;
}

async function ensure(
  context: Context,
  pool: ConnectionPool,
  rendered: Rendered,
  planned: Planned,
  run: Run,
): Promise<{ wrote: boolean; fault?: Fault }> {
  const manifest = rendered.manifest as unknown as KubeObject;
  const { type, shelf } = context.world.ownedKind(manifest.kind);
  const { namespace = '', name } = manifest.metadata;
  const wanted: Wanted = {
    type,
    manifest,
    hash: rendered.hash,
    ownerUid: pool.metadata.uid,
    live: basisOf(pool, rendered, planned, shelf.get(namespace, name)),
    guarded: rendered.capacity,
  };
  let result: Written;
  try {
    result = await context.writer.ensure(wanted, run.signal);
  } catch (error) {
    if (!isForbidden(error) && !isInvalid(error)) throw error;
    run.log.warn({ err: error, kind: manifest.kind, object: name }, 'an object was refused');
    // What is refused may be quoted in the answer, and nothing of a Secret is to be read in a status.
    const why = manifest.kind === 'Secret' ? error.reason : error.message;
    return {
      wrote: false,
      fault: {
        reason: 'ObjectRefused',
        message: `${manifest.kind} ${name}: the API server refuses it (${why}): see to the quota, policy or right that is in the way`,
      },
    };
  }
  if (result.kind === 'ok') return { wrote: result.wrote };
  const owner = result.object.metadata.labels?.['spillway.dev/pool-uid'];
  const predecessor = owner !== undefined && owner !== pool.metadata.uid;
  return {
    wrote: false,
    fault: predecessor
      ? {
          reason: 'PredecessorNotGone',
          message: `${manifest.kind} ${name} is of an earlier pool of this name: the pool starts when it is gone (delete it, if it was left on purpose)`,
        }
      : {
          reason: 'ObjectNotOurs',
          message: `${manifest.kind} ${name} exists and is not Spillway's: rename the pool, or delete that object`,
        },
  };
}
