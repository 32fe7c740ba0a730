// The reflector against a server that fails: whatever happens, the store ends up as the server is.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import fc from 'fast-check';
import type { Change } from '../../operator/kube/change.ts';
import { Client } from '../../operator/kube/client.ts';
import { Reflector, type ReflectorOptions } from '../../operator/kube/reflector.ts';
import { Store } from '../../operator/kube/store.ts';
import { Transport } from '../../operator/kube/transport.ts';
import { configMaps, type KubeObject } from '../../operator/kube/types.ts';
import { type Fault, FaultServer, type StreamFault } from './fault-server.ts';
import { eventually, seeded } from './help.ts';

const collection = '/api/v1/configmaps';
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Rig {
  server: FaultServer;
  reflector: Reflector;
  store: Store;
  changes: Change[];
  failures: unknown[];
  put(name: string, value?: string): KubeObject;
  delete(name: string): void;
  /** Waits until the store holds what the server holds, and the listeners were told of it. */
  converge(): Promise<void>;
  stop(): Promise<void>;
}

async function rig(options: Partial<ReflectorOptions<KubeObject>> = {}): Promise<Rig> {
  const server = new FaultServer();
  await server.start();
  const transport = new Transport(server.source, { retrySeconds: 0.001 });
  const store = new Store();
  const changes: Change[] = [];
  const failures: unknown[] = [];
  const mirror = new Map<string, KubeObject>();
  store.onChange((change) => {
    changes.push(change);
    // Each change must follow from the one before it.
    assert.equal(change.type === 'added', !mirror.has(change.key), `${change.type} ${change.key}`);
    assert.equal(mirror.get(change.key), change.old, 'old is what was told before');
    if (change.type === 'deleted') mirror.delete(change.key);
    else mirror.set(change.key, change.new);
  });
  const reflector = new Reflector({
    client: new Client(transport),
    type: configMaps,
    store,
    pageSize: 3,
    timing: { minBackoffSeconds: 0.001, maxBackoffSeconds: 0.01, absentSeconds: 0.01 },
    idleSeconds: 0.15,
    observer: { failed: (error) => failures.push(error) },
    ...options,
  });
  const abort = new AbortController();
  const running = reflector.run(abort.signal);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      abort.abort();
      await running;
      await transport.close();
      await server.stop();
    })();
    return stopped;
  };
  cleanups.push(stop);
  const path = (name: string) => `/api/v1/namespaces/ns/configmaps/${name}`;
  const view = (objects: Iterable<KubeObject>) =>
    [...objects]
      .map(({ metadata, data }) => [metadata.name, metadata.uid, metadata.resourceVersion, data])
      .sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
  return {
    server,
    reflector,
    store,
    changes,
    failures,
    put: (name, value = 'x') =>
      server.state.put(path(name), {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { namespace: 'ns', name, managedFields: [{ manager: 'm' }] },
        data: { value },
      }),
    delete: (name) => void server.state.delete(path(name)),
    converge: async () => {
      const there = () => view(server.state.list(collection).map(({ object }) => object));
      await eventually(() => {
        assert.deepEqual(view(store.list()), there());
        assert.deepEqual(view(mirror.values()), there());
        assert.ok(store.synced);
      });
    },
    stop,
  };
}

test('a list comes in pages, fills the store at once and says what its items are', async () => {
  const t = await rig();
  await t.converge();
  t.server.fault = () => ({ kind: 'reset' });
  t.server.dropWatches();
  for (let i = 0; i < 10; i++) t.put(`a${i}`);
  t.server.state.compact();
  const sizes = new Set<number>();
  t.store.onChange(() => sizes.add(t.store.size));
  t.server.fault = () => undefined;
  await t.converge();
  assert.deepEqual([...sizes], [10]);
  assert.ok(t.server.seen.filter(({ url }) => url.searchParams.has('continue')).length >= 3);
  const [object] = t.store.list();
  assert.equal(object?.kind, 'ConfigMap');
  assert.equal(object?.apiVersion, 'v1');
  assert.equal(object?.metadata.managedFields, undefined);
});

test('a watch that ends goes on from the last version, without a second list', async () => {
  const t = await rig();
  t.put('a');
  await t.converge();
  const lists = () => t.server.seen.filter((r) => !r.url.searchParams.has('watch')).length;
  const before = lists();
  for (let i = 0; i < 5; i++) {
    t.server.dropWatches();
    t.put('a', `v${i}`);
    t.put(`b${i}`);
    await t.converge();
  }
  assert.equal(lists(), before);
});

