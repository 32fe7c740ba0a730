// The cgroups of a cluster: one folder below the root of each hierarchy, for version 1 and 2.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { until } from './run.ts';

const top = '/sys/fs/cgroup';
const unified = existsSync(join(top, 'cgroup.controllers'));

/** The folders in which `cgroup` exists or would exist. */
function places(cgroup: string): string[] {
  if (unified) return [join(top, cgroup)];
  return readdirSync(top, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(top, entry.name, cgroup));
}

/** Makes `cgroup` (a path of one or more parts) with every controller that there is. */
export function makeCgroup(cgroup: string): void {
  const parts = cgroup.split('/');
  parts.forEach((_, index) => {
    const path = parts.slice(0, index + 1).join('/');
    for (const place of places(path)) {
      if (unified) delegate(join(place, '..'));
      mkdirSync(place, { recursive: true });
      inheritCpus(place);
    }
  });
  if (unified) delegate(join(top, cgroup));
}

// Version 2: a cgroup has the controllers that its parent hands down.
function delegate(parent: string): void {
  for (const controller of readFileSync(join(parent, 'cgroup.controllers'), 'utf8').split(/\s+/)) {
    if (controller === '') continue;
    try {
      writeFileSync(join(parent, 'cgroup.subtree_control'), `+${controller}`);
    } catch {
      // Not every controller can be handed down; the kubelet names those it misses.
    }
  }
}

// Version 1: a new cpuset is empty, and nothing can run in it or below.
function inheritCpus(place: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = join(place, file);
    if (unified || !existsSync(own) || readFileSync(own, 'utf8').trim() !== '') continue;
    writeFileSync(own, readFileSync(join(place, '..', file)));
  }
}

/** Removes `cgroup` and all below it; waits for processes in it that are just dying. */
export async function removeCgroup(cgroup: string): Promise<void> {
  for (const place of places(cgroup)) {
    await until(`the cgroup ${place} is empty`, 20, () => {
      removeTree(place);
      return true;
    });
  }
}

function removeTree(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name));
  }
  rmdirSync(folder);
}

export const cgroupsLeft = (cgroup: string): string[] => places(cgroup).filter(existsSync);
