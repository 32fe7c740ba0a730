// The ServiceAccount of the pooler pods: an identity without any right and without a token.
import { type Manifest, metadataOf } from '../manifest.ts';
import { namesOf } from '../names.ts';
import type { PoolView } from '../view.ts';

export function serviceAccount({ identity }: PoolView): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metadataOf(identity, namesOf(identity.name).serviceAccount),
    automountServiceAccountToken: false,
  };
}
