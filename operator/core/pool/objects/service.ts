// The Service that applications connect to: it has the name of the pool.
import { isShared } from '../../../api/workload.ts';
import { SERVING_LABEL, selectorOf } from '../labels.ts';
import { type Manifest, metadataOf, sortedKeys } from '../manifest.ts';
import { namesOf } from '../names.ts';
import { PORT_NAME } from '../paths.ts';
import type { PoolView } from '../view.ts';

export function service({ identity, spec }: PoolView): Manifest {
  const { type, port, annotations } = spec.pooler.service;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(identity, namesOf(identity.name).clientService, annotations),
    spec: {
      type,
      selector: sortedKeys({ ...selectorOf(identity), [SERVING_LABEL]: 'true' }),
      // Pods of a Deployment pass no cancels on to each other: those of a client go where its queries are.
      ...(isShared(spec) ? { sessionAffinity: 'ClientIP' } : {}),
      // The protocol is a key of the list in server-side apply and so must be said.
      ports: [{ name: PORT_NAME, port, protocol: 'TCP', targetPort: PORT_NAME }],
    },
  };
}
