// Finds a running cluster, and makes the commands that run something inside it.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { services } from './components.ts';
import type { Names } from './names.ts';
import { bin, repository } from './paths.ts';

export const supervisor = join(import.meta.dirname, 'supervisor.ts');

// By which a program in the cluster's network is known.
const variable = 'SPILLWAY_TEST_CLUSTER';

export type Process = { pid: number; args: string[] };

/** Every process of the machine that this one can see. */
export function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const args = read(`/proc/${name}/cmdline`)?.split('\0').slice(0, -1);
      return args === undefined ? [] : [{ pid: Number(name), args }];
    });
}

/**
 * The processes that hold the cluster: `unshare`, which made its namespaces, and the first two
 * inside. They are known by their command lines, so that no file has to be right for finding them.
 */
export function holders(names: Names): Process[] {
  return processes().filter(({ args }) => {
    const at = args.indexOf(supervisor);
    return at > 0 && args[at + 1] === names.name;
  });
}

/** The cluster's supervisor, once it is inside the namespaces. */
export function findSupervisor(names: Names): { pid: number; nodes: number } | undefined {
  const found = holders(names).find(({ args }) => args[1] === supervisor);
  return found && { pid: found.pid, nodes: Number(found.args[3]) };
}

/** Programs of the machine that were started in the cluster's network, and what they started. */
export function visitors(names: Names): Process[] {
  const mark = `${variable}=${names.lock}`;
  return processes()
    .filter(({ pid }) => pid !== process.pid && pid !== process.ppid)
    .filter(({ pid }) => read(`/proc/${pid}/environ`)?.split('\0').includes(mark));
}

/** `command` in all the namespaces of the cluster: it sees the daemons' sockets and mounts. */
export function amongDaemons(pid: number, command: readonly string[]): string[] {
  return ['nsenter', `--target=${pid}`, '--mount', '--net', '--pid', '--', ...command];
}

/** Files of the cluster that take the place of those of the same name in /etc. */
export const resolution = {
  'resolv.conf': `nameserver ${services.dns}\nsearch svc.cluster.local cluster.local\n`,
  // A machine may ask a name server of its own through a socket, whatever network one is in.
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
};

/**
 * `command` in the cluster's network, with the cluster's name server, and otherwise on the machine:
 * it can use its files and its other programs. The process keeps its id and its parent.
 */
export function inNetwork(names: Names, pid: number, command: readonly string[]): string[] {
  const mounts = Object.keys(resolution).map(
    (name) => `[ ! -e /etc/${name} ] || mount --bind "$1/${name}" /etc/${name}`,
  );
  const script = ['set -e', ...mounts, 'shift', 'exec "$@"'].join('\n');
  return [
    ...['nsenter', `--net=/proc/${pid}/ns/net`, '--', 'unshare', '--mount', '--'],
    ...['sh', '-c', script, 'sh', names.folder, ...command],
  ];
}

/** What a program inside finds in its environment. */
export function environment(names: Names): Record<string, string> {
  const node = join(repository, 'node_modules', '.bin');
  return {
    ...isolated,
    KUBECONFIG: names.kubeconfig,
    PATH: [bin, node, process.env.PATH ?? ''].join(':'),
    [variable]: names.lock,
  };
}

/** No proxy of the machine can be reached from inside, and none leads there. */
export const isolated = { NO_PROXY: '*', no_proxy: '*' };

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
