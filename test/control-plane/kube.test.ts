// The kube room against a real API server: what the pretended one of test/kube cannot prove.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from '../../operator/kube/client.ts';
import { connectionSource, loadKubeConfig } from '../../operator/kube/config.ts';
import {
  ApiError,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isGone,
  isInvalid,
  TransportError,
} from '../../operator/kube/errors.ts';
import { EventRecorder } from '../../operator/kube/events.ts';
import { Lease } from '../../operator/kube/lease.ts';
import { Reflector } from '../../operator/kube/reflector.ts';
import { Store } from '../../operator/kube/store.ts';
import { Transport } from '../../operator/kube/transport.ts';
import {
  configMaps,
  customResourceDefinitions,
  type KubeObject,
  keyOf,
  leases,
  podDisruptionBudgets,
  type ResourceType,
} from '../../operator/kube/types.ts';
import { Controller, done } from '../../operator/runtime/controller.ts';
import { HttpServer } from '../../operator/runtime/http.ts';
import { createLog } from '../../operator/runtime/log.ts';
import { Manager } from '../../operator/runtime/manager.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { type ControlPlane, serviceAccount, startControlPlane } from '../cluster/control-plane.ts';
import { bin } from '../cluster/paths.ts';
import { attempt } from '../cluster/run.ts';
import { eventually } from '../kube/help.ts';

let plane: ControlPlane;
const transports: Transport[] = [];
let client: Client;

function connect(kubeconfig = plane.kubeconfig): Transport {
  const transport = new Transport(connectionSource(loadKubeConfig(kubeconfig)));
  transports.push(transport);
  return transport;
}

before(async () => {
  plane = await startControlPlane();
  client = new Client(connect());
});
after(async () => {
  for (const transport of transports) await transport.close();
  await plane?.stop();
});

const configMap = (name: string, data: Record<string, string> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace: 'default', name },
  data,
});

test('an apply makes the object, makes fields ours, removes what we left out, and spares the rest', async () => {
  await client.apply(configMaps, configMap('applied', { a: '1', b: '2' }));
  const other = new Client(connect(), 'somebody');
  await other.apply(configMaps, configMap('applied', { b: 'theirs', c: '3' }));
  const after = await client.apply(configMaps, configMap('applied', { a: '9', b: '2' }));
  assert.deepEqual(after.data, { a: '9', b: '2', c: '3' });
  const less = await client.apply(configMaps, configMap('applied', { a: '9' }));
  assert.deepEqual(less.data, { a: '9', c: '3' });
});

test('an apply that changes nothing writes nothing', async () => {
  const first = await client.apply(configMaps, configMap('same', { a: '1' }));
  const second = await client.apply(configMaps, configMap('same', { a: '1' }));
  assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
});

test('an apply with uid and version fails where the object was changed, is gone or was made anew', async () => {
  const first = await client.apply(configMaps, configMap('swap', { a: '1' }));
  const guard = (object: KubeObject) => ({
    uid: object.metadata.uid ?? '',
    resourceVersion: object.metadata.resourceVersion ?? '',
  });
  const wanted = configMap('swap', { a: '2' });
  const second = await client.apply(configMaps, wanted, guard(first));
  await assert.rejects(client.apply(configMaps, wanted, guard(first)), isConflict);
  await client.delete(configMaps, first.metadata);
  await assert.rejects(client.apply(configMaps, wanted, guard(second)), isConflict);
  assert.equal(await client.get(configMaps, first.metadata), undefined);
  const anew = await client.create(configMaps, wanted);
  await assert.rejects(client.apply(configMaps, wanted, guard(second)), isConflict);
  const { uid } = guard(second);
  await assert.rejects(client.apply(configMaps, wanted, { ...guard(anew), uid }), isConflict);
  await client.apply(configMaps, wanted, guard(anew));
});