test('a deletion that was missed across a relist is seen', async () => {
  const t = await rig();
  t.put('a');
  t.put('b');
  await t.converge();
  t.server.fault = () => ({ kind: 'reset' });
  t.server.dropWatches();
  t.delete('a');
  t.server.state.compact();
  t.server.fault = () => undefined;
  await t.converge();
  assert.deepEqual(
    t.changes.filter((c) => c.type === 'deleted').map((c) => c.key),
    ['ns/a'],
  );
});

test('an object made anew under its name across a relist is deleted and added, not updated', async () => {
  const t = await rig();
  const first = t.put('a');
  await t.converge();
  t.server.fault = () => ({ kind: 'reset' });
  t.server.dropWatches();
  t.delete('a');
  const second = t.put('a');
  t.server.state.compact();
  t.changes.length = 0;
  t.server.fault = () => undefined;
  await t.converge();
  assert.deepEqual(
    t.changes.map((c) => [c.type, (c.new ?? c.old)?.metadata.uid]),
    [
      ['deleted', first.metadata.uid],
      ['added', second.metadata.uid],
    ],
  );
});

test('pages that expire are read in one piece', async () => {
  const t = await rig();
  await t.converge();
  t.server.expirePages = true;
  t.server.fault = () => ({ kind: 'reset' });
  t.server.dropWatches();
  for (let i = 0; i < 8; i++) t.put(`a${i}`);
  t.server.state.compact();
  t.server.fault = () => undefined;
  await t.converge();
  const whole = t.server.seen.filter(
    ({ url }) => !url.searchParams.has('watch') && !url.searchParams.has('limit'),
  );
  assert.ok(whole.length >= 1);
});

test('a type that is not installed is ready and no failure, and is found when it comes', async () => {
  const server = new FaultServer();
  server.missing.add(collection);
  await server.start();
  cleanups.push(() => server.stop());
  let told = 0;
  const transport = new Transport(server.source);
  const failures: unknown[] = [];
  const reflector = new Reflector({
    client: new Client(transport),
    type: configMaps,
    store: new Store(),
    timing: { absentSeconds: 0.01 },
    observer: { notInstalled: () => told++, failed: (error) => failures.push(error) },
  });
  const abort = new AbortController();
  const running = reflector.run(abort.signal);
  cleanups.push(async () => {
    abort.abort();
    await running;
    await transport.close();
  });
  await reflector.whenReady;
  assert.equal(reflector.status, 'notInstalled');
  assert.equal(reflector.ready, true);
  assert.equal(reflector.store.synced, false);
  await eventually(() => assert.ok(server.seen.length >= 3));
  assert.equal(told, 1);
  server.missing.clear();
  await reflector.store.whenSynced;
  assert.equal(reflector.status, 'synced');
  assert.deepEqual(failures, []);
});

test('a type that is expected is looked for at once, and again until it is served', async () => {
  const t = await rig({ timing: { minBackoffSeconds: 0.001, absentSeconds: 3600 } });
  t.server.missing.add(collection);
  t.server.dropWatches();
  await eventually(() => assert.equal(t.reflector.status, 'notInstalled'));
  const looked = t.server.seen.length;
  t.reflector.expect();
  await eventually(() => assert.ok(t.server.seen.length > looked));
  t.server.missing.clear();
  t.put('a');
  await t.converge();
});

test('of a type of which only the metadata is wanted, nothing else is asked for', async () => {
  const t = await rig({ type: { ...configMaps, metadataOnly: true } });
  t.put('a');
  await t.converge();
  await eventually(() => assert.ok(t.server.seen.length >= 2));
  const form = (kind: string) => `application/json;as=${kind};g=meta.k8s.io;v=v1`;
  const [list, watch] = t.server.seen.map(({ headers }) => headers.accept);
  assert.equal(list, form('PartialObjectMetadataList'));
  assert.equal(watch, form('PartialObjectMetadata'));
});

test('a type that is removed while it is watched takes its objects along', async () => {
  const t = await rig();
  t.put('a');
  await t.converge();
  t.server.missing.add(collection);
  t.server.dropWatches();
  await eventually(() => assert.equal(t.reflector.status, 'notInstalled'));
  assert.deepEqual(t.store.list(), []);
  t.server.missing.clear();
  await t.converge();
});

