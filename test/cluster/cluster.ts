// Starts and ends a whole cluster, in mount, network and process namespaces of its own. The process
// namespace is what makes an end certain: with its first process the kernel ends all others, the
// containers included, and with them go the mounts and the networks.

import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { cgroupsLeft, makeCgroup, removeCgroup } from './cgroups.ts';
import { services } from './components.ts';
import { dnsObjects } from './dns.ts';
import { loadImages } from './images.ts';
import {
  environment,
  findSupervisor,
  holders,
  inNetwork,
  isolated,
  resolution,
  supervisor,
  visitors,
} from './inside.ts';
import { withLock } from './lock.ts';
import { type Names, namesOf } from './names.ts';
import { attempt, type RunOptions, type RunResult, say, until } from './run.ts';
import { hidden } from './supervisor.ts';

export type UpOptions = {
  nodes?: number;
  /** Which of the project's images the nodes get, by short name (`pause`). They have to be built already. All unless given. */
  images?: readonly string[];
  /** The same for the nodes besides the first, where it is another. */
  imagesOfOthers?: readonly string[];
};

/** Brings the cluster `name` up, unless it is up and well. A broken one is made anew. */
export async function up(name: string, options: UpOptions = {}): Promise<void> {
  const nodes = options.nodes ?? 1;
  const names = namesOf(name, nodes);
  await withLock(names.lock, async () => {
    const running = findSupervisor(names);
    if (running?.nodes === nodes) {
      // The supervisor starts what was killed, which takes a moment.
      const heals = await until('the cluster is well', 60, () => healthy(names), 500).catch(
        () => false,
      );
      if (heals) return say(`The cluster "${name}" is up`);
      say(`The cluster "${name}" is broken: making it anew`);
    }
    await remove(names);
    say(`Starting the cluster "${name}"`);
    await start(names, options);
    say(`The cluster "${name}" is up`);
  });
}

/** Ends the cluster and removes all that it had on the machine. */
export async function down(name: string): Promise<void> {
  const names = namesOf(name, 1);
  await withLock(names.lock, () => remove(names));
}

async function start(names: Names, { images, imagesOfOthers = images }: UpOptions): Promise<void> {
  mkdirSync(names.logs, { recursive: true });
  for (const [name, text] of Object.entries(resolution)) {
    writeFileSync(join(names.folder, name), text);
  }
  for (const folder of hidden) mkdirSync(folder, { recursive: true });
  for (const node of names.nodes) makeCgroup(node.cgroup);
  const log = openSync(join(names.logs, 'supervisor.log'), 'a');
  const child = spawn(
    'unshare',
    [
      ...['--mount', '--propagation=private', '--net', '--pid', '--mount-proc', '--fork'],
      ...['--kill-child', '--', 'tini', '-g', '--', process.execPath, supervisor],
      ...[names.name, String(names.nodes.length)],
    ],
    {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...isolated },
    },
  );
  child.unref();
  const pid = await until('the supervisor runs', 20, () => {
    if (child.exitCode !== null)
      throw new Error(readFileSync(join(names.logs, 'supervisor.log'), 'utf8'));
    return findSupervisor(names)?.pid;
  });
  await Promise.all(
    names.nodes.map((node, index) => loadImages(pid, node, index === 0 ? images : imagesOfOthers)),
  );
  await until('the API server answers', 120, () => answers(names));
  await kubectl(names, ['apply', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: dnsObjects }),
  });
  await until('the nodes are ready', 120, () => healthy(names), 300);
}

/** Everything answers: the API server, each node, and DNS through the service address. */
async function healthy(names: Names): Promise<boolean> {
  const { stdout } = await inside(names, [
    'kubectl',
    'get',
    'nodes',
    '-o=jsonpath={range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}',
  ]);
  const ready = stdout.split('\n').filter((line) => line === 'True').length;
  if (ready < names.nodes.length) return false;
  const account = await inside(names, ['kubectl', 'get', 'serviceaccount', 'default']);
  if (account.code !== 0) return false;
  const resolved = await inside(names, ['getent', 'hosts', 'kubernetes.default.svc.cluster.local']);
  return resolved.stdout.includes(services.api);
}

async function answers(names: Names): Promise<boolean> {
  if (!existsSync(names.kubeconfig)) return false;
  return (await inside(names, ['kubectl', 'get', '--raw=/readyz'])).code === 0;
}

/** Runs `command` in the cluster's network with KUBECONFIG set. Throws when the cluster is not up. */
export async function inside(
  names: Names,
  command: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const pid = findSupervisor(names)?.pid;
  if (pid === undefined) throw new Error(`The cluster "${names.name}" is not up`);
  const env = { ...environment(names), ...options.env };
  return attempt(inNetwork(names, pid, command), { ...options, env });
}

async function kubectl(names: Names, args: string[], options: RunOptions): Promise<void> {
  const result = await inside(names, ['kubectl', ...args], options);
  if (result.code !== 0) throw new Error(result.stderr);
}

async function remove(names: Names): Promise<void> {
  const kill = (pid: number) => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It went by itself.
    }
  };
  const found = holders(names);
  if (found.length > 0 || existsSync(names.folder)) say(`Removing the cluster "${names.name}"`);
  await until(`the processes of the cluster "${names.name}" are gone`, 60, () => {
    const remaining = [...holders(names), ...visitors(names)];
    // Not `unshare` while it has a child: it ends by itself, once it has seen its child's end.
    const inner = remaining.filter(({ args }) => args[0] !== 'unshare');
    for (const { pid } of inner.length > 0 ? inner : remaining) kill(pid);
    return remaining.length === 0;
  });
  await removeCgroup(names.cgroup);
  rmSync(names.folder, { recursive: true, force: true, maxRetries: 5 });
  for (const folder of hidden) {
    try {
      rmdirSync(folder);
    } catch {
      // Not made by us, or in use by another cluster.
    }
  }
}

/** One line for people: whether the cluster is up, and how well. */
export async function status(name: string): Promise<string> {
  const running = findSupervisor(namesOf(name, 1));
  const names = namesOf(name, running?.nodes ?? 1);
  if (running === undefined) {
    const traces = [
      ...holders(names).map(({ pid }) => `process ${pid}`),
      ...cgroupsLeft(names.cgroup),
    ];
    if (existsSync(names.folder)) traces.push(names.folder);
    return `The cluster "${name}" is down${traces.length > 0 ? `, but left ${traces.join(', ')}` : ''}`;
  }
  const well = await healthy(names).catch(() => false);
  return `The cluster "${name}" is ${well ? 'up and well' : `up but not well: see ${names.logs}`}`;
}
