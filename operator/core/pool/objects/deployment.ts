// The Deployment of the pooler pods, where the pool asks for one: a pod that is lost is replaced at once, and all pods
// read the same file.
import { isShared } from '../../../api/workload.ts';
import { EPOCH_ANNOTATION, selectorOf, TEMPLATE_ANNOTATION } from '../labels.ts';
import { type Json, type Manifest, metadataOf } from '../manifest.ts';
import { namesOf } from '../names.ts';
import type { PoolView } from '../view.ts';
import { markedTemplate } from './stateful-set.ts';

/** Undefined where the pods are those of a StatefulSet. */
export function deployment(view: PoolView): Manifest | undefined {
  const { identity, replicas, epoch } = view;
  if (!isShared(view.spec)) return undefined;
  const template = markedTemplate(view);
  const paused = pausedOf(view, template);
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    // The ticket of the ledger, with which a raise that is planned from an older one fails; see core/ledger/bounded.ts.
    metadata: metadataOf(identity, namesOf(identity.name).deployment, {
      [EPOCH_ANNOTATION]: String(epoch),
    }),
    spec: {
      replicas,
      selector: { matchLabels: { ...selectorOf(identity) } },
      // How many pods there can be at once follows from it; see core/sizing/most-pods.ts.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      // Nobody rolls back to an old revision: the operator writes the one that is meant.
      revisionHistoryLimit: 2,
      ...(paused === undefined ? {} : { paused }),
      template,
    },
  };
}

/**
 * A new template brings as many pods again, so it is written paused, and waits until there is room for them; and while
 * clients wait in the pods, none is replaced. The Deployment goes on keeping its pods meanwhile. Undefined: nothing is
 * to be said, which the API server reads as false.
 */
function pausedOf({ rollout, paused }: PoolView, template: Json): boolean | undefined {
  const live = rollout?.live;
  if (rollout === undefined || live === undefined) return undefined;
  if (paused === true || live.template !== markOf(template)) return true;
  return live.paused ? !rollout.mayRoll : undefined;
}

function markOf(template: Json): string | undefined {
  const { metadata } = template as { metadata?: { annotations?: Record<string, string> } };
  return metadata?.annotations?.[TEMPLATE_ANNOTATION];
}
