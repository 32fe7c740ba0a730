// Folders for daemons that live no longer than the process that started them.

import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { scratch } from './paths.ts';

/** An empty folder of this process; folders of processes that are gone are removed on the way. */
export function scratchFolder(): string {
  mkdirSync(scratch, { recursive: true });
  for (const name of readdirSync(scratch)) {
    if (!existsSync(`/proc/${name.split('-', 1)[0]}`)) {
      rmSync(join(scratch, name), { recursive: true, force: true });
    }
  }
  const folder = join(scratch, `${process.pid}-${randomUUID().slice(0, 8)}`);
  mkdirSync(folder);
  return folder;
}
