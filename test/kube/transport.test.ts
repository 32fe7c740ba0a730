// The transport against a server that fails: what is repeated, what is not, and what bounds it.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { Client } from '../../operator/kube/client.ts';
import { connectionSource, currentNamespace, loadKubeConfig } from '../../operator/kube/config.ts';
import { ApiError, isConflict, isNotFound, TransportError } from '../../operator/kube/errors.ts';
import { type CallReport, Transport } from '../../operator/kube/transport.ts';
import { configMaps, type KubeObject } from '../../operator/kube/types.ts';
import { type Fault, FaultServer } from './fault-server.ts';
import { eventually } from './help.ts';

const server = new FaultServer();
const reports: CallReport[] = [];
let transport: Transport;
let client: Client;
const ref = { namespace: 'ns', name: 'a' };
const configMap = (extra: Record<string, unknown> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { ...ref },
  ...extra,
});

before(() => server.start());
beforeEach(async () => {
  await transport?.close();
  transport = new Transport(server.source, {
    retrySeconds: 0.001,
    onCall: (report) => reports.push(report),
  });
  client = new Client(transport);
  server.fault = () => undefined;
  for (const { path } of server.state.list('/api/v1/configmaps')) server.state.delete(path);
  server.seen.length = 0;
  reports.length = 0;
});
after(async () => {
  await transport.close();
  await server.stop();
});

/** The first requests meet these faults, the later ones none. */
function failFirst(...faults: Fault[]): void {
  const left = [...faults];
  server.fault = () => left.shift();
}

const transient: Record<string, Fault> = {
  'a 429 with Retry-After': { kind: 'status', status: 429, retryAfter: '0' },
  'a 503': { kind: 'status', status: 503 },
  'a 502 of a proxy': { kind: 'status', status: 502, body: '<html>' },
  'a connection that is reset': { kind: 'reset' },
  'an answer that is lost': { kind: 'lost' },
  'an answer that is cut off': { kind: 'cut' },
  'an answer that is not JSON': { kind: 'garbage' },
};
for (const [name, fault] of Object.entries(transient)) {
  test(`a read survives ${name}`, async () => {
    server.state.put('/api/v1/namespaces/ns/configmaps/a', configMap());
    failFirst(fault, fault);
    assert.equal((await client.get(configMaps, ref))?.metadata.name, 'a');
    assert.equal(server.count('GET'), 3);
  });

  test(`an apply survives ${name}`, async () => {
    failFirst(fault, fault);
    const applied = await client.apply(configMaps, configMap({ data: { x: '1' } }));
    assert.deepEqual(applied.data, { x: '1' });
  });
}

test('a create is not repeated where it may have had its effect', async () => {
  failFirst({ kind: 'lost' });
  await assert.rejects(client.create(configMaps, configMap()), TransportError);
  assert.equal(server.count('POST'), 1);
  assert.notEqual(server.state.get('/api/v1/namespaces/ns/configmaps/a'), undefined);
});

test('a create is not repeated after a 503 or 504, which may come after its effect', async () => {
  for (const status of [500, 503, 504]) {
    server.seen.length = 0;
    failFirst({ kind: 'status', status, retryAfter: '0' });
    await assert.rejects(client.create(configMaps, configMap()), ApiError);
    assert.equal(server.count('POST'), 1);
  }
});

test('a create is repeated after a 429, which says that nothing was done', async () => {
  failFirst({ kind: 'status', status: 429, retryAfter: '0' });
  await client.create(configMaps, configMap());
  assert.equal(server.count('POST'), 2);
});

test('a create is repeated where no connection came about', async () => {
  let calls = 0;
  const flaky = new Transport(
    () => {
      // The first time a port at which nobody listens.
      const address = ++calls === 1 ? 'http://127.0.0.1:1' : server.url;
      return Promise.resolve({ server: address, tls: {}, headers: {} });
    },
    { retrySeconds: 0.001 },
  );
  const first = new Client(flaky).create(configMaps, configMap(), { attempts: 1 });
  await assert.rejects(first, (e) => e instanceof TransportError && !e.sent);
  await flaky.close();
});

test('errors that will not heal are not repeated', async () => {
  for (const status of [400, 403, 404, 409, 410, 422]) {
    server.seen.length = 0;
    failFirst({ kind: 'status', status });
    await assert.rejects(
      client.apply(configMaps, configMap()),
      (error) => error instanceof ApiError && error.status === status,
    );
    assert.equal(server.seen.length, 1);
  }
});

test('retries end after the attempts allowed, with the last error', async () => {
  server.fault = () => ({ kind: 'status', status: 503, reason: 'ServiceUnavailable' });
  await assert.rejects(
    client.get(configMaps, ref, { attempts: 3 }),
    (error) => error instanceof ApiError && error.reason === 'ServiceUnavailable',
  );
  assert.equal(server.seen.length, 3);
});

test('a Retry-After beyond the deadline is handed to the caller at once', async () => {
  server.fault = () => ({ kind: 'status', status: 429, retryAfter: '60' });
  await assert.rejects(
    client.get(configMaps, ref, { deadlineSeconds: 5 }),
    (error) => error instanceof ApiError && error.retryAfterSeconds === 60,
  );
  assert.equal(server.seen.length, 1);
});

