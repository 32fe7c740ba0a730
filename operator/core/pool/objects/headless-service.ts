// The headless Service that gives each pod its DNS name, for peers and for the operator's console.
import { isShared } from '../../../api/workload.ts';
import { selectorOf } from '../labels.ts';
import { type Manifest, metadataOf } from '../manifest.ts';
import { namesOf } from '../names.ts';
import { LISTEN_PORT, PORT_NAME } from '../paths.ts';
import type { PoolView } from '../view.ts';

/** Undefined where pods have no names. */
export function headlessService({ identity, spec }: PoolView): Manifest | undefined {
  if (isShared(spec)) return undefined;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(identity, namesOf(identity.name).headlessService),
    spec: {
      clusterIP: 'None',
      // A pod that is starting or leaving still answers on its console and still gets cancel requests.
      publishNotReadyAddresses: true,
      selector: { ...selectorOf(identity) },
      ports: [{ name: PORT_NAME, port: LISTEN_PORT, protocol: 'TCP', targetPort: PORT_NAME }],
    },
  };
}
