// The tool that makes clusters, and all that tests need besides npm packages.

import { join } from 'node:path';
import { buildBinaries } from './binaries.ts';
import { makeClients, makeSoakClients } from './clients.ts';
import * as cluster from './cluster.ts';
import { makeBase, makeProcessesRoot } from './debian.ts';
import { buildImages, loadImages, operatorDigest } from './images.ts';
import { environment, findSupervisor, inNetwork } from './inside.ts';
import { namesOf } from './names.ts';
import { completePath, installPackages, unsupported } from './packages.ts';
import { runHere, runTests } from './suite.ts';

async function test(files: string[]): Promise<void> {
  await install();
  await images();
  await makeClients();
  process.exitCode = await runTests(files);
}

/** What takes too long, or needs too much, for every change. */
async function soak(): Promise<void> {
  await install();
  await images();
  await makeClients();
  await makeSoakClients();
  process.exitCode = await runTests(['test/e2e/drivers.soak.ts']);
}

async function up(name: string, nodes: number): Promise<void> {
  await install();
  await images();
  await cluster.up(name, { nodes });
  await load(name);
}

async function demo(): Promise<void> {
  await up('demo', 1);
  const script = join(import.meta.dirname, 'demo.ts');
  await exec('demo', [process.execPath, script, operatorDigest()]);
  // Since this process was started: all that had to be built and to be brought up is in it.
  if (process.exitCode === 0) console.log(`It took ${(performance.now() / 1000).toFixed(0)} s.`);
}

async function install(): Promise<void> {
  await installPackages();
  await makeProcessesRoot();
  await makeBase();
  await buildBinaries();
}

async function images(): Promise<void> {
  await makeBase();
  await buildImages();
}

async function exec(name: string, command: string[]): Promise<void> {
  const names = namesOf(name, 1);
  const pid = findSupervisor(names)?.pid;
  if (pid === undefined) throw new Error(`The cluster "${name}" is not up`);
  process.exitCode = await runHere(
    inNetwork(names, pid, command),
    environment(names),
    process.cwd(),
  );
}

async function load(name: string): Promise<void> {
  const running = findSupervisor(namesOf(name, 1));
  if (running === undefined) throw new Error(`The cluster "${name}" is not up`);
  for (const node of namesOf(name, running.nodes).nodes) await loadImages(running.pid, node);
}

type Options = { name: string; nodes: number; rest: string[] };

const commands: Record<string, (options: Options) => Promise<void>> = {
  install,
  images,
  clients: makeClients,
  binaries: buildBinaries,
  // Whether this machine can: that is asked before any command.
  check: async () => undefined,
  demo,
  test: ({ rest }) => test(rest),
  soak,
  'soak-clients': makeSoakClients,
  up: ({ name, nodes }) => up(name, nodes),
  down: ({ name }) => cluster.down(name),
  status: async ({ name }) => console.log(await cluster.status(name)),
  'load-images': ({ name }) => load(name),
  exec: ({ name, rest }) => exec(name, rest),
  kubectl: ({ name, rest }) => exec(name, ['kubectl', ...rest]),
};

const usage = `usage: node test/cluster/main.ts [--name NAME] [--nodes N] COMMAND
  check          says what is missing on this machine for all that follows
  install        what is needed on this machine and in .cache
  binaries       of that, etcd, kube-apiserver and the other programs
  images         the project's images
  clients        drivers of Postgres that tests measure; soak-clients: the others
  demo           a pool in front of a Postgres, and what it does
  test [FILE...] every test, on a cluster of its own
  soak           what changes cost clients, with more drivers
  up, down       a cluster with these images; NAME is demo unless given
  status         whether it is up
  load-images    hands images that have changed to its nodes
  exec CMD...    runs CMD in its network, with KUBECONFIG and PATH set
  kubectl ARG... the same for kubectl`;

function parse(args: string[]): Options & { command: string } {
  const options = { name: 'demo', nodes: 1 };
  while (args[0]?.startsWith('--')) {
    const [flag, value = ''] = args.splice(0, 2);
    if (flag === '--name') options.name = value;
    else if (flag === '--nodes') options.nodes = Number(value);
    else throw new Error(`unknown option ${flag}\n${usage}`);
  }
  const [command = '', ...rest] = args;
  return { ...options, command, rest: rest[0] === '--' ? rest.slice(1) : rest };
}

try {
  const { command, ...options } = parse(process.argv.slice(2));
  const work = commands[command];
  if (work === undefined) throw new Error(usage);
  const reason = unsupported();
  if (reason !== undefined && command !== 'binaries') throw new Error(reason);
  completePath();
  await work(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
