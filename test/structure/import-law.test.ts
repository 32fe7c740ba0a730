// The import law of docs/decisions: which room may know which. Read from the imports themselves.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

interface Import {
  readonly from: string;
  readonly to: string;
  readonly names: string;
  readonly typeOnly: boolean;
}

const root = join(import.meta.dirname, '../..');
const files = globSync('operator/**/*.ts', { cwd: root });
const imports: Import[] = files.flatMap((from) => {
  const text = readFileSync(join(root, from), 'utf8');
  const found = text.matchAll(
    /^(?:import|export)\s+(type\s+)?([^'";]*?)\s*from\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return [...found].map((m) => {
    const target = m[3] ?? m[4] ?? '';
    const to = target.startsWith('.') ? normalize(join(dirname(from), target)) : target;
    return { from, to, names: m[2] ?? '', typeOnly: m[1] !== undefined };
  });
});

/** Whether a path is in one of the rooms, which are folders or files below operator/. */
function within(path: string, rooms: readonly string[]): boolean {
  return rooms.some((room) => path === `operator/${room}` || path.startsWith(`operator/${room}/`));
}

function breaches(law: (i: Import) => boolean): string[] {
  return imports.filter(law).map((i) => `${i.from} imports ${i.to}`);
}

const pureNode = ['node:crypto'];

test('the walk over the sources sees them', () => {
  assert.ok(files.length > 50, `${files.length} files`);
  assert.ok(imports.length > 100, `${imports.length} imports`);
});

test('core imports only api, core and the pure halves of engines and postgres', () => {
  const allowed = ['api', 'core', 'engines/engine.ts', 'postgres'];
  assert.deepEqual(
    breaches((i) => within(i.from, ['core']) && !within(i.to, allowed) && !pureNode.includes(i.to)),
    [],
  );
});

test('core reads no clock, no environment and no randomness', () => {
  const impure =
    /\b(Date\.now|new Date\(\)|performance\.now|Math\.random|randomBytes|randomUUID|process\.|setTimeout|console\.(log|error|warn))/;
  const found = files
    .filter((file) => within(file, ['core', 'postgres']))
    .filter((file) => impure.test(withoutComments(readFileSync(join(root, file), 'utf8'))));
  assert.deepEqual(found, []);
});

test('kube and runtime know nothing of Postgres, of pools or of poolers', () => {
  const rooms = ['kube', 'runtime'];
  assert.deepEqual(
    breaches((i) => within(i.from, rooms) && i.to.startsWith('operator/') && !within(i.to, rooms)),
    [],
  );
});

test('runtime knows nothing of Kubernetes', () => {
  assert.deepEqual(
    breaches((i) => within(i.from, ['runtime']) && within(i.to, ['kube'])),
    [],
  );
});

test('only reconcile, cli and main join core with I/O', () => {
  const joiners = ['reconcile', 'cli', 'main.ts'];
  const io = ['kube', 'runtime', 'engines/pgbouncer/console.ts'];
  const rooms = ['core', 'api', 'engines', 'postgres'];
  assert.deepEqual(
    breaches((i) => within(i.from, rooms) && within(i.to, io) && !within(i.from, joiners)),
    [],
  );
});

test('only core/ledger makes a Grant', () => {
  assert.deepEqual(
    breaches((i) => /\bmakeGrant\b/.test(i.names) && !within(i.from, ['core/ledger'])),
    [],
  );
});

test('only settings and main read the environment', () => {
  const readers = files.filter((file) =>
    /\bprocess\.env\b/.test(withoutComments(readFileSync(join(root, file), 'utf8'))),
  );
  assert.deepEqual(
    readers.filter((file) => !within(file, ['settings.ts', 'main.ts', 'cli/main.ts'])),
    [],
  );
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
