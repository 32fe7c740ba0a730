// The NetworkPolicy of the pooler pods: in on the pooler's port; out to DNS, Postgres and the peers.
import { selectorOf } from '../labels.ts';
import { canonical, type Json, type Manifest, metadataOf } from '../manifest.ts';
import { namesOf } from '../names.ts';
import { LISTEN_PORT } from '../paths.ts';
import type { PoolView } from '../view.ts';

const tcp = (port: number) => ({ protocol: 'TCP', port });
const udp = (port: number) => ({ protocol: 'UDP', port });

export function networkPolicy(view: PoolView): Manifest {
  const { identity } = view;
  const selector = { ...selectorOf(identity) };
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadataOf(identity, namesOf(identity.name).networkPolicy),
    spec: {
      podSelector: { matchLabels: selector },
      policyTypes: ['Egress', 'Ingress'],
      // From anywhere: clients may come through a load balancer, and the operator's console, the peers
      // and the kubelet's probes use the same port. Who may do what is for PgBouncer's login to say.
      ingress: [{ ports: [tcp(LISTEN_PORT)] }],
      egress: [
        // Rules apply to the address behind a Service, where DNS servers also listen on 5353 (OpenShift).
        { ports: [udp(53), tcp(53), udp(5353), tcp(5353)] },
        postgresRule(view),
        { ports: [tcp(LISTEN_PORT)], to: [{ podSelector: { matchLabels: selector } }] },
      ],
    },
  };
}

/** To the Postgres pods where labels tell them; else, a name outside of the cluster, to any address. */
function postgresRule({ identity, spec, server }: PoolView): Json {
  // Where a Service leads to another port, it is the pod's that counts.
  const ports = (server.podPorts ?? [server.port]).map(tcp);
  if (server.podSelector === undefined) return { ports };
  const namespace = spec.postgres.clusterRef?.namespace ?? identity.namespace;
  return {
    ports,
    to: [
      {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        podSelector: { matchLabels: canonical(server.podSelector) },
      },
    ],
  };
}
