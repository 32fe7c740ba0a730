// A real API server with its etcd and without a node, for tests of what the operator says to it.
// It needs no root; several can run at once; it dies with the process that started it.

import { existsSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { type Authority, admin, makeAuthority } from './certificates.ts';
import * as components from './components.ts';
import { accepting, type Daemon, dieWithParent, startDaemon } from './daemon.ts';
import { bin } from './paths.ts';
import { reservePort } from './ports.ts';
import { sleep } from './run.ts';
import { scratchFolder } from './scratch.ts';

export type ControlPlaneOptions = {
  /** Also run kube-controller-manager: garbage collection, StatefulSets, service accounts. */
  withControllers?: boolean;
  /** More flags for kube-apiserver. */
  apiServerFlags?: readonly string[];
};

export type ControlPlane = {
  url: string;
  /** The path of an administrator's kubeconfig. */
  kubeconfig: string;
  /**
   * The path of a kubeconfig for any user, whom RBAC alone gives rights. A service account is the
   * user `system:serviceaccount:<namespace>:<name>` (`serviceAccount` makes both arguments).
   */
  kubeconfigFor(user: string, groups?: readonly string[]): Promise<string>;
  /** The API server's process id, to measure it. */
  apiServerPid(): number;
  /** The API server hangs: connections open, and nothing is answered. */
  pauseApiServer(): void;
  resumeApiServer(): void;
  /** The API server is gone: connections are refused. */
  stopApiServer(): Promise<void>;
  /** Starts it again at the same address, and waits until it is ready. */
  startApiServer(): Promise<void>;
  /** What the API server has logged. */
  log(): string;
  stop(): Promise<void>;
};

const host = '127.0.0.1';

/** User and groups of a service account, for `kubeconfigFor(...serviceAccount('ns', 'name'))`. */
export function serviceAccount(namespace: string, name: string): [string, string[]] {
  return [
    `system:serviceaccount:${namespace}:${name}`,
    ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
  ];
}

/** The file of `program`: from KUBEBUILDER_ASSETS where it has it, else our own. */
function find(program: string): string {
  const assets = process.env.KUBEBUILDER_ASSETS;
  const found = [...(assets ? [join(assets, program)] : []), join(bin, program)].find(existsSync);
  if (found === undefined) {
    throw new Error(
      `${program} is missing: run \`make binaries\`, or set KUBEBUILDER_ASSETS to a folder that has it`,
    );
  }
  return found;
}

/** Starts etcd and kube-apiserver, and returns when the API server is ready. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const folder = scratchFolder();
  const running: Daemon[] = [];
  const start = (command: readonly string[]): Daemon => {
    const daemon = startDaemon(dieWithParent(command), { cwd: folder });
    running.push(daemon);
    return daemon;
  };
  const stop = async () => {
    // Nothing of it is kept, so nothing has to be put in order first.
    await Promise.all(running.map((daemon) => daemon.stop('SIGKILL')));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const [etcdPort, peerPort, port] = [
      await reservePort(),
      await reservePort(),
      await reservePort(),
    ];
    const store = start(
      components.etcd({
        program: find('etcd'),
        data: join(folder, 'etcd'),
        clientPort: etcdPort,
        peerPort,
      }),
    );
    const authority = await makeAuthority(join(folder, 'pki'));
    const command = components.apiServer({
      program: find('kube-apiserver'),
      etcdPort,
      address: host,
      port,
      authority,
      certificate: await authority.server('kube-apiserver', [host, 'localhost']),
      more: [
        // A loopback address cannot be an endpoint of the service `kubernetes`.
        '--endpoint-reconciler-type=none',
        `--cert-dir=${folder}`,
        ...(options.apiServerFlags ?? []),
      ],
    });
    const url = `https://${host}:${port}`;
    const kubeconfig = await authority.kubeconfig(url, admin.user, admin.groups);
    await accepting('etcd', store, etcdPort);
    let api: Daemon | undefined;
    const startApiServer = async () => {
      api = start(command);
      await ready(url, api, authority);
    };
    await startApiServer();
    if (options.withControllers === true) {
      start(
        components.controllerManager({
          program: find('kube-controller-manager'),
          kubeconfig,
          authority,
        }),
      );
    }
    return {
      url,
      kubeconfig,
      kubeconfigFor: (user, groups = []) => authority.kubeconfig(url, user, groups),
      apiServerPid: () => api?.pid ?? 0,
      pauseApiServer: () => api?.signal('SIGSTOP'),
      resumeApiServer: () => api?.signal('SIGCONT'),
      stopApiServer: async () => {
        await api?.stop('SIGKILL');
      },
      startApiServer,
      log: () => api?.log() ?? '',
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function ready(url: string, daemon: Daemon, authority: Authority): Promise<void> {
  let gone = false;
  void daemon.exited.then(() => {
    gone = true;
  });
  const ca = readFileSync(authority.certificate);
  const seconds = 60;
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
    if (gone) throw new Error(`kube-apiserver ended at its start:\n${daemon.log().slice(-4000)}`);
    if ((await status(`${url}/readyz`, ca)) === 200) return;
  }
  throw new Error(`kube-apiserver not ready after ${seconds} s:\n${daemon.log().slice(-4000)}`);
}

/** The HTTP status of `url`, or 0 when nothing answers. Anonymous users may ask for readiness. */
export function status(url: string, ca: Buffer): Promise<number> {
  return new Promise((resolve) => {
    const call = request(url, { ca, agent: false, timeout: 2000 }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.once('timeout', () => call.destroy());
    call.once('error', () => resolve(0));
    call.end();
  });
}
