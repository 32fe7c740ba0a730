// Writes what is generated from the resources' schemas: the CRDs, the chart's copy of them, the
// reference pages. With --check it writes nothing, and fails when a checked-in file differs.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generatedFiles } from './files.ts';

const root = join(import.meta.dirname, '../../..');
const check = process.argv.includes('--check');
const stale: string[] = [];

for (const [path, text] of generatedFiles()) {
  const file = join(root, path);
  if (read(file) === text) continue;
  stale.push(path);
  if (check) continue;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  console.log(`wrote ${path}`);
}

if (check && stale.length > 0) {
  console.error(
    `Not what operator/api generates: ${stale.join(', ')}. Run \`npm run generate\` and commit the result.`,
  );
  process.exitCode = 1;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
