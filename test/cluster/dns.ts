// The cluster's name server: CoreDNS as a daemon on the first node, behind the service address that
// every pod has in its resolv.conf.

import { services } from './components.ts';
import { api } from './names.ts';

export function corefile(kubeconfig: string): string {
  return `cluster.local:53 in-addr.arpa:53 {
  bind ${api.address}
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig "${kubeconfig}" context
    ttl 5
  }
}
# Nothing outside the cluster can be reached, so nothing outside has a name.
.:53 {
  bind ${api.address}
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`;
}

/** A service without a selector, and the endpoint that it leads to. */
export const dnsObjects: object[] = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kube-dns', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } },
    spec: {
      clusterIP: services.dns,
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: 'kube-dns-node',
      namespace: 'kube-system',
      labels: { 'kubernetes.io/service-name': 'kube-dns' },
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: [api.address] }],
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ],
  },
];
