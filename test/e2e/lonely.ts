// The second node of the cluster, to which only pods come that ask for it: tests stop it as a whole, and nobody else
// notices.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { amongDaemons, findSupervisor, processes } from '../cluster/inside.ts';
import { type NodeNames, namesOf } from '../cluster/names.ts';
import { run } from '../cluster/run.ts';
import { lonelyTaint } from '../cluster/suite.ts';
import type { Pod, Scene } from './scene.ts';

const names = namesOf(process.env.SPILLWAY_TEST_CLUSTER?.split('-').at(-1) || 'demo', 2);
const node = names.nodes[1] as NodeNames;

/** For `spec.pooler` of a pool: of its two pods one is on each node. */
export function onBothNodes(pool: string) {
  const matchLabels = { 'app.kubernetes.io/instance': pool };
  const apart = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels } };
  return {
    tolerations: [{ key: lonelyTaint, operator: 'Exists' }],
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [apart] } },
  };
}

/** The pod of such a pool that is on the second node. */
export async function lonelyPod(scene: Scene, pool: string): Promise<Pod> {
  const pods = await scene.pods(pool);
  const found = pods.find(({ spec }) => (spec as { nodeName?: string }).nodeName === node.name);
  if (found === undefined) throw new Error(`no pod of ${pool} is on ${node.name}`);
  return found;
}

/** Volumes of the node's pods stay as they are, and nobody says how its pods are. Returns what lets it go on. */
export function stopKubelet(): () => void {
  const kubelet = processes().filter(({ args }) =>
    args.includes(`--root-dir=${node.folder}/kubelet`),
  );
  return stop(kubelet.map(({ pid }) => pid));
}

/** Nothing in its pods runs; the connections that they have stay. Returns what lets them go on. */
export function stopPods(): () => void {
  return stop(
    processes()
      .map(({ pid }) => pid)
      .filter((pid) => cgroupOf(pid).includes(`/${node.cgroup}/`)),
  );
}

function stop(pids: readonly number[]): () => void {
  if (pids.length === 0) throw new Error(`nothing was found on ${node.name}`);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  let stopped = true;
  return () => {
    if (!stopped) return;
    stopped = false;
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  };
}

/** Writes into a file of a pod's Secret volume, as the pod sees it, whatever the Secret says. */
export async function overwrite(
  pod: Pod,
  volume: string,
  file: string,
  text: string,
): Promise<void> {
  const pid = findSupervisor(names)?.pid ?? 0;
  const folder = join(node.folder, 'kubelet', 'pods', pod.metadata.uid ?? '', 'volumes');
  const path = join(folder, 'kubernetes.io~secret', volume, file);
  // Not a new file: its place is a link, and its owner and its mode are to stay.
  const write = ['sh', '-c', 'test -e "$1" && cat > "$1"', 'sh', path];
  await run(amongDaemons(pid, write), { input: text });
}

function cgroupOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return '';
  }
}
