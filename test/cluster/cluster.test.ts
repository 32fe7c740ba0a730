// What `make demo` and `make demo-down` rely on: a cluster heals, and its end leaves nothing.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { cgroupsLeft } from './cgroups.ts';
import { down, inside, status, up } from './cluster.ts';
import { findSupervisor, processes } from './inside.ts';
import { namesOf } from './names.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const names = namesOf('tool', 2);
after(() => down(names.name));

const mentions = (): number[] =>
  processes()
    .filter(({ args }) => args.some((arg) => arg.includes(names.folder)))
    .map(({ pid }) => pid);

test('A cluster of two nodes heals what is killed, and its end leaves nothing', {
  skip,
}, async () => {
  await up(names.name, { nodes: 2, withImages: false });
  assert.match(await status(names.name), /up and well/);
  const nodes = await inside(names, ['kubectl', 'get', 'nodes', '--output=name']);
  assert.deepEqual(nodes.stdout.trim().split('\n'), ['node/node0', 'node/node1']);

  const before = findSupervisor(names)?.pid;
  const kubelet = processes().find(({ args }) =>
    args.includes(`--root-dir=${names.nodes[0]?.folder}/kubelet`),
  );
  assert.ok(kubelet);
  process.kill(kubelet.pid, 'SIGKILL');
  await up(names.name, { nodes: 2, withImages: false });
  assert.match(await status(names.name), /up and well/);
  assert.equal(findSupervisor(names)?.pid, before);

  const mountsBefore = readFileSync('/proc/self/mounts', 'utf8');
  await down(names.name);
  assert.deepEqual(mentions(), []);
  assert.deepEqual(cgroupsLeft(names.cgroup), []);
  assert.equal(existsSync(names.folder), false);
  assert.equal(readFileSync('/proc/self/mounts', 'utf8'), mountsBefore);
  assert.equal(
    readdirSync('/run').some((name) => name.includes('containerd-node')),
    false,
  );
  assert.equal(await status(names.name), 'The cluster "tool" is down');
});

test('A cluster whose first process was killed is started anew', { skip }, async () => {
  await up(names.name, { withImages: false });
  const first = findSupervisor(names)?.pid ?? 0;
  process.kill(first, 'SIGKILL');
  await up(names.name, { withImages: false });
  assert.match(await status(names.name), /up and well/);
  assert.notEqual(findSupervisor(names)?.pid, first);
});
