// All objects of one pool, in the order in which they are applied.
import { type Engine, EngineError } from '../../engines/engine.ts';
import { hashOf, type Manifest } from './manifest.ts';
import { namesOf } from './names.ts';
import { autoscaler } from './objects/autoscaler.ts';
import { bindingFault, bindingSecrets } from './objects/binding-secret.ts';
import { configMap } from './objects/config-map.ts';
import { consoleSecret } from './objects/console-secret.ts';
import { deployment } from './objects/deployment.ts';
import { disruptionBudget } from './objects/disruption-budget.ts';
import { headlessService } from './objects/headless-service.ts';
import { networkPolicy } from './objects/network-policy.ts';
import { service } from './objects/service.ts';
import { serviceAccount } from './objects/service-account.ts';
import { statefulSet } from './objects/stateful-set.ts';
import { userListSecret } from './objects/user-list-secret.ts';
import { RenderError } from './render-error.ts';
import type { Fault, PoolView } from './view.ts';

export type RenderedId =
  | 'serviceAccount'
  | 'consoleSecret'
  | 'networkPolicy'
  | 'headlessService'
  | 'service'
  | 'disruptionBudget'
  | 'autoscaler'
  | 'configMap'
  | 'userListSecret'
  | 'statefulSet'
  | 'deployment'
  | `bindingSecret/${string}`;

export interface Rendered {
  /** Stable: of one pool, one object has it for ever. */
  readonly id: RenderedId;
  readonly manifest: Manifest;
  /**
   * Says how many connections may be opened (files, replicas). To be written only against the
   * resourceVersion that was read, so that a stale leader's late write fails.
   */
  readonly capacity: boolean;
  /** Of the manifest's bytes; see `hashOf`. */
  readonly hash: string;
}

/** An object that the pool has only with some specs, and that goes when the spec asks for it no more. */
export interface Unwanted {
  readonly id: RenderedId;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

type Renderer = (view: PoolView, engine: Engine) => Manifest | undefined;

interface Traits {
  /** See `Rendered.capacity`. */
  readonly capacity: boolean;
  /** Of an optional object: its kind and name, by which it is found when it is not wanted. */
  readonly optional?: { readonly kind: string; readonly name: (pool: string) => string };
}

/**
 * In the order of application. What a pod needs is there before the pod; the files come before the user
 * list, so that a user whom no file bounds yet cannot log in; the workload comes last: which of the two, is for the spec to say.
 */
const renderers: readonly (readonly [RenderedId, Renderer, Traits])[] = [
  ['serviceAccount', serviceAccount, { capacity: false }],
  ['consoleSecret', consoleSecret, { capacity: false }],
  ['networkPolicy', networkPolicy, { capacity: false }],
  ['headlessService', headlessService, { capacity: false }],
  ['service', service, { capacity: false }],
  ['disruptionBudget', disruptionBudget, { capacity: false }],
  [
    'autoscaler',
    autoscaler,
    {
      capacity: false,
      optional: { kind: 'HorizontalPodAutoscaler', name: (pool) => namesOf(pool).autoscaler },
    },
  ],
  ['configMap', configMap, { capacity: true }],
  ['userListSecret', userListSecret, { capacity: false }],
  ['statefulSet', statefulSet, { capacity: true }],
  ['deployment', deployment, { capacity: true }],
];

export type RenderResult =
  | {
      readonly ok: true;
      readonly objects: readonly Rendered[];
      /** The Secrets for applications. The pool runs without them, so that one in the way stops nothing. */
      readonly bindings: readonly Rendered[];
      /** Why one of them cannot be made. */
      readonly bindingFault: Fault | undefined;
      /** To be deleted where they are there and controlled by this very pool. */
      readonly unwanted: readonly Unwanted[];
    }
  | { readonly ok: false; readonly fault: Fault };

/**
 * All or nothing: when one object must not be written (a value that PgBouncer would refuse, a file that
 * is too long), none is, and the pods keep what they had.
 */
export function renderPool(view: PoolView, engine: Engine): RenderResult {
  try {
    const objects: Rendered[] = [];
    const unwanted: Unwanted[] = [];
    const { namespace, name } = view.identity;
    for (const [id, render, { capacity, optional }] of renderers) {
      const manifest = render(view, engine);
      if (manifest !== undefined) objects.push({ id, manifest, capacity, hash: hashOf(manifest) });
      else if (optional !== undefined) {
        unwanted.push({ id, kind: optional.kind, namespace, name: optional.name(name) });
      }
    }
    const bindings = bindingSecrets(view).map((manifest): Rendered => {
      const hash = hashOf(manifest);
      return { id: `bindingSecret/${manifest.metadata.name}`, manifest, capacity: false, hash };
    });
    return { ok: true, objects, bindings, bindingFault: bindingFault(view), unwanted };
  } catch (error) {
    if (error instanceof EngineError) {
      return { ok: false, fault: { reason: error.code, message: error.message } };
    }
    if (error instanceof RenderError) {
      return { ok: false, fault: { reason: error.reason, message: error.message } };
    }
    throw error;
  }
}
