// The operator's process: what it says when it cannot begin.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const main = join(import.meta.dirname, '../../operator/main.ts');

function start(env: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main], { env, encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('a kubeconfig that is not there is one line, and exit code 2', () => {
  assert.deepEqual(start({ KUBECONFIG: '/nope' }), {
    status: 2,
    stdout: '',
    stderr:
      "the kubeconfig /nope cannot be used (ENOENT: no such file or directory, open '/nope'): correct it, or the path in KUBECONFIG\n",
  });
});

test('an environment that makes no sense is a line for each variable, and exit code 2', () => {
  const { status, stderr } = start({ SPILLWAY_WORKERS: '0', SPILLWAY_HTTP_PORT: 'x' });
  assert.equal(status, 2);
  assert.deepEqual(
    stderr.split('\n').map((line) => line.split(':')[0]),
    ['the environment cannot be used', 'SPILLWAY_HTTP_PORT', 'SPILLWAY_WORKERS', ''],
  );
});