test('a version alone does not keep an apply from making what is gone anew', async () => {
  // Not a wish but a fact, on which the advice at ApplyOptions rests.
  const made = await client.create(configMaps, configMap('gone'));
  await client.delete(configMaps, made.metadata);
  const { resourceVersion = '' } = made.metadata;
  const anew = await client.apply(configMaps, configMap('gone'), { resourceVersion });
  assert.notEqual(anew.metadata.uid, made.metadata.uid);
});

test('the status is applied apart from the object, with a version where wanted', async () => {
  const budget: KubeObject = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { namespace: 'default', name: 'budget' },
    spec: { minAvailable: 1, selector: { matchLabels: { a: 'b' } } },
  };
  const made = await client.apply(podDisruptionBudgets, budget);
  const counts = { currentHealthy: 1, desiredHealthy: 1, disruptionsAllowed: 0, expectedPods: 1 };
  const { spec: _spec, ...rest } = budget;
  const status: KubeObject = { ...rest, status: counts };
  const resourceVersion = made.metadata.resourceVersion ?? '';
  const written = await client.applyStatus(podDisruptionBudgets, status, { resourceVersion });
  assert.equal((written.status as typeof counts).currentHealthy, 1);
  assert.deepEqual((written.spec as Record<string, unknown>).minAvailable, 1);
  const again = { ...rest, status: { ...counts, currentHealthy: 2 } };
  await assert.rejects(
    client.applyStatus(podDisruptionBudgets, again, { resourceVersion }),
    isConflict,
  );
});

test('create, update, patch and delete keep to versions and uids', async () => {
  const made = await client.create(configMaps, configMap('crud', { a: '1' }));
  await assert.rejects(client.create(configMaps, configMap('crud')), isAlreadyExists);
  await client.update(configMaps, { ...made, data: { a: '2' } });
  await assert.rejects(client.update(configMaps, { ...made, data: { a: '3' } }), isConflict);
  const patched = await client.patch(configMaps, made.metadata, { data: { a: null, b: '4' } });
  assert.deepEqual(patched.data, { b: '4' });
  await assert.rejects(
    client.delete(configMaps, made.metadata, { uid: crypto.randomUUID() }),
    isConflict,
  );
  await assert.rejects(
    client.delete(configMaps, made.metadata, {
      resourceVersion: made.metadata.resourceVersion ?? '',
    }),
    isConflict,
  );
  await client.delete(configMaps, made.metadata, { uid: made.metadata.uid ?? '' });
  assert.equal(await client.delete(configMaps, made.metadata), undefined);
});

test('an object that lingers is what a delete returns', async () => {
  const held = configMap('held');
  held.metadata.finalizers = ['spillway.dev/test'];
  await client.create(configMaps, held);
  const answer = await client.delete(configMaps, held.metadata);
  assert.notEqual(answer?.metadata.deletionTimestamp, undefined);
  await client.patch(configMaps, held.metadata, { metadata: { finalizers: null } });
  assert.equal(await client.get(configMaps, held.metadata), undefined);
});

test('a refusal says why, with the field; a missing right is Forbidden', async () => {
  const bad = configMap('bad');
  bad.metadata.labels = { 'not a label': 'x' };
  await assert.rejects(client.create(configMaps, bad), (error) => {
    assert.ok(isInvalid(error));
    assert.match(error.causes[0]?.field ?? '', /metadata.labels/);
    return true;
  });
  const account = await plane.kubeconfigFor(...serviceAccount('default', 'nobody'));
  await assert.rejects(
    new Client(connect(account)).get(configMaps, { namespace: 'default', name: 'x' }),
    isForbidden,
  );
});

