// The volumes of a pooler pod and where they are mounted: files, user list, certificates. All read-only.
import { namesOf } from '../names.ts';
import { directories, SERVER_CA_KEY } from '../paths.ts';
import { serverTlsOf } from '../server-tls.ts';
import type { PoolView } from '../view.ts';

/** Octal 440: for the pod's group alone. JSON has no octal. */
const GROUP_READS = 0o440;
/** Octal 444: what is in a ConfigMap is no secret. */
const ALL_READ = 0o444;

export function volumes({ identity, spec, server }: PoolView) {
  const names = namesOf(identity.name);
  const { client } = spec.tls;
  const { ca } = serverTlsOf(spec, identity.namespace, server);
  return [
    { name: 'config', configMap: { name: names.configMap, defaultMode: ALL_READ } },
    { name: 'users', secret: { secretName: names.userListSecret, defaultMode: GROUP_READS } },
    ...(ca !== undefined
      ? [
          {
            name: 'server-tls',
            secret: {
              secretName: ca.name,
              defaultMode: GROUP_READS,
              // Only the certificate: the same Secret often holds the CA's private key.
              items: [{ key: ca.key, path: SERVER_CA_KEY }],
            },
          },
        ]
      : []),
    ...(client !== undefined
      ? [
          {
            name: 'client-tls',
            secret: {
              secretName: client.secretRef.name,
              defaultMode: GROUP_READS,
              items: ['tls.crt', 'tls.key'].map((key) => ({ key, path: key })),
            },
          },
        ]
      : []),
  ];
}

export function mounts({ identity, spec, server }: PoolView) {
  const { ca } = serverTlsOf(spec, identity.namespace, server);
  const mount = (name: string, mountPath: string) => ({ name, mountPath, readOnly: true });
  return [
    mount('config', directories.config),
    mount('users', directories.users),
    ...(ca !== undefined ? [mount('server-tls', directories.serverTls)] : []),
    ...(spec.tls.client !== undefined ? [mount('client-tls', directories.clientTls)] : []),
  ];
}
