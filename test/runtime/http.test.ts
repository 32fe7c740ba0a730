// Health, metrics and the log, read as their users read them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { HttpServer } from '../../operator/runtime/http.ts';
import { createLog } from '../../operator/runtime/log.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';

const metrics = new Metrics();
const http = new HttpServer({ port: 0, host: '127.0.0.1', registry: metrics.registry });
let base = '';
before(async () => {
  base = `http://127.0.0.1:${await http.start()}`;
});
after(() => http.stop());

test('health is 200 while every check is well, and else names the one that is not', async () => {
  let fault: string | undefined;
  http.addReadinessCheck('pods', () => fault);
  http.addReadinessCheck('other', () => undefined);
  const well = await fetch(`${base}/readyz`);
  assert.deepEqual([well.status, await well.text()], [200, 'ok pods\nok other\n']);
  fault = 'not in sync yet';
  const ill = await fetch(`${base}/readyz?verbose`);
  assert.deepEqual(
    [ill.status, await ill.text()],
    [503, 'failed pods: not in sync yet\nok other\n'],
  );
  assert.equal((await fetch(`${base}/livez`)).status, 200);
});

test('the metrics hold the process, the calls, the runs, the queues and the leader', async () => {
  metrics.observeCall({ method: 'GET', resource: 'pods', status: 200, seconds: 0.01 });
  metrics.observeRun('pool', 'done', 0.002);
  metrics.observeQueue('pool', { length: 3, working: 1, waiting: 2 });
  metrics.setLeader(true);
  const answer = await fetch(`${base}/metrics`);
  const text = await answer.text();
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0.0.4/);
  for (const line of [
    /^process_cpu_seconds_total \d/m,
    /^process_resident_memory_bytes \d/m,
    /^nodejs_eventloop_lag_p99_seconds \d/m,
    /^spillway_kube_request_duration_seconds_count\{method="GET",resource="pods",status="200"\} 1$/m,
    /^spillway_reconcile_duration_seconds_count\{controller="pool",outcome="done"\} 1$/m,
    /^spillway_queue_depth\{controller="pool"\} 3$/m,
    /^spillway_queue_later\{controller="pool"\} 2$/m,
    /^spillway_leader 1$/m,
  ]) {
    assert.match(text, line);
  }
});

test('nothing else is served, and nothing can be sent', async () => {
  assert.equal((await fetch(`${base}/`)).status, 404);
  assert.equal((await fetch(`${base}/metrics`, { method: 'POST', body: 'x' })).status, 405);
});

test('a port that is taken is an error', async () => {
  const port = Number(new URL(base).port);
  const second = new HttpServer({ port, host: '127.0.0.1', registry: metrics.registry });
  await assert.rejects(second.start(), /EADDRINUSE/);
});

test('log lines are JSON with an ISO time and a named level, without what looks like a secret', () => {
  const lines: string[] = [];
  const log = createLog('info', { write: (line) => void lines.push(line) });
  log.debug('unseen');
  const err = Object.assign(new Error('refused'), { password: 'hunter2' });
  log.child({ key: 'ns/shop' }).warn(
    {
      password: 'hunter2',
      user: { token: 'hunter2', deep: { secret: 'hunter2' } },
      object: { kind: 'Secret', data: { a: 'hunter2' }, stringData: { b: 'hunter2' } },
      headers: { authorization: 'Bearer hunter2' },
      tls: { key: 'hunter2' },
      err,
    },
    'told',
  );
  assert.equal(lines.length, 1);
  assert.ok(!lines[0]?.includes('hunter2'), lines[0]);
  const line = JSON.parse(lines[0] ?? '');
  assert.equal(line.level, 'warn');
  assert.equal(line.msg, 'told');
  assert.equal(line.key, 'ns/shop');
  assert.equal(line.err.message, 'refused');
  assert.equal(new Date(line.time).toISOString(), line.time);
});