test('a reflector follows the server through pages, restarts and hangs', async () => {
  const labels = { test: 'reflector' };
  const named = (name: string, value: string) => {
    const object = configMap(name, { value });
    object.metadata.labels = labels;
    return object;
  };
  await Promise.all(
    Array.from({ length: 60 }, (_, n) => client.create(configMaps, named(`r${n}`, '0'))),
  );
  const store = new Store();
  const reflector = new Reflector({
    client,
    type: configMaps,
    store,
    labelSelector: 'test=reflector',
    pageSize: 25,
    idleSeconds: 1.5,
    timing: { minBackoffSeconds: 0.05, maxBackoffSeconds: 0.2 },
  });
  const abort = new AbortController();
  const running = reflector.run(abort.signal);
  const converge = async () => {
    const options = { namespace: 'default', labelSelector: 'test=reflector' };
    const { items } = await client.list(configMaps, options);
    const view = (objects: KubeObject[]) =>
      objects
        .map((o) => `${keyOf(o.metadata)} ${o.metadata.uid}@${o.metadata.resourceVersion}`)
        .sort();
    await eventually(() => assert.deepEqual(view(store.list()), view(items)));
  };
  try {
    await store.whenSynced;
    assert.equal(store.size, 60);
    await client.apply(configMaps, named('r1', '1'));
    await client.delete(configMaps, configMap('r2').metadata);
    await converge();

    const answer = await client.apply(configMaps, named('r3', 'written'));
    store.observeWrite(answer);
    assert.deepEqual(store.get('default/r3')?.data, { value: 'written' });

    await plane.stopApiServer();
    await plane.startApiServer();
    await client.delete(configMaps, configMap('r4').metadata);
    await client.create(configMaps, named('r4', 'anew'));
    await converge();

    plane.pauseApiServer();
    await eventually(() => assert.equal(reflector.status, 'failing'));
    plane.resumeApiServer();
    await client.apply(configMaps, named('r5', 'late'));
    await converge();
  } finally {
    abort.abort();
    await running;
  }
});

test('a version that the server has forgotten is told as gone', async () => {
  await assert.rejects(
    client.watch(configMaps, {
      resourceVersion: '1',
      timeoutSeconds: 5,
      idleSeconds: 5,
      signal: new AbortController().signal,
      onOpen: () => undefined,
      onChunk: (chunk) => {
        const line = JSON.parse(chunk.toString()) as { type: string; object: { code: number } };
        if (line.type === 'ERROR') throw new ApiError(line.object.code, 'Expired', 'in the stream');
      },
    }),
    isGone,
  );
});

test('a type whose CRD comes later is not installed until then', async () => {
  const type: ResourceType = {
    group: 'example.dev',
    version: 'v1',
    plural: 'things',
    kind: 'Thing',
    namespaced: true,
  };
  const store = new Store();
  const timing = { absentSeconds: 0.2, minBackoffSeconds: 0.05 };
  const reflector = new Reflector({ client, type, store, timing });
  const abort = new AbortController();
  const running = reflector.run(abort.signal);
  try {
    await reflector.whenReady;
    assert.equal(reflector.status, 'notInstalled');
    const schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    const crd: KubeObject = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'things.example.dev' },
      spec: {
        group: 'example.dev',
        scope: 'Namespaced',
        names: { plural: 'things', kind: 'Thing' },
        versions: [
          { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } },
        ],
      },
    };
    await client.apply(customResourceDefinitions, crd);
    await store.whenSynced;
    const thing: KubeObject = {
      apiVersion: 'example.dev/v1',
      kind: 'Thing',
      metadata: { namespace: 'default', name: 'one' },
    };
    await client.apply(type, thing);
    await eventually(() => assert.equal(store.size, 1));
    await client.delete(customResourceDefinitions, crd.metadata);
    await eventually(() => assert.equal(store.size, 0));
    await eventually(() => assert.equal(reflector.status, 'notInstalled'));
  } finally {
    abort.abort();
    await running;
  }
});

test('of two electors one leads, and hands over at once when it gives the lease back', async () => {
  const elector = (identity: string) => {
    const timing = { durationSeconds: 60, renewDeadlineSeconds: 40, retrySeconds: 0.05 };
    const options = { namespace: 'default', name: 'spillway', identity, timing };
    const lease = new Lease({ client: new Client(connect()), ...options });
    const abort = new AbortController();
    const running = lease.run(abort.signal, {
      onStarted: () => undefined,
      onStopped: () => undefined,
    });
    const stop = async () => {
      abort.abort();
      await running;
      await lease.release();
    };
    return { lease, stop };
  };
  const first = elector('first');
  await eventually(() => assert.ok(first.lease.leading));
  const second = elector('second');
  await eventually(() => assert.equal(second.lease.holder, 'first'));
  assert.equal(second.lease.leading, false);
  await first.stop();
  await eventually(() => assert.ok(second.lease.leading));
  assert.equal(first.lease.leading, false);
  const there = await client.get(leases, { namespace: 'default', name: 'spillway' });
  const spec = there?.spec as Record<string, unknown>;
  assert.equal(spec.holderIdentity, 'second');
  assert.equal(spec.leaseTransitions, 1);
  await second.stop();
});

