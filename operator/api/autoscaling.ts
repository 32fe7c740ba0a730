// spec.pooler.autoscaling: a HorizontalPodAutoscaler that scales the pool.
import * as z from 'zod';
import { described, fields, ruled } from './meta.ts';

const pods = () => z.int().min(1).max(100);

export const autoscaling = ruled(
  fields({
    minReplicas: described(pods().default(2), 'Fewest pods.'),
    maxReplicas: described(
      pods(),
      'Most pods. The budget is divided over them, so each needs a connection for each database (or user).',
    ),
    targetCPUUtilizationPercentage: described(
      z.int().min(1).max(1000).default(70),
      "Mean use of CPU that is aimed at, in percent of the pods' CPU request.",
    ),
    scaleDownStabilizationSeconds: described(
      z.int().min(0).max(3600).default(300),
      'A pod goes only when so many seconds long fewer would have done: each pod that goes makes its clients connect anew.',
    ),
  }),
  {
    cel: 'self.minReplicas <= self.maxReplicas',
    holds: ({ minReplicas, maxReplicas }) => minReplicas <= maxReplicas,
    message:
      'pooler.autoscaling.minReplicas must not be greater than maxReplicas: lower it or raise maxReplicas',
    at: '.minReplicas',
  },
);
export type Autoscaling = z.output<typeof autoscaling>;
