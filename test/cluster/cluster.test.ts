// What `make demo` and `make demo-down` rely on: a cluster heals, and its end leaves nothing.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { cgroupsLeft } from './cgroups.ts';
import { down, inside, status, up } from './cluster.ts';
import { pauseImage } from './image-names.ts';
import { findSupervisor, processes } from './inside.ts';
import { namesOf } from './names.ts';
import { run, until } from './run.ts';
import { hidden } from './supervisor.ts';
import { entries, holdNamespaces, linkNames, namespaceOf, ownProcesses, traces } from './traces.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const names = namesOf('tool', 2);
after(() => down(names.name));

const mentions = (): number[] =>
  processes()
    .filter(({ args }) => args.some((arg) => arg.includes(names.folder)))
    .map(({ pid }) => pid);

/** On each node, so that each has a container, with the network and the mounts that belong to it. */
async function runPods(): Promise<void> {
  const items = names.nodes.map(({ name }) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `on-${name}`, namespace: 'default' },
    spec: {
      nodeName: name,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'pause', image: pauseImage, imagePullPolicy: 'Never' }],
    },
  }));
  await kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await kubectl(['wait', 'pods', '--all', '--for=condition=Ready', '--timeout=120s']);
}

async function kubectl(args: string[], input?: string): Promise<string> {
  const options = input === undefined ? {} : { input };
  const { code, stdout, stderr } = await inside(names, ['kubectl', ...args], options);
  assert.equal(code, 0, stderr);
  return stdout;
}

test('A cluster of two nodes heals what is killed, and its end leaves nothing', {
  skip,
}, async () => {
  const entriesBefore = hidden.map((folder) => new Set(entries(folder)));
  await up(names.name, { nodes: 2, images: ['pause'] });
  assert.match(await status(names.name), /up and well/);
  const nodes = await inside(names, ['kubectl', 'get', 'nodes', '--output=name']);
  assert.deepEqual(nodes.stdout.trim().split('\n'), ['node/node0', 'node/node1']);
  await runPods();

  const before = findSupervisor(names)?.pid ?? 0;
  const kubelet = processes().find(({ args }) =>
    args.includes(`--root-dir=${names.nodes[0]?.folder}/kubelet`),
  );
  assert.ok(kubelet);
  process.kill(kubelet.pid, 'SIGKILL');
  await up(names.name, { nodes: 2, images: ['pause'] });
  assert.match(await status(names.name), /up and well/);
  assert.equal(findSupervisor(names)?.pid, before);

  // What there is to be left: each of these would be seen below, if it were.
  const own = ownProcesses(names);
  const isContainer = ({ pid }: { pid: number }) =>
    readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`/${names.cgroup}/`);
  const containers = own.filter(isContainer);
  assert.equal(containers.filter(({ args }) => args.includes('infinity')).length, 4);
  for (const { pid } of containers) {
    for (const kind of ['net', 'mnt', 'pid'] as const) {
      assert.notEqual(namespaceOf(pid, kind), namespaceOf(before, kind), `${kind} of ${pid}`);
    }
  }
  assert.equal(own.filter(({ args }) => args[0]?.includes('containerd-shim')).length, 2);
  const networks = entries('/run/netns', before);
  assert.equal(networks.filter((name) => name.startsWith('cni-')).length, 2);
  const links = linkNames((await inside(names, ['ip', '-o', 'link'])).stdout);
  const devices = links.filter((name) => name.startsWith('veth'));
  assert.equal(devices.length, 2, links.join(', '));
  const made = hidden.map((folder) => entries(folder, before));
  const mountsBefore = readFileSync('/proc/self/mounts', 'utf8');
  const held = holdNamespaces(own);
  // A stranger in the network of a pod, of whom no command line and no environment tells: it shows that one is seen.
  const network = `--net=/proc/${containers[0]?.pid}/ns/net`;
  const stranger = spawn('nsenter', [network, 'sleep', '600'], { env: { PATH: process.env.PATH } });
  const ended = new Promise((resolve) => stranger.once('exit', resolve));
  try {
    await until('the stranger is there', 20, () =>
      held.names.has(String(namespaceOf(stranger.pid ?? 0, 'net'))),
    );
    await down(names.name);
    const found = traces(names, held);
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0] ?? '', new RegExp(`^process ${stranger.pid} .* is in net:`));
    stranger.kill('SIGKILL');
    await ended;
    assert.deepEqual(traces(names, held), []);
  } finally {
    stranger.kill('SIGKILL');
    held.release();
  }
  assert.deepEqual(mentions(), []);
  assert.deepEqual(ownProcesses(names), []);
  assert.deepEqual(cgroupsLeft(names.cgroup), []);
  assert.equal(existsSync(names.folder), false);
  assert.equal(readFileSync('/proc/self/mounts', 'utf8'), mountsBefore);
  // Those inside went with their namespaces; this is the network that the cluster was started from.
  const outside = linkNames(await run(['ip', '-o', 'link']));
  assert.deepEqual(
    devices.filter((name) => outside.includes(name)),
    [],
  );
  assert.deepEqual(
    entries('/run/netns').filter((name) => networks.includes(name)),
    [],
  );
  // Daemons write to these folders whatever they are told.
  for (const [at, folder] of hidden.entries()) {
    const now = entries(folder).filter((name) => !entriesBefore[at]?.has(name));
    assert.deepEqual(
      now.filter((name) => made[at]?.includes(name)),
      [],
      folder,
    );
  }
  assert.equal(
    readdirSync('/run').some((name) => name.includes('containerd-node')),
    false,
  );
  assert.equal(await status(names.name), 'The cluster "tool" is down');
});

test('A cluster whose first process was killed is started anew', { skip }, async () => {
  await up(names.name, { images: [] });
  const first = findSupervisor(names)?.pid ?? 0;
  process.kill(first, 'SIGKILL');
  await up(names.name, { images: [] });
  assert.match(await status(names.name), /up and well/);
  assert.notEqual(findSupervisor(names)?.pid, first);
});