test('of two operators one works, and the other goes on where it stopped', async () => {
  const labels = { test: 'manager' };
  const operator = (identity: string) => {
    const mine = new Client(connect());
    const log = createLog('silent');
    const store = new Store();
    const reflector = new Reflector({
      client: mine,
      type: configMaps,
      store,
      labelSelector: 'test=manager',
    });
    const controller = new Controller({
      name: 'seen',
      log,
      workers: 2,
      reconcile: async (key, { signal }) => {
        const object = store.get(key);
        if (object === undefined || object.metadata.annotations?.by !== undefined) return done;
        const body = { metadata: { annotations: { by: identity } } };
        store.observeWrite(await mine.patch(configMaps, object.metadata, body, { signal }));
        return done;
      },
    });
    store.onChange(({ key }) => controller.queue.add(key));
    const timing = { durationSeconds: 60, renewDeadlineSeconds: 40, retrySeconds: 0.05 };
    const lease = { namespace: 'default', name: 'operator', identity, timing };
    const manager = new Manager({
      log,
      http: new HttpServer({ port: 0, host: '127.0.0.1', registry: new Metrics().registry }),
      sources: [reflector],
      controllers: [controller],
      leadership: new Lease({ client: mine, ...lease }),
    });
    return { manager, code: manager.run() };
  };
  const by = async () => {
    const { items } = await client.list(configMaps, { labelSelector: 'test=manager' });
    return items.map((o) => o.metadata.annotations?.by);
  };
  const add = async (name: string) => {
    const object = configMap(name);
    object.metadata.labels = labels;
    await client.create(configMaps, object);
  };
  await add('m1');
  const first = operator('first');
  await eventually(async () => assert.deepEqual(await by(), ['first']));
  const second = operator('second');
  await add('m2');
  await eventually(async () => assert.deepEqual(await by(), ['first', 'first']));
  assert.equal(second.manager.acting, false);
  first.manager.stop('test');
  assert.equal(await first.code, 0);
  await add('m3');
  await eventually(async () => assert.deepEqual(await by(), ['first', 'first', 'second']));
  second.manager.stop('test');
  assert.equal(await second.code, 0);
});

test('kubectl describe shows an event, with its count', async () => {
  const object = await client.create(configMaps, configMap('eventful'));
  const recorder = new EventRecorder({ client, component: 'spillway', instance: 'spillway-0' });
  const text = {
    type: 'Warning',
    reason: 'SecretMissing',
    message: 'Secret x is missing',
  } as const;
  for (let n = 0; n < 3; n++) {
    recorder.record(object, text);
    await recorder.flush();
  }
  const described = await attempt([
    `${bin}/kubectl`,
    `--kubeconfig=${plane.kubeconfig}`,
    'describe',
    'configmap',
    'eventful',
  ]);
  assert.match(
    described.stdout,
    /Warning +SecretMissing +\S+ \(x3 over \S+\) +spillway +Secret x is missing/,
  );
});

test('a server that is away fails a call in time, and the next one finds it again', async () => {
  const ref = { namespace: 'default', name: 'none' };
  await plane.stopApiServer();
  await assert.rejects(
    client.get(configMaps, ref, { deadlineSeconds: 0.3 }),
    (error) => error instanceof TransportError,
  );
  const waiting = client.get(configMaps, ref, { attempts: 100, deadlineSeconds: 60 });
  await plane.startApiServer();
  assert.equal(await waiting, undefined);
});
