// The PodDisruptionBudget: a node drain takes one pooler pod at a time.
import { selectorOf } from '../labels.ts';
import { type Manifest, metadataOf } from '../manifest.ts';
import { namesOf } from '../names.ts';
import type { PoolView } from '../view.ts';

export function disruptionBudget({ identity, paused = false }: PoolView): Manifest {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: metadataOf(identity, namesOf(identity.name).disruptionBudget),
    spec: {
      // maxUnavailable, not minAvailable: with one replica the latter would block every drain for ever.
      // Clients that wait in a paused pod cannot be drained: a node drain waits for the end of the pause.
      maxUnavailable: paused ? 0 : 1,
      // A pod that serves nobody must not keep a node from being emptied.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: { matchLabels: { ...selectorOf(identity) } },
    },
  };
}
