// What a cluster has of the machine's kernel, for the test that nothing of it is left. Other clusters and daemons come and
// go meanwhile, so every trace is one that only this cluster can have left: nothing is known by a name that another may
// have, too.

import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { holders, type Process, processes } from './inside.ts';
import type { Names } from './names.ts';

/** The processes that hold the cluster, all that descend from them, and all in its cgroups. */
export function ownProcesses(names: Names): Process[] {
  const all = processes();
  const found = new Set([
    ...holders(names).map(({ pid }) => pid),
    ...all.filter(({ pid }) => read(pid, 'cgroup').includes(`/${names.cgroup}/`)).map((p) => p.pid),
  ]);
  const parents = new Map(all.map(({ pid }) => [pid, parentOf(pid)]));
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid);
  }
  return all.filter(({ pid }) => found.has(pid));
}

export type Held = {
  /** Like `net:[4026532201]`. */
  readonly names: ReadonlySet<string>;
  /** From here on the kernel may give their numbers to others. */
  release(): void;
};

/**
 * The namespaces of these processes that are not this one's, too. They are kept open, so that their numbers stay theirs
 * after their last process has ended: whoever is found in one later is in that very one.
 */
export function holdNamespaces(own: readonly Process[]): Held {
  // Whoever started the cluster shares with it what was not made for it.
  const shared = new Set(namespacesOf(process.pid).map(([, name]) => name));
  const open = new Map<string, number>();
  for (const { pid } of own) {
    for (const [kind, name] of namespacesOf(pid)) {
      if (shared.has(name) || open.has(name)) continue;
      const file = attempt(() => openSync(`/proc/${pid}/ns/${kind}`, 'r'));
      if (file !== undefined) open.set(name, file);
    }
  }
  return {
    names: new Set(open.keys()),
    release: () => {
      for (const file of open.values()) closeSync(file);
    },
  };
}

/** Who else is in one of the namespaces, or keeps one, or has a mount of the cluster's folder: a line each. */
export function traces(names: Names, held: Held): string[] {
  return processes().flatMap(({ pid, args }) => {
    const who = `process ${pid} (${args.join(' ').slice(0, 80)})`;
    const inside = namespacesOf(pid).filter(([, name]) => held.names.has(name));
    const kept =
      pid === process.pid ? [] : links(`/proc/${pid}/fd`).filter(([, l]) => held.names.has(l));
    const mounts = mountsOf(pid).filter(
      ({ root, line }) => held.names.has(root) || line.includes(`${names.folder}/`),
    );
    return [
      ...inside.map(([, name]) => `${who} is in ${name}`),
      ...kept.map(([, name]) => `${who} keeps ${name} open`),
      ...mounts.map(({ line }) => `${who} has the mount ${line}`),
    ];
  });
}

/** What is in a folder as the process sees it; nothing where there is no such folder. */
export function entries(folder: string, pid: number | 'self' = 'self'): string[] {
  return attempt(() => readdirSync(join(`/proc/${pid}/root`, folder))) ?? [];
}

export function namespaceOf(pid: number, kind: 'net' | 'mnt' | 'pid'): string | undefined {
  return attempt(() => readlinkSync(`/proc/${pid}/ns/${kind}`));
}

/** Of network devices, as `ip -o link` lists them, the names. */
export function linkNames(text: string): string[] {
  return [...text.matchAll(/^\d+: ([^:@\s]+)/gm)].map(([, name = '']) => name);
}

/** Of a process: kind and name of each namespace. Those for children to come are left out; they have nobody in them. */
function namespacesOf(pid: number): [string, string][] {
  return links(`/proc/${pid}/ns`).filter(([kind]) => !kind.endsWith('_for_children'));
}

function mountsOf(pid: number): { root: string; line: string }[] {
  return read(pid, 'mountinfo')
    .split('\n')
    .map((line) => ({ root: line.split(' ')[3] ?? '', line }));
}

function links(folder: string): [string, string][] {
  return (attempt(() => readdirSync(folder)) ?? []).flatMap((name): [string, string][] => {
    const target = attempt(() => readlinkSync(join(folder, name)));
    return target === undefined ? [] : [[name, target]];
  });
}

function parentOf(pid: number): number {
  const text = read(pid, 'stat');
  // The name in parentheses may hold blanks.
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
}

function read(pid: number, file: string): string {
  return attempt(() => readFileSync(`/proc/${pid}/${file}`, 'utf8')) ?? '';
}

/** A process ends between two looks. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
