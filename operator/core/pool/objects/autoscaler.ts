// The HorizontalPodAutoscaler of a pool with spec.pooler.autoscaling. It scales the ConnectionPool, never the
// workload: how many pods there may be is for the ledger to say.
import { API_VERSION } from '../../../api/resources.ts';
import { POOL_KIND } from '../labels.ts';
import { type Manifest, metadataOf } from '../manifest.ts';
import { namesOf } from '../names.ts';
import type { PoolView } from '../view.ts';

/** A pod that goes moves its clients to the others: one a minute. */
const SCALE_DOWN_SECONDS = 60;

/** Undefined when the pool has none. */
export function autoscaler({ identity, spec }: PoolView): Manifest | undefined {
  const { autoscaling } = spec.pooler;
  if (autoscaling === undefined) return undefined;
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: metadataOf(identity, namesOf(identity.name).autoscaler),
    spec: {
      scaleTargetRef: { apiVersion: API_VERSION, kind: POOL_KIND, name: identity.name },
      minReplicas: autoscaling.minReplicas,
      maxReplicas: autoscaling.maxReplicas,
      metrics: [
        {
          type: 'Resource',
          resource: {
            name: 'cpu',
            target: {
              type: 'Utilization',
              averageUtilization: autoscaling.targetCPUUtilizationPercentage,
            },
          },
        },
      ],
      behavior: {
        scaleDown: {
          stabilizationWindowSeconds: autoscaling.scaleDownStabilizationSeconds,
          selectPolicy: 'Max',
          policies: [{ type: 'Pods', value: 1, periodSeconds: SCALE_DOWN_SECONDS }],
        },
      },
    },
  };
}
