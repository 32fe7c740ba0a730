// The StatefulSet of the pooler pods. Its pods have stable names, because a grant is held by name.

import { hash } from 'node:crypto';
import { isShared } from '../../../api/workload.ts';
import { SERVING_LABEL, selectorOf, TEMPLATE_ANNOTATION } from '../labels.ts';
import { canonical, type Json, type Manifest, metadataOf, sortedKeys } from '../manifest.ts';
import { fileKey, namesOf } from '../names.ts';
import type { PoolView } from '../view.ts';
import { podTemplate } from './pod-template.ts';

/** Undefined where the pods are those of a Deployment. */
export function statefulSet(view: PoolView): Manifest | undefined {
  const { identity, replicas } = view;
  if (isShared(view.spec)) return undefined;
  const names = namesOf(identity.name);
  const template = markedTemplate(view);
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadataOf(identity, names.statefulSet),
    spec: {
      replicas,
      serviceName: names.headlessService,
      selector: { matchLabels: { ...selectorOf(identity) } },
      // Pods do not wait for each other: one that cannot start must not keep the others away.
      podManagementPolicy: 'Parallel',
      // The operator drains and deletes pods itself, one at a time; the controller would just kill them.
      updateStrategy: { type: 'OnDelete' },
      // Nobody rolls back to an old revision: the operator writes the one that is meant.
      revisionHistoryLimit: 2,
      template,
    },
  };
}

/**
 * The template with a mark of what makes a pod outdated: everything but the epoch of its file path, which moves with
 * every lowering and which the running pods need not follow, and but the label that is written on live pods.
 */
export function markedTemplate(view: PoolView): Json {
  const template = podTemplate(view);
  const whole = canonical(template) as { readonly [key: string]: Json };
  // The path is the only place where the pool's uid has a file's ending behind it.
  const { uid } = view.identity;
  const steady = JSON.stringify(whole).replaceAll(
    fileKey('', uid, view.epoch),
    fileKey('', uid, 0),
  );
  const mark = hash('sha256', steady, 'hex').slice(0, 16);
  const { labels, annotations } = template.metadata;
  return {
    ...whole,
    metadata: {
      annotations: sortedKeys({ ...annotations, [TEMPLATE_ANNOTATION]: mark }),
      labels: sortedKeys({ ...labels, [SERVING_LABEL]: 'true' }),
    },
  };
}
