// A container of a pooler pod: one for each process. Any image with PgBouncer in its PATH does; there is no shell in play.
import { isShared } from '../../../api/workload.ts';
import { fileKey, holderName, SHARED_PATH_EPOCH, sharedHolder } from '../names.ts';
import {
  CONFIG_DIRECTORY,
  containerName,
  LISTEN_PORT,
  PORT_NAME,
  PRE_STOP_SECONDS,
} from '../paths.ts';
import type { PoolView } from '../view.ts';
import { mounts } from './volumes.ts';

export function container(view: PoolView, process = 0) {
  const { identity, spec, settings, epoch } = view;
  const { pooler } = spec;
  return {
    name: containerName(process),
    image: pooler.image ?? settings.poolerImage,
    imagePullPolicy: pooler.imagePullPolicy,
    command: ['pgbouncer'],
    // Kubernetes puts the pod's name in. Uid and epoch make a kubelet that still serves an old ConfigMap to
    // a pod that was re-created fail to find the file, instead of running with a cap that is given away.
    ...(isShared(spec)
      ? { args: [pathOf(sharedHolder(identity.name), identity.uid, SHARED_PATH_EPOCH)] }
      : {
          args: [pathOf(holderName('$(POD_NAME)', process), identity.uid, epoch)],
          env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
        }),
    // All processes of a pod listen on one port, which has its name once.
    ...(process === 0
      ? { ports: [{ name: PORT_NAME, containerPort: LISTEN_PORT, protocol: 'TCP' }] }
      : {}),
    resources: pooler.resources,
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
    },
    ...probes(process === 0 ? PORT_NAME : LISTEN_PORT),
    lifecycle: { preStop: { sleep: { seconds: PRE_STOP_SECONDS } } },
    volumeMounts: mounts(view),
  };
}

function pathOf(holder: string, poolUid: string, epoch: number): string {
  return `${CONFIG_DIRECTORY}/${fileKey(holder, poolUid, epoch)}`;
}

/**
 * All probes ask whether PgBouncer accepts connections, and nothing about Postgres: while a Postgres
 * switches over, queries wait in the pooler, which must then be neither restarted nor taken out of the
 * Service. A pooler at its client limit still accepts (and then refuses in words), so load fails none. Where a pod has
 * several processes any of them may answer for another; one that ends is started again all the same.
 */
function probes(port: string | number) {
  const tcpSocket = { port };
  return {
    // It listens within milliseconds; half a minute covers a slow node. Asked every second, so that a new
    // pod serves at once.
    startupProbe: { tcpSocket, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 30 },
    // Two misses, 10 s: a dead process is out of the Service soon, one lost packet takes nobody out.
    readinessProbe: { tcpSocket, periodSeconds: 5, timeoutSeconds: 2, failureThreshold: 2 },
    // The kernel answers for a process that hangs until the backlog is full, so a miss means a real hang;
    // but a restart drops every transaction in flight: only after a minute.
    livenessProbe: { tcpSocket, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
  };
}
