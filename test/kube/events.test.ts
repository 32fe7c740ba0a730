// Events: one for each text, counted, bounded, and never in the way.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Client } from '../../operator/kube/client.ts';
import { EventRecorder, type EventRecorderOptions } from '../../operator/kube/events.ts';
import { Transport } from '../../operator/kube/transport.ts';
import type { KubeObject } from '../../operator/kube/types.ts';
import { FaultServer } from './fault-server.ts';

let server: FaultServer;
let transport: Transport;
beforeEach(async () => {
  server = new FaultServer();
  await server.start();
  transport = new Transport(server.source, { retrySeconds: 0.001 });
});
afterEach(async () => {
  await transport.close();
  await server.stop();
});

const pool = (name = 'shop'): KubeObject => ({
  apiVersion: 'spillway.dev/v1alpha1',
  kind: 'ConnectionPool',
  metadata: { namespace: 'ns', name, uid: `uid-${name}`, resourceVersion: '5' },
  spec: { secret: 'hunter2' },
});
const missing = {
  type: 'Warning',
  reason: 'SecretMissing',
  message: 'Secret a is missing',
} as const;

function recorder(extra: Partial<EventRecorderOptions> = {}): {
  recorder: EventRecorder;
  dropped: string[];
} {
  const dropped: string[] = [];
  const made = new EventRecorder({
    client: new Client(transport),
    component: 'spillway',
    instance: 'spillway-0',
    onDropped: (why) => dropped.push(why),
    ...extra,
  });
  return { recorder: made, dropped };
}
const written = () => server.state.list('/api/v1/events').map(({ object }) => object);

test('an event says of what, why and how often, as kubectl describe reads it', async () => {
  const { recorder: r } = recorder({ now: () => 1_700_000_000_000 });
  r.record(pool(), missing);
  await r.flush();
  const [event] = written();
  assert.deepEqual(event?.involvedObject, {
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionPool',
    namespace: 'ns',
    name: 'shop',
    uid: 'uid-shop',
    resourceVersion: '5',
  });
  assert.equal(event?.metadata.namespace, 'ns');
  assert.equal(event?.reason, 'SecretMissing');
  assert.equal(event?.count, 1);
  assert.equal(event?.lastTimestamp, '2023-11-14T22:13:20Z');
  assert.deepEqual(event?.source, { component: 'spillway' });
  assert.ok(!JSON.stringify(server.seen).includes('hunter2'));
});

test('the same text becomes one event with a count, whether at once, later or after a restart', async () => {
  const { recorder: r } = recorder();
  r.record(pool(), missing);
  r.record(pool(), missing);
  r.record(pool('other'), missing);
  await r.flush();
  r.record(pool(), missing);
  await r.flush();
  const { recorder: second } = recorder();
  second.record(pool(), missing);
  await second.flush();
  const counts = written().map((e) => e.count);
  assert.deepEqual(counts.sort(), [1, 4]);
});

test('a repetition costs one call', async () => {
  const { recorder: r } = recorder();
  r.record(pool(), missing);
  await r.flush();
  server.seen.length = 0;
  r.record(pool(), missing);
  await r.flush();
  assert.deepEqual(
    server.seen.map(({ method }) => method),
    ['PATCH'],
  );
});

test('without the right to write events, one call is enough to know', async () => {
  const { recorder: r } = recorder();
  server.fault = () => ({ kind: 'status', status: 403, reason: 'Forbidden' });
  for (let n = 0; n < 9; n++) r.record(pool(`p${n}`), missing);
  await r.flush();
  assert.equal(server.seen.length, 1);
});

test('an event that has expired is made anew', async () => {
  const { recorder: r } = recorder();
  r.record(pool(), missing);
  await r.flush();
  for (const { path } of server.state.list('/api/v1/events')) server.state.delete(path);
  r.record(pool(), missing);
  await r.flush();
  assert.deepEqual(
    written().map((e) => e.count),
    [1],
  );
});

test('an object that tells too much is cut off, others are not', async () => {
  let now = 0;
  const { recorder: r, dropped } = recorder({ burst: 3, refillSeconds: 10, now: () => now });
  for (let n = 0; n < 5; n++) r.record(pool(), { ...missing, message: `m${n}` });
  r.record(pool('other'), missing);
  await r.flush();
  assert.equal(written().length, 4);
  assert.deepEqual(dropped, ['rateLimited', 'rateLimited']);
  now = 10_000;
  r.record(pool(), { ...missing, message: 'm9' });
  await r.flush();
  assert.equal(written().length, 5);
});

test('a server that refuses or fails costs the event, and nothing else', async () => {
  const { recorder: r, dropped } = recorder();
  server.fault = () => ({ kind: 'status', status: 403, reason: 'Forbidden' });
  r.record(pool(), missing);
  await r.flush();
  server.fault = () => ({ kind: 'reset' });
  r.record(pool('other'), missing);
  await r.flush();
  assert.deepEqual(dropped, ['failed', 'failed']);
  server.fault = () => undefined;
  r.record(pool(), missing);
  await r.flush();
  assert.equal(written().length, 1);
});

test('closing gives up on a server that hangs', async () => {
  const { recorder: r, dropped } = recorder();
  server.fault = () => ({ kind: 'stall' });
  r.record(pool(), missing);
  r.record(pool('other'), missing);
  await r.close(0.02);
  assert.deepEqual(dropped, ['failed', 'failed']);
  r.record(pool('late'), missing);
  await r.flush();
  assert.equal(written().length, 0);
});

test('a long message is cut between characters, and a long name still makes a valid one', async () => {
  const { recorder: r } = recorder();
  r.record(pool(`${'a'.repeat(229)}.${'b'.repeat(20)}`), { ...missing, message: '€'.repeat(800) });
  await r.flush();
  const [event] = written();
  assert.ok(Buffer.byteLength(String(event?.message)) <= 1024);
  assert.match(String(event?.message), /^€+…$/);
  assert.match(event?.metadata.name ?? '', /^a{229}\.[0-9a-f]{16}$/);
});