test('a call that hangs ends with its deadline', async () => {
  server.fault = () => ({ kind: 'stall' });
  await assert.rejects(
    client.get(configMaps, ref, { deadlineSeconds: 0.05 }),
    (error) => error instanceof TransportError && error.kind === 'deadline',
  );
});

test('a call ends when its signal is aborted, also while it waits for a retry', async () => {
  const aborted = (error: unknown) => error instanceof TransportError && error.kind === 'aborted';
  server.fault = () => ({ kind: 'stall' });
  const hanging = new AbortController();
  const call = client.get(configMaps, ref, { signal: hanging.signal });
  await eventually(() => assert.equal(server.seen.length, 1));
  hanging.abort();
  await assert.rejects(call, aborted);

  server.seen.length = 0;
  server.fault = () => ({ kind: 'status', status: 429, retryAfter: '20' });
  const waiting = new AbortController();
  const retried = client.get(configMaps, ref, { signal: waiting.signal });
  await eventually(() => assert.equal(server.seen.length, 1));
  waiting.abort();
  await assert.rejects(retried, aborted);
  await assert.rejects(client.get(configMaps, ref, { signal: AbortSignal.abort() }), aborted);
});

test('no more requests are in flight than allowed, and all are answered in the end', async () => {
  const narrow = new Transport(server.source, { maxInFlight: 4 });
  server.maxInFlight = 0;
  server.fault = () => ({ kind: 'slow', milliseconds: 2 });
  const busy = new Client(narrow);
  const calls = Array.from({ length: 60 }, () => busy.get(configMaps, ref));
  assert.deepEqual(narrow.load, { inFlight: 4, waiting: 56 });
  await Promise.all(calls);
  assert.equal(server.maxInFlight, 4);
  assert.deepEqual(narrow.load, { inFlight: 0, waiting: 0 });
  await narrow.close();
});

test('an urgent call does not wait behind the others, and a caller may leave the queue', async () => {
  const narrow = new Transport(server.source, { maxInFlight: 1 });
  const busy = new Client(narrow);
  server.fault = ({ url }) => (url.pathname.endsWith('/slow') ? { kind: 'stall' } : undefined);
  const abort = new AbortController();
  const slow = busy.get(configMaps, { namespace: 'ns', name: 'slow' }, { signal: abort.signal });
  const late = busy.get(configMaps, ref, { deadlineSeconds: 0.02 });
  const tired = new AbortController();
  const left = busy.get(configMaps, ref, { signal: tired.signal });
  tired.abort();
  await assert.rejects(left, (e) => e instanceof TransportError && !e.sent && e.kind === 'aborted');
  await assert.rejects(
    late,
    (e) => e instanceof TransportError && !e.sent && e.kind === 'deadline',
  );
  assert.equal(await busy.get(configMaps, ref, { urgent: true }), undefined);
  abort.abort();
  await assert.rejects(slow, TransportError);
  assert.equal(await busy.get(configMaps, ref), undefined);
  await narrow.close();
});

test('many calls share the connections', async () => {
  const ports = new Set<number | undefined>();
  const few = new Transport(server.source, { maxInFlight: 3 });
  const sharing = new Client(few);
  server.fault = (request) => {
    ports.add(request.port);
    return undefined;
  };
  await Promise.all(Array.from({ length: 50 }, () => sharing.get(configMaps, ref)));
  // Three, and two for urgent calls.
  assert.ok(ports.size <= 5, `${ports.size} connections`);
  await few.close();
});

test('a rotated token is read again after a 401, and the call succeeds', async () => {
  let token = 'old';
  const source = () =>
    Promise.resolve({ server: server.url, tls: {}, headers: { authorization: `Bearer ${token}` } });
  const rotating = new Transport(source);
  const authorized = new Client(rotating);
  server.fault = ({ headers }) =>
    headers.authorization === `Bearer ${token}`
      ? undefined
      : { kind: 'status', status: 401, reason: 'Unauthorized' };
  assert.equal(await authorized.get(configMaps, ref), undefined);
  token = 'new';
  await authorized.create(configMaps, configMap());
  assert.equal(server.count('POST'), 2);
  await rotating.close();
});

test('connections are made anew when the credentials say so, and the old ones are let go', async () => {
  const second = new FaultServer();
  await second.start();
  let at = server;
  const moving = new Transport(() => Promise.resolve({ server: at.url, tls: {}, headers: {} }));
  const follower = new Client(moving);
  await follower.get(configMaps, ref);
  at = second;
  server.fault = () => ({ kind: 'status', status: 401, reason: 'Unauthorized' });
  await follower.get(configMaps, ref);
  assert.deepEqual([server.count('GET'), second.count('GET')], [2, 1]);
  await moving.close();
  await second.stop();
});

