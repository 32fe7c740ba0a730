// Labels, the selector and the owner of a pool's objects, and the way back from an object to its pool.
import { API_VERSION } from '../../api/resources.ts';
import type { PoolIdentity } from './view.ts';

export const POOL_LABEL = 'spillway.dev/pool';
export const POOL_UID_LABEL = 'spillway.dev/pool-uid';
export const COMPONENT_LABEL = 'app.kubernetes.io/component';
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';
export const POOL_KIND = 'ConnectionPool';

/**
 * Written on live pods by reconcile, never in the template: its change makes the kubelet refresh the
 * volumes at once. In the template it would be a new revision, and the pods would have to go.
 */
export const TOUCHED_ANNOTATION = 'spillway.dev/touched';

/** On pods and in their template: pods whose mark differs from the template's have to be replaced. */
export const TEMPLATE_ANNOTATION = 'spillway.dev/template';

/**
 * On pods: 'true' leads clients to it, 'false' while it is drained. In the pod template and in the client Service's
 * selector, never in another: who is drained still answers its peers and the operator. Its value on a live pod is
 * written by reconcile, which also gives it to pods that were made without it.
 */
export const SERVING_LABEL = 'spillway.dev/serving';

/** On pods that are drained: since when, RFC 3339. */
export const DRAINING_ANNOTATION = 'spillway.dev/draining-since';

/**
 * On the ConfigMap: the newest epoch that it was written with, also when no file carries it any more. Written with the
 * files, in one write: while it stands, no grant of an older generation becomes a file again.
 */
export const EPOCH_ANNOTATION = 'spillway.dev/epoch';

export type Labels = Readonly<Record<string, string>>;

/** Labels of every object of the pool. A pool's name has at most 45 characters, a label may have 63. */
export function labelsOf(pool: PoolIdentity): Labels {
  return {
    [COMPONENT_LABEL]: 'pooler',
    'app.kubernetes.io/instance': pool.name,
    [MANAGED_BY_LABEL]: 'spillway',
    'app.kubernetes.io/name': 'spillway-pooler',
    [POOL_LABEL]: pool.name,
    [POOL_UID_LABEL]: pool.uid,
  };
}

/**
 * Selects the pool's pods and no other. By uid, because pods of a deleted pool may live on for minutes
 * under the same names: they must not serve the clients of its successor. By component too, so that
 * other pods may carry the uid later. It must never change: a StatefulSet's selector is immutable.
 */
export function selectorOf(pool: PoolIdentity): Labels {
  return { [COMPONENT_LABEL]: 'pooler', [POOL_UID_LABEL]: pool.uid };
}

/** The selector as autoscalers read it in `status.selector`. */
export function selectorText(pool: PoolIdentity): string {
  return Object.entries(selectorOf(pool))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller: true;
  readonly blockOwnerDeletion: true;
}

export function ownerOf(pool: PoolIdentity): OwnerReference {
  return {
    apiVersion: API_VERSION,
    kind: POOL_KIND,
    name: pool.name,
    uid: pool.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** As much of an object's metadata as it takes to know whose it is. */
export interface OwnedMetadata {
  readonly namespace?: string | undefined;
  readonly labels?: Labels | undefined;
  readonly ownerReferences?:
    | readonly {
        readonly apiVersion?: string;
        readonly kind?: string;
        readonly name?: string;
        readonly uid?: string;
        readonly controller?: boolean;
      }[]
    | undefined;
}

/**
 * Which pool an object wakes, as `namespace/name`: by the owner, or by the labels for pods, whose owner
 * is the StatefulSet. Undefined when it is not of Spillway.
 */
export function poolKeyOf(metadata: OwnedMetadata): string | undefined {
  const name = controllerOf(metadata)?.name ?? metadata.labels?.[POOL_LABEL];
  if (name === undefined || name === '' || metadata.namespace === undefined) return undefined;
  return `${metadata.namespace}/${name}`;
}

/** Whether the pool of this very uid controls the object. Anything else is not ours to change. */
export function isOwnedBy(metadata: OwnedMetadata, pool: PoolIdentity): boolean {
  return controllerOf(metadata)?.uid === pool.uid;
}

function controllerOf(metadata: OwnedMetadata) {
  return metadata.ownerReferences?.find(
    (owner) =>
      owner.controller === true &&
      owner.kind === POOL_KIND &&
      owner.apiVersion?.startsWith('spillway.dev/') === true,
  );
}
