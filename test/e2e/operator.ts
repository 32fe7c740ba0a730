// The operator in the cluster, installed from the chart as a user would, and what tests do to it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { get, kubectl, list, type Resource, situation, waitFor } from '../cluster/e2e.ts';
import { operatorDigest } from '../cluster/images.ts';
import { tryLock } from '../cluster/lock.ts';
import { repository } from '../cluster/paths.ts';
import { run, until } from '../cluster/run.ts';
import { closeClient } from './client.ts';

export const system = 'spillway-system';
const deployment = 'deployment/spillway';

// One file of tests at a time has the cluster, until its process ends: some stop the operator, others load both cores.
// It is waited for here, where no test has begun whose time could run out.
await until('the other tests of the cluster are over', 3600, () => hasLock(), 500);

async function hasLock(): Promise<boolean> {
  return (await tryLock('e2e')) !== null;
}

/** Installs the chart, with further variables of the operator. Returns what ends the connection to the API server. */
export async function takeCluster(
  environment: Readonly<Record<string, string>> = {},
): Promise<() => Promise<void>> {
  await installOperator(environment);
  return closeClient;
}

async function installOperator(environment: Readonly<Record<string, string>>): Promise<void> {
  const extraEnv = Object.entries(environment).map(([name, value]) => ({ name, value }));
  await run([
    ...['helm', 'upgrade', '--install', 'spillway', join(repository, 'charts', 'spillway')],
    ...[`--namespace=${system}`, '--create-namespace', '--wait', '--timeout=2m'],
    // One, so that a test knows whom to end; debug, because logs are read for secrets.
    ...['--set=replicas=1,logLevel=debug'],
    `--set-string=podAnnotations.image=${operatorDigest()}`,
    `--set-json=extraEnv=${JSON.stringify(extraEnv)}`,
  ]).catch(async (error: Error) => {
    throw new Error(`${error.message}\n${await situation(system)}`);
  });
}

export async function stopOperator(): Promise<void> {
  await kubectl(['scale', deployment, '--replicas=0', `--namespace=${system}`]);
  await waitFor('no operator runs', async () => (await operatorPods()).length === 0);
}

export async function startOperator(): Promise<void> {
  await kubectl(['scale', deployment, '--replicas=1', `--namespace=${system}`]);
  await kubectl(['rollout', 'status', deployment, `--namespace=${system}`, '--timeout=90s']);
}

/** SIGKILL, as when a node runs out of memory; the kubelet starts it again at once. */
export async function killOperator(): Promise<void> {
  const pod = (await operatorPods()).find((p) => p.metadata.deletionTimestamp === undefined);
  const killed = killProcesses(pod?.metadata.uid ?? '', 'operator.mjs');
  if (killed === 0) throw new Error('no process of the operator was found');
}

/** Its Deployment makes another one at once; returns how many there were. */
export async function deleteOperatorPods(): Promise<number> {
  const pods = await operatorPods();
  const names = pods.map(({ metadata }) => metadata.name);
  if (names.length > 0) {
    // One of them may have been on its way out, and is gone by now.
    const further = [`--namespace=${system}`, '--wait=false', '--ignore-not-found'];
    await kubectl(['delete', 'pods', ...names, ...further]);
  }
  return names.length;
}

/** As an upgrade does it: another pod takes over when the one that leads is told to stop. */
export async function restartOperator(): Promise<void> {
  await kubectl(['rollout', 'restart', deployment, `--namespace=${system}`]);
  await kubectl(['rollout', 'status', deployment, `--namespace=${system}`, '--timeout=90s']);
}

export async function operatorLog(): Promise<string> {
  return kubectl(['logs', deployment, `--namespace=${system}`]);
}

export async function lease(): Promise<Resource | undefined> {
  return get('lease', 'spillway', system);
}

async function operatorPods(): Promise<Resource[]> {
  return list('pods', system, 'app.kubernetes.io/name=spillway');
}

/** Kills the processes of a pod whose command line has the word; returns how many there were. */
export function killProcesses(podUid: string, word: string): number {
  let killed = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
    const cgroup = read(`/proc/${pid}/cgroup`).replaceAll('_', '-');
    if (podUid === '' || !cgroup.includes(podUid)) continue;
    if (!read(`/proc/${pid}/cmdline`).includes(word)) continue;
    // The first one of a container takes the others with it.
    if (kill(Number(pid))) killed += 1;
  }
  return killed;
}

/** False: it has ended by itself. */
function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
