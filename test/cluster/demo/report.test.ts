// What `make demo` prints. The README shows it, so the README is what it is compared with.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repository } from '../paths.ts';
import { mean, readMemory, readPgbench } from './measured.ts';
import { type Measured, poolRows, report, table } from './report.ts';

const pods = {
  'shop-pooler-0': { cl_active: 5, cl_waiting: 88, sv_active: 3, sv_idle: 0 },
  'shop-pooler-1': { cl_active: 2, cl_waiting: 105, sv_active: 2, sv_idle: 0 },
};

// As PgBouncer answers: with columns that are not shown, and with the pool of the console itself.
const answers = Object.entries(pods).map(([pod, counts]) =>
  poolRows(pod, [
    { database: 'pgbouncer', user: 'pgbouncer', cl_active: 1, pool_mode: 'statement' },
    { database: 'shop', user: 'shop', ...counts, maxwait: 1, pool_mode: 'transaction' },
  ]),
);

const measured: Measured = {
  namespace: 'shop',
  connectionPools: [
    'NAME   MODE          PODS   CONNECTIONS   BUDGET   READY   REASON   AGE',
    'shop   transaction   2      5             5        True    Ready    108s\n',
  ].join('\n'),
  explanation: '2 cores × 2 + 1 = 5; 1 pool has it, 5 here; 2 pooler pods, 3 and 2',
  pools: answers.flat(),
  clients: 200,
  direct: { rate: 1102.3, latency: 183.6, sessions: 205, megabytes: 466.7 },
  pooled: { rate: 1065.5, latency: 199.4, sessions: 5, megabytes: 176.1 },
};

test('the text of the demo is the one that the README shows', () => {
  const readme = readFileSync(join(repository, 'README.md'), 'utf8');
  const [, shown] = /What it prints at its end:\n\n```\n(.*?)\n```/s.exec(readme) ?? [];
  assert.equal(report(measured), shown);
});

test('what was not found or not measured ends the demo instead of leaving a gap in it', () => {
  assert.throws(() => report({ ...measured, explanation: '' }), /explains no size/);
  assert.throws(() => report({ ...measured, pools: [] }), /no pooler pod has a pool/);
  assert.throws(() => readPgbench('pgbench: error: connection failed\n'), /measured nothing/);
  assert.throws(() => readMemory('\n'), /not to be had/);
});

test('figures are read from the report of pgbench, and from a sum of the kernel', () => {
  const text =
    'latency average = 184.321 ms\ninitial connection time = 5 ms\ntps = 1102.5 (without)\n';
  assert.deepEqual(readPgbench(text), { rate: 1102.5, latency: 184.321 });
  assert.equal(readMemory('250000\n'), 256);
});

test('of several rounds the mean is shown, and the most sessions', () => {
  const one = { rate: 100, latency: 10, sessions: 5, megabytes: 200 };
  const other = { rate: 200, latency: 30, sessions: 4, megabytes: 300 };
  assert.deepEqual(mean([one, other]), { rate: 150, latency: 20, sessions: 5, megabytes: 250 });
});

test('columns are as wide as their widest cell, and no line ends in blanks', () => {
  const rows = [{ pod: 'a', n: 1 }, { pod: 'long-name' }];
  assert.equal(table(rows, ['pod', 'n']), 'pod         n\na           1\nlong-name');
});