test('a proxy of the kubeconfig is used', async () => {
  const asked: (string | undefined)[] = [];
  const proxy = createServer((request, response) => {
    asked.push(request.url);
    response.end(JSON.stringify(configMap()));
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as AddressInfo;
  const through = new Transport(() =>
    Promise.resolve({
      server: 'http://kubernetes.invalid',
      proxy: `http://127.0.0.1:${port}`,
      tls: {},
      headers: {},
    }),
  );
  assert.equal((await new Client(through).get(configMaps, ref))?.metadata.name, 'a');
  assert.deepEqual(asked, ['http://kubernetes.invalid/api/v1/namespaces/ns/configmaps/a']);
  await through.close();
  proxy.closeAllConnections();
  proxy.close();
});

test('each attempt is reported with its resource and status, and nothing of its body', async () => {
  failFirst({ kind: 'status', status: 503 }, { kind: 'reset' });
  await client.applyStatus(configMaps, configMap({ status: { secret: 'hunter2' } }));
  assert.deepEqual(
    reports.map(({ method, resource, status }) => [method, resource, status]),
    [
      ['PATCH', 'configmaps/status', 503],
      ['PATCH', 'configmaps/status', 0],
      ['PATCH', 'configmaps/status', 201],
    ],
  );
  assert.ok(!JSON.stringify(reports).includes('hunter2'));
});

test('a kubeconfig gives address, token and namespace, and its token file is read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spillway-kube-'));
  try {
    const path = join(folder, 'config');
    await writeFile(join(folder, 'token'), 'from-a-file\n');
    const user = {
      'auth-provider': { name: 'tokenFile', config: { tokenFile: join(folder, 'token') } },
    };
    const config = {
      clusters: [
        { name: 'c', cluster: { server: `${server.url}/`, 'insecure-skip-tls-verify': true } },
      ],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'here' } }],
      'current-context': 'x',
    };
    await writeFile(path, JSON.stringify(config));
    const kubeConfig = loadKubeConfig(path);
    assert.equal(currentNamespace(kubeConfig), 'here');
    const real = new Transport(connectionSource(kubeConfig));
    assert.equal(await new Client(real).get(configMaps, ref), undefined);
    assert.equal(server.seen[0]?.headers.authorization, 'Bearer from-a-file');
    await real.close();
    assert.throws(() => loadKubeConfig(path, 'other'), /context other is not in the kubeconfig/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a kubeconfig that cannot be used is one line, without what is in it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spillway-'));
  try {
    const path = join(folder, 'kubeconfig');
    const messageOf = () => {
      try {
        loadKubeConfig(path);
      } catch (error) {
        return (error as Error).message;
      }
      throw new Error('it was read');
    };
    assert.match(
      messageOf(),
      /^the kubeconfig .*kubeconfig cannot be used \(ENOENT.*\): correct it/,
    );
    await writeFile(path, 'users:\n- user: {token: s3cret-word\n- [');
    const message = messageOf();
    assert.match(
      message,
      /^the kubeconfig .* cannot be used \(.*\): correct it, or the path in .*$/,
    );
    assert.doesNotMatch(message, /s3cret/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('credentials that cannot be read fail the call as a connection does', async () => {
  const broken = new Transport(() => Promise.reject(new Error('no such file')), {
    retrySeconds: 0.001,
  });
  await assert.rejects(
    new Client(broken).get(configMaps, ref),
    (e) => e instanceof TransportError && /credentials: no such file/.test(e.message),
  );
  await broken.close();
});

test('a stale version is a conflict for update, apply and delete', async () => {
  const made = await client.create(configMaps, configMap());
  const version = made.metadata.resourceVersion ?? '';
  await client.apply(configMaps, configMap({ data: { x: '1' } }), { resourceVersion: version });
  await assert.rejects(client.update(configMaps, made), isConflict);
  await assert.rejects(
    client.apply(configMaps, configMap(), { resourceVersion: version }),
    isConflict,
  );
  await assert.rejects(client.delete(configMaps, ref, { resourceVersion: version }), isConflict);
  await assert.rejects(client.delete(configMaps, ref, { uid: 'another' }), isConflict);
  await client.delete(configMaps, ref, { uid: made.metadata.uid ?? '' });
  assert.equal(await client.delete(configMaps, ref), undefined);
  await assert.rejects(client.update(configMaps, made), isNotFound);
});

test('an apply sends no version, uid or field owners of what was read, unless asked to', async () => {
  const read = configMap();
  read.metadata.resourceVersion = '5';
  read.metadata.uid = 'u';
  read.metadata.managedFields = [{}];
  await client.apply(configMaps, read);
  const sent = JSON.parse(server.seen[0]?.body ?? '') as KubeObject;
  assert.deepEqual(sent.metadata, ref);
  assert.equal(server.seen[0]?.headers['content-type'], 'application/apply-patch+yaml');
  assert.equal(server.seen[0]?.url.searchParams.get('fieldManager'), 'spillway');
  assert.equal(server.seen[0]?.url.searchParams.get('force'), 'true');
});

test('a namespaced object without its namespace is refused before anything is sent', async () => {
  const object = configMap();
  delete object.metadata.namespace;
  await assert.rejects(client.get(configMaps, { name: 'a' }), /metadata.namespace is missing/);
  assert.equal(server.seen.length, 0);
});
