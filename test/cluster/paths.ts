// Where the tool keeps things: all of it below .cache/ in the clone, so that removing that folder
// removes everything.

import { join } from 'node:path';

export const repository = join(import.meta.dirname, '..', '..');
export const cache = join(repository, '.cache');

/** The cluster's own programs: etcd, kube-apiserver, kubectl, helm and so on. */
export const bin = join(cache, 'bin');

/** Root file systems of Debian, one folder or archive each. */
export const rootfs = join(cache, 'rootfs');

/** Images as archives that containerd imports. */
export const images = join(cache, 'images');

/** Folders of running daemons that die with the process that started them. */
export const scratch = join(cache, 'run');

/** One folder for each cluster. */
export const clusters = join(cache, 'cluster');

/** The Go modules that pin the programs in `bin`. */
export const modules = join(import.meta.dirname, 'binaries');
