// Debian packages that the tool needs on the machine itself.

import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { attempt, run, say } from './run.ts';

// Each package by a file it brings. A machine that has the file from elsewhere (a container engine
// of its own, say) keeps what it has: nothing is replaced.
const wanted: Record<string, string> = {
  buildah: 'buildah',
  conntrack: 'conntrack',
  containerd: 'containerd',
  ctr: 'containerd',
  ip: 'iproute2',
  iptables: 'iptables',
  mmdebstrap: 'mmdebstrap',
  mount: 'mount',
  openssl: 'openssl',
  pip3: 'python3-pip',
  python3: 'python3',
  runc: 'runc',
  setpriv: 'util-linux',
  tini: 'tini',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
};

const administration = ['/usr/sbin', '/sbin'];

/** Adds the folders of the administrator's programs to PATH, which `su` does not. */
export function completePath(): void {
  const path = (process.env.PATH ?? '').split(delimiter);
  const missing = administration.filter((folder) => !path.includes(folder));
  process.env.PATH = [...path, ...missing].join(delimiter);
}

const isThere = (file: string): boolean =>
  file.startsWith('/')
    ? existsSync(file)
    : (process.env.PATH ?? '')
        .split(delimiter)
        .some((folder) => folder !== '' && existsSync(join(folder, file)));

export type Machine = {
  platform: string;
  /** Undefined where there is no such thing. */
  uid: number | undefined;
  /** The text of /etc/os-release; empty where there is none. */
  release: string;
};

const thisMachine = (): Machine => ({
  platform: process.platform,
  uid: process.getuid?.(),
  release: existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '',
});

/** From this version on Debian's packages are new enough, its containerd and buildah above all. */
const oldestDebian = 12;

/** Why this machine cannot run clusters and local daemons, and what works on it; undefined when it can. */
export function unsupported(machine = thisMachine()): string | undefined {
  const { platform, uid, release } = machine;
  const reasons: string[] = [];
  const system = platform === 'linux' ? notDebian(release) : 'this is not Linux';
  if (system !== undefined) reasons.push(system);
  if (uid !== 0) reasons.push('you are not root');
  if (reasons.length === 0) return undefined;
  return [
    `A cluster of its own needs root on Debian ${oldestDebian} or newer, but ${reasons.join(' and ')}.`,
    'What works without: `npm run test:unit` (every test that needs no daemon) and `bin/spillway plan -f FILE`;',
    'on any Linux with Go or pip also `make bench` (an API server without nodes).',
  ].join('\n');
}

/**
 * Systems made from Debian are not meant: Ubuntu's APT sources have no Debian suite, of which our images are made.
 * testing and unstable say no version, and are newer than any.
 */
function notDebian(release: string): string | undefined {
  const fields = new Map(
    [...release.matchAll(/^([A-Z_]+)=(["']?)(.*)\2$/gm)].map(([, key, , value]) => [key, value]),
  );
  const version = fields.get('VERSION_ID');
  const is = `this is ${fields.get('PRETTY_NAME') ?? fields.get('ID') ?? 'of an unknown kind'}`;
  if (fields.get('ID') !== 'debian') return is;
  return version === undefined || Number(version) >= oldestDebian ? undefined : is;
}

/** What only the soak needs. */
const wantedBySoak: Record<string, string> = { javac: 'default-jdk-headless', mvn: 'maven' };

/** Installs the packages that are missing. Throws with apt's own words when it cannot. */
export function installPackages(): Promise<void> {
  return install(missingPackages());
}

export function installSoakPackages(): Promise<void> {
  return install(missingPackages(wantedBySoak));
}

async function install(missing: readonly string[]): Promise<void> {
  if (missing.length === 0) return;
  say(`Installing Debian packages: ${missing.join(' ')}`);
  // --no-remove: a package that would push out one of the machine's own is an error, not a surprise.
  const apt = ['apt-get', 'install', '--yes', '--no-remove', '--no-install-recommends'];
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const first = await attempt([...apt, ...missing], { env });
  if (first.code === 0) return;
  // The machine's lists are missing or old. Sources of third parties may fail: what counts is
  // whether the packages can be installed afterwards.
  await attempt(['apt-get', 'update'], { env });
  await run([...apt, ...missing], { env });
}

export function missingPackages(list = wanted): string[] {
  const missing = Object.entries(list).filter(([file]) => !isThere(file));
  return [...new Set(missing.map(([, name]) => name))];
}
