// The first program inside a cluster's namespaces: it sets up what is private there, starts the
// daemons, and starts again what ends. It is started by cluster.ts with the cluster's name and its
// number of nodes; when it ends, the kernel ends everything else in the namespaces.

import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { admin, makeAuthority } from './certificates.ts';
import * as components from './components.ts';
import { status } from './control-plane.ts';
import { corefile } from './dns.ts';
import { api, type Names, namesOf, podRange } from './names.ts';
import { prepareNode } from './node.ts';
import { bin } from './paths.ts';
import { run, sleep, until } from './run.ts';

const etcdPort = 2379;

/** Folders that the daemons write to whatever they are told: an empty one each, in memory. */
export const hidden = ['/run', '/var/log', '/var/lib/kubelet', '/var/lib/cni'];

// The kubelet wants these kernel settings, which hold for the whole machine. It finds them as it
// wants them in files of ours, and so leaves the machine's as they are.
const kernelSettings: Record<string, string> = {
  'kernel/keys/root_maxbytes': '25000000',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
};

async function mounts(names: Names): Promise<void> {
  // Volumes that the kubelet mounts have to reach the containers.
  await run(['mount', '--make-rshared', '/']);
  for (const folder of hidden) await run(['mount', '-t', 'tmpfs', 'tmpfs', folder]);
  mkdirSync('/run/kernel');
  for (const [name, value] of Object.entries(kernelSettings)) {
    const file = join('/run/kernel', name.replaceAll('/', '.'));
    writeFileSync(file, `${value}\n`);
    await run(['mount', '--bind', file, join('/proc/sys', name)]);
  }
  mkdirSync(join(names.folder, 'tmp'), { recursive: true });
}

async function network(names: Names): Promise<void> {
  await run(['ip', 'link', 'set', 'lo', 'up']);
  for (const { address } of names.nodes) {
    await run(['ip', 'address', 'add', `${address}/32`, 'dev', 'lo']);
  }
  // A service has no route of its own: kube-proxy's rules replace its address, but only once the
  // kernel believes that it knows the way.
  const { range } = components.services;
  await run(['ip', 'route', 'add', range, 'dev', 'lo', 'src', api.address]);
  // Everything outside is refused at once instead of after a timeout.
  await run(['ip', 'route', 'add', 'unreachable', 'default']);
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
}

/** Starts `command`, and again after a pause whenever it ends. Its output goes to a log file. */
function keepRunning(names: Names, name: string, command: readonly string[]): void {
  const [program = '', ...args] = command;
  const log = openSync(join(names.logs, `${name}.log`), 'a');
  const start = () => {
    const child = spawn(program, args, {
      cwd: names.folder,
      env: { ...process.env, TMPDIR: join(names.folder, 'tmp'), HOME: names.folder },
      stdio: ['ignore', log, log],
    });
    const again = () => setTimeout(start, 1000);
    child.once('error', again);
    child.once('exit', again);
  };
  start();
}

export async function main(names: Names): Promise<void> {
  mkdirSync(names.logs, { recursive: true });
  await mounts(names);
  await network(names);
  const url = `https://${api.address}:${api.port}`;
  const authority = await makeAuthority(join(names.folder, 'pki'));
  const certificate = await authority.server('kube-apiserver', [
    api.address,
    '127.0.0.1',
    components.services.api,
    'localhost',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
  ]);
  const kubeconfig = await authority.kubeconfig(url, admin.user, admin.groups);
  const asAdmin = await authority.client('kubelet-client', admin.groups);
  const keep = (name: string, command: readonly string[]) => keepRunning(names, name, command);

  keep(
    'etcd',
    components.etcd({
      program: join(bin, 'etcd'),
      data: join(names.folder, 'etcd'),
      clientPort: etcdPort,
      peerPort: etcdPort + 1,
    }),
  );
  keep(
    'kube-apiserver',
    components.apiServer({
      program: join(bin, 'kube-apiserver'),
      etcdPort,
      address: api.address,
      port: api.port,
      authority,
      certificate,
      more: [
        `--cert-dir=${names.folder}`,
        `--kubelet-client-certificate=${asAdmin.certificate}`,
        `--kubelet-client-key=${asAdmin.key}`,
        // Node names are in no DNS.
        '--kubelet-preferred-address-types=InternalIP',
      ],
    }),
  );
  const kubelets: (() => void)[] = [];
  for (const node of names.nodes) {
    const commands = await prepareNode(node, url, authority);
    keep(`containerd-${node.name}`, commands.containerd);
    kubelets.push(() => keep(`kubelet-${node.name}`, commands.kubelet));
  }
  const ca = readFileSync(authority.certificate);
  await until('the API server is ready', 120, async () => {
    return (await status(`${url}/readyz`, ca)) === 200;
  });
  keep(
    'kube-controller-manager',
    components.controllerManager({
      program: join(bin, 'kube-controller-manager'),
      kubeconfig,
      authority,
      more: [`--cluster-cidr=${podRange}`],
    }),
  );
  keep('kube-scheduler', [
    join(bin, 'kube-scheduler'),
    `--kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--secure-port=0',
  ]);
  keep('kube-proxy', [
    join(bin, 'kube-proxy'),
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${names.nodes[0]?.name}`,
    `--cluster-cidr=${podRange}`,
    '--proxy-mode=iptables',
    '--oom-score-adj=0',
    // The limits of connection tracking are the machine's.
    '--conntrack-max-per-core=0',
    '--conntrack-tcp-timeout-established=0',
    '--conntrack-tcp-timeout-close-wait=0',
  ]);
  const coreFile = join(names.folder, 'Corefile');
  writeFileSync(coreFile, corefile(kubeconfig));
  keep('coredns', [join(bin, 'coredns'), '-conf', coreFile]);
  for (const start of kubelets) start();
  // For ever: the daemons are watched by the handlers above.
  while (true) await sleep(3_600_000);
}

if (import.meta.main) {
  const [name = '', nodes = '1'] = process.argv.slice(2);
  await main(namesOf(name, Number(nodes)));
}
