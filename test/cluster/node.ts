// What runs on one node of the cluster: containerd and kubelet, with all they write in the node's
// own folder.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Authority } from './certificates.ts';
import { services } from './components.ts';
import { pauseImage } from './image-names.ts';
import type { NodeNames } from './names.ts';
import { bin } from './paths.ts';

export type NodeCommands = { containerd: string[]; kubelet: string[] };

/** Writes the node's configuration and returns its two command lines. */
export async function prepareNode(
  node: NodeNames,
  url: string,
  authority: Authority,
): Promise<NodeCommands> {
  const file = (name: string, content: string): string => {
    const path = join(node.folder, name);
    writeFileSync(path, content);
    return path;
  };
  const folder = (name: string): string => {
    const path = join(node.folder, name);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const kubeletFolder = folder('kubelet');
  const cni = folder('cni');
  writeFileSync(join(cni, 'pods.conflist'), JSON.stringify(podNetwork(node, folder('addresses'))));
  const containerdFile = file('containerd.toml', containerdConfig(node, cni, folder));
  const serving = await authority.server(node.name, [node.name, node.address]);
  const kubeconfig = await authority.kubeconfig(url, `system:node:${node.name}`, ['system:nodes']);
  const kubeletFile = file(
    'kubelet.json',
    JSON.stringify(
      kubeletConfig(node, {
        ca: authority.certificate,
        ...serving,
        logs: folder('logs'),
        plugins: folder('plugins'),
        resolvConf: file('resolv.conf', ''),
      }),
    ),
  );
  return {
    containerd: ['containerd', '--config', containerdFile],
    kubelet: [
      join(bin, 'kubelet'),
      `--config=${kubeletFile}`,
      `--kubeconfig=${kubeconfig}`,
      `--hostname-override=${node.name}`,
      `--node-ip=${node.address}`,
      `--root-dir=${kubeletFolder}`,
    ],
  };
}

// Each pod has a routed link of its own. A bridge would pass packets between pods beside the
// rules that make services, unless a kernel module is loaded that changes the machine's bridges too.
function podNetwork(node: NodeNames, addresses: string): object {
  return {
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      {
        type: 'ptp',
        ipMasq: false,
        ipam: {
          type: 'host-local',
          subnet: node.pods,
          dataDir: addresses,
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

function containerdConfig(node: NodeNames, cni: string, folder: (name: string) => string): string {
  const text = JSON.stringify;
  return `version = 2
root = ${text(folder('containerd'))}
state = ${text(`/run/containerd-${node.name}`)}
temp = ${text(folder('temporary'))}
[grpc]
address = ${text(node.socket)}
[plugins."io.containerd.internal.v1.opt"]
path = ${text(folder('opt'))}
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = ${text(pauseImage)}
# Lowering a process's score needs a capability that a machine may have taken from root.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = ${text(cni)}
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
`;
}

type KubeletFiles = {
  ca: string;
  key: string;
  certificate: string;
  logs: string;
  plugins: string;
  resolvConf: string;
};

function kubeletConfig(node: NodeNames, files: KubeletFiles): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: node.address,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: files.ca },
    },
    authorization: { mode: 'Webhook' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${node.cgroup}`,
    clusterDNS: [services.dns],
    clusterDomain: 'cluster.local',
    containerRuntimeEndpoint: `unix://${node.socket}`,
    // The disk is the machine's: how full it is says nothing about the cluster.
    evictionHard: {
      'memory.available': '50Mi',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
    },
    imageGCHighThresholdPercent: 100,
    failCgroupV1: false,
    failSwapOn: false,
    healthzPort: 0,
    oomScoreAdj: 0,
    podLogsDir: files.logs,
    // Name servers of the machine cannot be reached from here.
    resolvConf: files.resolvConf,
    tlsCertFile: files.certificate,
    tlsPrivateKeyFile: files.key,
    volumePluginDir: files.plugins,
  };
}
