// Python packages, pinned to the very files.

import { rmSync } from 'node:fs';
import { run } from './run.ts';

/**
 * Installs what `requirements` lists, with a hash for each file that is accepted, into `folder` and in place of what is
 * there: a Python that Debian manages takes packages into no folder of its own.
 */
export async function pipInstall(requirements: string, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  await run([
    ...['python3', '-m', 'pip', 'install', '--quiet', '--only-binary=:all:', '--require-hashes'],
    ...['--target', folder, '--requirement', requirements],
  ]);
}
