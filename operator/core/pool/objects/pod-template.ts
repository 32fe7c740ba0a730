// The template of the pooler pods: Pod Security "restricted", no token, a read-only file system.
import { labelsOf, selectorOf } from '../labels.ts';
import { sortedKeys } from '../manifest.ts';
import { namesOf } from '../names.ts';
import { containerName } from '../paths.ts';
import type { PoolView } from '../view.ts';
import { container } from './container.ts';
import { volumes } from './volumes.ts';

/** A user that owns nothing, by number, so that the kubelet can tell it is not root whatever the image says. */
const NOBODY = 65532;

export function podTemplate(view: PoolView) {
  const { identity, spec } = view;
  const { pooler } = spec;
  return {
    metadata: {
      // Ours win: the selector and the way back to the pool depend on them.
      labels: sortedKeys({ ...pooler.podLabels, ...labelsOf(identity) }),
      annotations: sortedKeys({
        'kubectl.kubernetes.io/default-container': containerName(),
        ...pooler.podAnnotations,
      }),
    },
    spec: {
      serviceAccountName: namesOf(identity.name).serviceAccount,
      automountServiceAccountToken: false,
      // One variable for each Service of the namespace is of no use, and slows the start down.
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: NOBODY,
        runAsGroup: NOBODY,
        // The group of the mounted Secrets, which are readable by their group only.
        fsGroup: NOBODY,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      terminationGracePeriodSeconds: pooler.terminationGracePeriodSeconds,
      // Preferred, not required: a small cluster, or one without zones, must still run the pool.
      topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map(
        (topologyKey) => ({
          maxSkew: 1,
          topologyKey,
          whenUnsatisfiable: 'ScheduleAnyway',
          labelSelector: { matchLabels: selectorOf(identity) },
        }),
      ),
      containers: Array.from({ length: view.processes }, (_, process) => container(view, process)),
      volumes: volumes(view),
      imagePullSecrets: nonEmpty(pooler.imagePullSecrets),
      nodeSelector: pooler.nodeSelector,
      tolerations: nonEmpty(pooler.tolerations),
      affinity: pooler.affinity,
      priorityClassName: pooler.priorityClassName,
    },
  };
}

function nonEmpty<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}