test('a version that the server gives up in the middle of a watch leads to a new list at once', async () => {
  const t = await rig();
  await t.converge();
  let told = false;
  t.server.streamFault = () => {
    if (told) return undefined;
    told = true;
    return 'gone';
  };
  t.put('a');
  await t.converge();
  const calls = () => t.server.seen.map(({ url }) => url.searchParams.has('watch'));
  await eventually(() => assert.deepEqual(calls(), [false, true, false, true]));
  assert.deepEqual(t.failures, []);
});

test('an event from long ago changes nothing and is not where the watch goes on', async () => {
  const t = await rig();
  t.put('a');
  await t.converge();
  let told = 0;
  t.server.streamFault = () => (told++ === 0 ? 'older' : undefined);
  t.put('a', 'new');
  await t.converge();
  assert.ok(t.changes.every((c) => c.new?.metadata.resourceVersion !== '1'));
});

test('a version from the future (a restored etcd) leads to a new list', async () => {
  const t = await rig();
  t.put('a');
  t.put('b');
  await t.converge();
  t.delete('b');
  t.server.state.compact();
  t.server.state.compacted = 0;
  t.server.state.revision = 50;
  t.put('c');
  t.server.dropWatches();
  await t.converge();
});

test('a failing server is reported with its error, and no longer when it is well', async () => {
  const t = await rig();
  await t.converge();
  t.server.fault = () => ({ kind: 'status', status: 403, reason: 'Forbidden' });
  t.server.dropWatches();
  await eventually(() => assert.equal(t.reflector.status, 'failing'));
  assert.equal(t.reflector.lastError, 'Forbidden');
  t.server.fault = () => undefined;
  await eventually(() => assert.equal(t.reflector.status, 'synced'));
  assert.equal(t.reflector.lastError, undefined);
});

test('a watch that falls silent is replaced', async () => {
  const t = await rig();
  await t.converge();
  t.server.streamFault = () => 'stall';
  await eventually(() => assert.ok(t.failures.length > 0));
  t.server.streamFault = () => undefined;
  t.put('a');
  await t.converge();
});

const faults: Fault[] = [
  { kind: 'status', status: 410, reason: 'Expired' },
  { kind: 'status', status: 429, reason: 'TooManyRequests', retryAfter: '0' },
  { kind: 'status', status: 500 },
  { kind: 'status', status: 502, body: '<html>bad gateway</html>' },
  { kind: 'status', status: 503, reason: 'ServiceUnavailable' },
  { kind: 'status', status: 404, reason: 'NotFound' },
  { kind: 'reset' },
  { kind: 'lost' },
  { kind: 'slow', milliseconds: 20 },
  { kind: 'garbage' },
  { kind: 'cut' },
];
const streamFaults: StreamFault[] = [
  'gone',
  'error',
  'garbage',
  'older',
  'cutLine',
  'cutLineClean',
  'end',
  'reset',
  'stall',
];

test('with faults of all kinds at random and a changing world, the store converges', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      fc.integer({ min: 1, max: 6 }),
      async (seed, chaos) => {
        const random = seeded(seed);
        const pick = <T>(of: readonly T[]): T | undefined => of[Math.floor(random() * of.length)];
        const t = await rig({ random });
        t.server.fault = () => (random() < chaos / 10 ? pick(faults) : undefined);
        t.server.streamFault = () => (random() < chaos / 20 ? pick(streamFaults) : undefined);
        for (let step = 0; step < 60; step++) {
          const name = `o${Math.floor(random() * 12)}`;
          const what = random();
          if (what < 0.55) t.put(name, String(step));
          else if (what < 0.8) t.delete(name);
          else if (what < 0.85) t.server.state.compact();
          else if (what < 0.9) t.server.dropWatches();
          else if (what < 0.95) t.server.expirePages = !t.server.expirePages;
          if (random() < 0.4) await new Promise((resolve) => setTimeout(resolve, random() * 10));
        }
        t.server.fault = () => undefined;
        t.server.streamFault = () => undefined;
        t.server.expirePages = false;
        await t.converge();
        await t.stop();
      },
    ),
    { numRuns: 25 },
  );
});
