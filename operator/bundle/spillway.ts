// Makes dist/spillway/STAMP: the command line program, which then starts in a third of the time. `npm ci` does so
// at its end. The stamp names the sources; bin/spillway runs what was made of the very sources that are there, else
// the sources themselves.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { options } from './options.ts';

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'dist/spillway');

const stamp = stampOfSources();
const draft = join(folder, `${stamp}.draft`);
await build({
  ...options,
  entryPoints: [join(root, 'operator/cli/main.ts')],
  outdir: draft,
  outExtension: { '.js': '.mjs' },
  // What a command does not need it does not load: the client of the API is larger than all the rest.
  splitting: true,
  legalComments: 'none',
});
if (stampOfSources() !== stamp) {
  rmSync(draft, { recursive: true });
  throw new Error('a source has changed meanwhile: run this again');
}
mkdirSync(folder, { recursive: true });
rmSync(join(folder, stamp), { recursive: true, force: true });
renameSync(draft, join(folder, stamp));
for (const older of readdirSync(folder).filter((name) => name !== stamp)) {
  rmSync(join(folder, older), { recursive: true });
}

/** As bin/spillway asks for it. */
function stampOfSources(): string {
  const script = join(import.meta.dirname, 'stamp.sh');
  return execFileSync('sh', [script], { cwd: root, encoding: 'utf8' }).trim();
}
