// Builds the project's images from their Dockerfiles and hands them to the cluster's nodes, without
// a registry and without Docker.

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { baseArchive } from './debian.ts';
import {
  baseImage,
  operatorImage,
  pauseImage,
  pgbouncerImage,
  postgresImage,
} from './image-names.ts';
import { amongDaemons } from './inside.ts';
import type { NodeNames } from './names.ts';
import { cache, images, repository } from './paths.ts';
import { run, say } from './run.ts';
import { contents, once } from './stamp.ts';

type Image = { name: string; tag: string; context: string };

const bundle = join(repository, 'dist', 'operator.mjs');
const operatorContext = join(cache, 'operator-image');

const list: Image[] = [
  { name: 'pause', tag: pauseImage, context: join(repository, 'test', 'images', 'pause') },
  { name: 'pgbouncer', tag: pgbouncerImage, context: join(repository, 'pooler-image') },
  { name: 'postgres', tag: postgresImage, context: join(repository, 'test', 'images', 'postgres') },
  { name: 'operator', tag: operatorImage, context: operatorContext },
];

const archive = (name: string): string => join(images, `${name}.tar`);

/** Builds every image whose sources have changed. */
export async function buildImages(): Promise<void> {
  const base = String(readFileSync(join(cache, 'stamps', 'base')));
  await once({
    name: 'image-base',
    title: `Making the image ${baseImage}`,
    inputs: [base, 'with PATH'],
    outputs: [join(images, 'storage')],
    work: importBase,
  });
  const withOperator = await bundleOperator();
  for (const image of list) {
    if (image.name === 'operator' && !withOperator) continue;
    await once({
      name: `image-${image.name}`,
      title: `Building the image ${image.tag}`,
      inputs: [base, 'with PATH', ...contents(image.context)],
      outputs: [archive(image.name)],
      work: async () => {
        await buildah([
          ...['build', '--isolation=chroot', '--network=host', '--pull=never', '--layers'],
          ...['--tag', image.tag, image.context],
        ]);
        rmSync(archive(image.name), { force: true });
        await buildah(['push', image.tag, `docker-archive:${archive(image.name)}:${image.tag}`]);
      },
    });
  }
}

/** Gives `node` every image that it does not have yet, or those of these names. */
export async function loadImages(
  pid: number,
  node: NodeNames,
  only: readonly string[] = list.map(({ name }) => name),
): Promise<void> {
  const loaded = join(node.folder, 'images');
  mkdirSync(loaded, { recursive: true });
  const ctr = (...args: string[]) =>
    run(amongDaemons(pid, ['ctr', `--address=${node.socket}`, '--namespace=k8s.io', ...args]));
  for (const image of list.filter(({ name }) => only.includes(name))) {
    if (!existsSync(archive(image.name))) continue;
    const stamp = readFileSync(join(cache, 'stamps', `image-${image.name}`), 'utf8');
    const mark = join(loaded, image.name);
    if (existsSync(mark) && readFileSync(mark, 'utf8') === stamp) continue;
    await ctr('images', 'import', archive(image.name));
    writeFileSync(mark, stamp);
    say(`  ${node.name} has ${image.tag}`);
  }
}

/** Names what the operator's image is made of: a Deployment that has it in its pods rolls with it. */
export function operatorDigest(): string {
  return readFileSync(join(cache, 'stamps', 'image-operator'), 'utf8').slice(0, 12);
}

const read = (name: string): string => readFileSync(join(repository, name), 'utf8');

/** Puts the operator as one file beside its Dockerfile; false while there is no operator yet. */
async function bundleOperator(): Promise<boolean> {
  const dockerfile = join(repository, 'operator', 'Dockerfile');
  if (!existsSync(dockerfile) || !existsSync(join(repository, 'operator', 'main.ts'))) return false;
  await once({
    name: 'bundle',
    title: 'Bundling the operator',
    inputs: [...contents(join(repository, 'operator')), read('package-lock.json')],
    outputs: [bundle],
    work: async () => {
      await run(['npm', 'run', '--silent', 'bundle'], { cwd: repository });
    },
  });
  rmSync(operatorContext, { recursive: true, force: true });
  mkdirSync(operatorContext, { recursive: true });
  copyFileSync(dockerfile, join(operatorContext, 'Dockerfile'));
  copyFileSync(bundle, join(operatorContext, 'operator.mjs'));
  return true;
}

async function importBase(): Promise<void> {
  rmSync(join(images, 'storage'), { recursive: true, force: true });
  const container = (await buildah(['from', 'scratch'])).trim();
  await buildah(['add', container, baseArchive, '/']);
  // As the image of that name has it.
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  await buildah(['config', '--cmd', 'bash', '--env', path, container]);
  await buildah(['commit', '--rm', container, baseImage]);
}

/** Runs buildah with its storage in the cache; what it mounts vanishes with it. */
function buildah(args: readonly string[]): Promise<string> {
  mkdirSync(images, { recursive: true });
  return run([
    ...['unshare', '--mount', '--', 'buildah', '--storage-driver=overlay'],
    ...[`--root=${join(images, 'storage')}`, `--runroot=${join(images, 'run')}`],
    ...args,
  ]);
}
