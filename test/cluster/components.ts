// The command lines of a cluster's control plane: the same for the API server that stands alone
// and for the one in a whole cluster.

import type { Authority, Certificate } from './certificates.ts';

/** From which service addresses are taken; the API server has the first, DNS the tenth. */
export const services = { range: '10.96.0.0/16', api: '10.96.0.1', dns: '10.96.0.10' };

export function etcd(options: {
  program: string;
  data: string;
  clientPort: number;
  peerPort: number;
}): string[] {
  const client = `http://127.0.0.1:${options.clientPort}`;
  const peer = `http://127.0.0.1:${options.peerPort}`;
  return [
    options.program,
    `--data-dir=${options.data}`,
    // The data dies with the cluster.
    '--unsafe-no-fsync',
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--log-level=warn',
  ];
}

export function apiServer(options: {
  program: string;
  etcdPort: number;
  address: string;
  port: number;
  authority: Authority;
  certificate: Certificate;
  more?: readonly string[];
}): string[] {
  const { authority, certificate } = options;
  return [
    options.program,
    `--etcd-servers=http://127.0.0.1:${options.etcdPort}`,
    `--bind-address=${options.address}`,
    `--advertise-address=${options.address}`,
    `--secure-port=${options.port}`,
    `--tls-cert-file=${certificate.certificate}`,
    `--tls-private-key-file=${certificate.key}`,
    `--client-ca-file=${authority.certificate}`,
    `--service-account-key-file=${authority.serviceAccountKey}`,
    `--service-account-signing-key-file=${authority.serviceAccountKey}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-cluster-ip-range=${services.range}`,
    '--authorization-mode=Node,RBAC',
    '--allow-privileged=true',
    ...(options.more ?? []),
  ];
}

export function controllerManager(options: {
  program: string;
  kubeconfig: string;
  authority: Authority;
  more?: readonly string[];
}): string[] {
  return [
    options.program,
    `--kubeconfig=${options.kubeconfig}`,
    `--service-account-private-key-file=${options.authority.serviceAccountKey}`,
    `--root-ca-file=${options.authority.certificate}`,
    '--use-service-account-credentials=true',
    '--leader-elect=false',
    // No port of its own: nobody reads its metrics.
    '--secure-port=0',
    ...(options.more ?? []),
  ];
}
