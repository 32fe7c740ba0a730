// Root file systems of the Debian suite that our images are made of: it has a PgBouncer that is new
// enough, and Node 24.

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { rootfs } from './paths.ts';
import { attempt, run } from './run.ts';
import { once } from './stamp.ts';

export const suite = 'forky';

/** A Debian system with PgBouncer and Postgres, in which local daemons run. */
export const processesRoot = join(rootfs, 'processes');

/** The same suite without anything, as the archive from which `debian:forky-slim` is made. */
export const baseArchive = join(rootfs, 'base.tar');

/** In `processesRoot`: an initialised data folder, and the password of its superuser. */
export const template = { data: '/var/lib/spillway/data', password: '/var/lib/spillway/password' };

export async function makeBase(): Promise<void> {
  await once({
    name: 'base',
    title: `Making a root file system of Debian ${suite}`,
    inputs: [suite, 'ca-certificates'],
    outputs: [baseArchive],
    work: () => debootstrap(baseArchive, ['ca-certificates'], []),
  });
}

export async function makeProcessesRoot(): Promise<void> {
  const hooks = [
    // Debian's package would make a database cluster of its own at once.
    '--essential-hook=mkdir -p "$1/etc/postgresql-common"',
    '--essential-hook=echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"',
    // What a daemon started from here finds as its own: configuration, data, sockets.
    '--customize-hook=mkdir -p "$1/etc/spillway" "$1/var/lib/postgresql/data" "$1/run/spillway"',
    `--customize-hook=install -d -o postgres -g postgres "$1/var/lib/spillway"`,
    `--customize-hook=head -c 18 /dev/urandom | base64 > "$1${template.password}"`,
    // Copying a finished data folder is many times faster than making one for each test.
    `--customize-hook=chroot "$1" sh -c 'chown postgres ${template.password} && setpriv --reuid=postgres --regid=postgres --clear-groups /usr/lib/postgresql/*/bin/initdb --pgdata=${template.data} --username=postgres --pwfile=${template.password} --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync'`,
  ];
  const packages = ['ca-certificates', 'pgbouncer', 'postgresql'];
  await once({
    name: 'processes',
    title: `Making a Debian ${suite} with PgBouncer and Postgres for local daemons`,
    inputs: [suite, ...packages, ...hooks],
    outputs: [processesRoot],
    work: () => debootstrap(processesRoot, packages, hooks),
  });
}

async function debootstrap(target: string, packages: string[], hooks: string[]): Promise<void> {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(rootfs, { recursive: true });
  const options = [
    '--mode=root',
    '--variant=minbase',
    `--include=${packages.join(',')}`,
    '--aptopt=APT::Install-Recommends "false"',
    ...(await aptOptions()).map((option) => `--aptopt=${option}`),
    ...hooks,
  ];
  // The mirror is named, or mmdebstrap would use each of the machine's sources, other suites too.
  await run(['mmdebstrap', ...options, suite, target, await mirror()]);
}

/** The Debian mirror that this machine's own APT sources name. */
async function mirror(): Promise<string> {
  const fields = ['REPO_URI', 'ORIGIN', 'LABEL'].map((field) => `$(${field})`).join('|');
  const list = ['apt-get', 'indextargets', '--format', fields, 'Created-By: Packages'];
  const find = async () =>
    (await run(list))
      .split('\n')
      .map((line) => line.split('|'))
      .find(([, origin, label]) => origin === 'Debian' && label === 'Debian')?.[0];
  let found = await find();
  if (found === undefined) {
    // Without lists APT does not know yet which of its sources is Debian itself.
    await attempt(['apt-get', 'update']);
    found = await find();
  }
  if (found === undefined) {
    throw new Error("No APT source of this machine is Debian's own: add a mirror to /etc/apt");
  }
  return found;
}

// How this machine reaches its mirror and how old it lets the mirror be: what holds for the machine
// holds for a root file system made from the same mirror.
const inherited = [
  'Acquire::http::Proxy',
  'Acquire::https::Proxy',
  'Acquire::Check-Valid-Until',
  'Acquire::Check-Date',
  'Acquire::Retries',
];

async function aptOptions(): Promise<string[]> {
  const dump = await run(['apt-config', 'dump', '--no-empty', '--format', '%f "%v"%n']);
  return dump.split('\n').filter((line) => inherited.includes(line.split(' ', 1)[0] ?? ''));
}

/** The numeric user and group `name` of the system in `processesRoot`. */
export function userOf(name: string): { uid: number; gid: number } {
  const line = readFileSync(join(processesRoot, 'etc/passwd'), 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined)
    throw new Error(`no user ${name} in ${processesRoot}`);
  return { uid: Number(uid), gid: Number(gid) };
}
