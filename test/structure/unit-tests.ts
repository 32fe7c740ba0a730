// Lists the tests that need neither root nor a cluster, nor a program of one: what `npm run test:unit` runs. A test is one
// of them unless its imports lead to what starts daemons, so a new one is in its list without a word.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Whoever needs a daemon or a cluster comes by one of these: what starts them, and what speaks to one that is up. */
const doors = ['test/cluster/daemon.ts', 'test/cluster/cluster.ts', 'test/cluster/e2e.ts'];

/** Paths below the repository, sorted. */
export function unitTests(): string[] {
  return globSync('test/**/*.test.ts', { cwd: root })
    .sort()
    .filter((file) => !doors.some((door) => reached(file).has(door)));
}

/** All files that `file` imports, directly or not; imports of types alone are gone when it runs. */
export function reached(file: string, found = new Set<string>()): ReadonlySet<string> {
  for (const next of importsOf(file)) {
    if (found.has(next)) continue;
    found.add(next);
    reached(next, found);
  }
  return found;
}

const known = new Map<string, readonly string[]>();

function importsOf(file: string): readonly string[] {
  const before = known.get(file);
  if (before !== undefined) return before;
  if (!existsSync(join(root, file))) throw new Error(`${file} is imported and is not there`);
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(
    /^(?:import|export)\s+(?!type\b)(?:[^'";]*?\bfrom\s+)?'(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm,
  );
  const files = [...found].map((m) => normalize(join(dirname(file), m[1] ?? m[2] ?? '')));
  known.set(file, files);
  return files;
}

if (import.meta.main) process.stdout.write(`${unitTests().join('\n')}\n`);
