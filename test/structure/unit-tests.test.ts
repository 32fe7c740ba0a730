// Which tests run without root and without a cluster, and that none of them needs either.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { reached, unitTests } from './unit-tests.ts';

const unit = unitTests();
const read = (file: string) => readFileSync(join(import.meta.dirname, '../..', file), 'utf8');

test('pure tests of every room are among them', () => {
  for (const file of [
    'test/core/plan-budget.test.ts',
    'test/engines/quote.test.ts',
    'test/reconcile/news.test.ts',
    'test/cluster/packages.test.ts',
    'test/bench/whole.test.ts',
    'test/structure/import-law.test.ts',
  ]) {
    assert.ok(unit.includes(file), file);
  }
});

test('tests with real poolers, API servers or clusters are not', () => {
  for (const file of [
    'test/engines/live-caps.test.ts',
    'test/reconcile/health.test.ts',
    'test/control-plane/operator.test.ts',
    'test/cluster/cluster.test.ts',
    'test/e2e/serve.test.ts',
  ]) {
    assert.ok(!unit.includes(file), file);
    assert.ok(reached(file).size > 0, file);
  }
});

test('none of them asks who runs it, to pass without having tested anything', () => {
  const asking = unit.filter((file) => /process\.getuid/.test(read(file)));
  assert.deepEqual(asking, []);
});
