// The program as `npm ci` makes it, in a checkout of its own: it is used, says the same as its sources, and no longer
// than they are the same.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import manifest from '../../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '../..');
const checkout = mkdtempSync(join(tmpdir(), 'spillway checkout-'));
const bundles = join(checkout, 'dist/spillway');
after(() => rmSync(checkout, { recursive: true }));

before(() => {
  for (const name of ['operator', 'bin', 'examples', 'package.json', 'package-lock.json']) {
    cpSync(join(root, name), join(checkout, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
});

before(() => {
  // Of sources that there were before.
  mkdirSync(join(bundles, '1-1'), { recursive: true });
  const PATH = `${join(checkout, 'node_modules/.bin')}:${process.env.PATH}`;
  execFileSync('sh', ['-c', manifest.scripts.prepare], { cwd: checkout, env: { PATH } });
  const [stamp = '', ...older] = readdirSync(bundles);
  assert.deepEqual(older, []);
  // So that it tells that it runs.
  appendFileSync(join(bundles, stamp, 'main.mjs'), `process.stderr.write('(bundle)');\n`);
});

function run(program: string, words: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(program, words, {
    cwd: root,
    input,
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', KUBECONFIG: '/nonexistent' },
  });
  return { status, stdout, stderr };
}
const spillway = (words: readonly string[], input?: string) =>
  run(join(checkout, 'bin/spillway'), words, input);
const fromSources = (words: readonly string[], input?: string) =>
  run(process.execPath, [join(root, 'operator/cli/main.ts'), ...words], input);

test('what npm ci makes is run, and its answers are those of the sources', () => {
  const example = join(checkout, 'examples/two-pools.yaml');
  for (const words of [
    ['--version'],
    ['--help'],
    ['pln'],
    ['plan', '-f', example],
    ['plan', '-f', example, '-o', 'yaml', '--show-secrets'],
    ['plan', '-f', '-'],
    ['explain', '-f', example, '-o', 'json'],
    // Whatever the client of the API needs is there as well.
    ['explain', 'shop', '-n', 'shop'],
  ]) {
    const input = 'kind: ConnectionPool\n';
    const { stderr, ...rest } = spillway(words, input);
    assert.match(stderr, /\(bundle\)$/, words.join(' '));
    const answer = { ...rest, stderr: stderr.replace('(bundle)', '') };
    assert.deepEqual(answer, fromSources(words, input), words.join(' '));
  }
});

test('a source that has changed takes effect at once, whatever its time says, and the bundle again when it is back', () => {
  const source = join(checkout, 'operator/cli/arguments.ts');
  const text = readFileSync(source, 'utf8');
  // Of the same size, and older than the bundle.
  writeFileSync(source, text.replace('right-sized connection', 'wrong-sized connection'));
  execFileSync('touch', ['-t', '200001010000', source]);
  const changed = spillway(['--help']);
  assert.match(changed.stdout, /wrong-sized connection/);
  assert.equal(changed.stderr, '');
  writeFileSync(source, text);
  assert.equal(spillway(['--help']).stderr, '(bundle)');
});

test('without a bundle the sources are run', () => {
  rmSync(join(checkout, 'dist'), { recursive: true, force: true });
  const { status, stdout, stderr } = spillway(['--version']);
  assert.deepEqual([status, stdout, stderr], [0, `${manifest.version}\n`, '']);
});

test('without its packages the program says what to do', () => {
  rmSync(join(checkout, 'node_modules'));
  const { status, stderr } = spillway(['--version']);
  assert.equal(status, 1);
  assert.match(stderr, /node_modules is not there: run "npm ci" in /);
});
