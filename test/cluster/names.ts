// Everything about one cluster that follows from its name. Its addresses are the same in every
// cluster: each is in a network namespace of its own.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { clusters, repository } from './paths.ts';

export type Names = {
  name: string;
  /** All its files. */
  folder: string;
  /** The administrator's kubeconfig. */
  kubeconfig: string;
  logs: string;
  /** Below each cgroup hierarchy. */
  cgroup: string;
  /** Held while the cluster is started or stopped. */
  lock: string;
  nodes: NodeNames[];
};

export type NodeNames = {
  name: string;
  folder: string;
  address: string;
  pods: string;
  /** The containerd of this node: in the short path of a folder that only the cluster sees. */
  socket: string;
  cgroup: string;
};

const clone = createHash('sha256').update(repository).digest('hex').slice(0, 8);

export const api = { address: '10.99.0.1', port: 6443 };
export const podRange = '10.88.0.0/16';

/** The names of the cluster `name` with `nodes` nodes. */
export function namesOf(name: string, nodes: number): Names {
  if (!/^[a-z0-9]{1,12}$/.test(name)) {
    throw new Error(`"${name}" does not name a cluster: 1 to 12 lower-case letters and digits`);
  }
  const folder = join(clusters, name);
  const cgroup = `spillway-${clone}-${name}`;
  return {
    name,
    folder,
    kubeconfig: join(folder, 'pki', 'admin.kubeconfig'),
    logs: join(folder, 'log'),
    cgroup,
    lock: `${clone}-cluster-${name}`,
    nodes: Array.from({ length: nodes }, (_, index) => ({
      name: `node${index}`,
      folder: join(folder, `node${index}`),
      address: `10.99.0.${index + 1}`,
      pods: `10.88.${index}.0/24`,
      socket: `/run/containerd-node${index}.sock`,
      cgroup: `${cgroup}/node${index}`,
    })),
  };
}
