// Proofs come from the API server: what the stores show may be behind, each by itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ownerOf, POOL_UID_LABEL } from '../../operator/core/pool/labels.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import {
  configMaps,
  type KubeObject,
  pods,
  type ResourceType,
  serviceAccounts,
  statefulSets,
} from '../../operator/kube/types.ts';
import type { Context } from '../../operator/reconcile/context.ts';
import { asPool, objectsOf } from '../../operator/reconcile/gather.ts';
import { Proofs } from '../../operator/reconcile/gone.ts';
import { readLive } from '../../operator/reconcile/live.ts';
import type { Shelf } from '../../operator/reconcile/shelf.ts';
import { connectionPools, World } from '../../operator/reconcile/world.ts';
import { createLog } from '../../operator/runtime/log.ts';
import { makeNamespace, openRoom, pool, postgres, type Room } from './room.ts';

const namespace = 'live';
const run = {
  id: '1',
  log: createLog('silent'),
  signal: new AbortController().signal,
  failures: 0,
};
let room: Room;
let live: KubeObject;
before(async () => {
  room = await openRoom();
  await makeNamespace(room.client, namespace);
  const account = { apiVersion: 'v1', kind: 'ServiceAccount' };
  const metadata = { namespace, name: 'default' };
  await room.client.create(serviceAccounts, { ...account, metadata });
  live = await room.client.create(connectionPools, pool(namespace));
});
after(() => room?.close());

/** The operator's stores, which see only what is put into them. */
function contextWith(): Context {
  const world = new World({ client: room.client, namespaces: [], operatorNamespace: 'system' });
  const consoles = { records: new Map() };
  return { world, client: room.client, engine: pgbouncer, consoles } as unknown as Context;
}

function see(shelf: Shelf, ...objects: KubeObject[]): void {
  shelf.reflectors[0]?.store.replace(structuredClone(objects), '1');
}

const owned = (owner: KubeObject = live) => {
  const { name, uid = '' } = owner.metadata;
  return {
    namespace,
    name: 'shop-pooler',
    labels: {
      'app.kubernetes.io/managed-by': 'spillway',
      'spillway.dev/pool': 'shop',
      [POOL_UID_LABEL]: uid,
    },
    ownerReferences: [ownerOf({ namespace, name, uid })],
  };
};

function podOf(ordinal: number, uid = live.metadata.uid ?? ''): KubeObject {
  const { ownerReferences: _o, labels, ...metadata } = owned();
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      name: `shop-pooler-${ordinal}`,
      labels: { ...labels, [POOL_UID_LABEL]: uid },
    },
    spec: { containers: [{ name: 'pgbouncer', image: 'pgbouncer' }] },
  };
}

async function make(type: ResourceType, object: KubeObject): Promise<KubeObject> {
  return room.client.create(type, object);
}

const map = (text: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: owned(),
  data: { text },
});

test('files, workload and pods are what the API server has, whatever the stores show', async () => {
  const context = contextWith();
  const before = await make(configMaps, map('8'));
  const gone = await make(pods, podOf(0));
  see(context.world.configMaps, before);
  see(context.world.pods, gone);
  const asked = asPool(live);
  assert.deepEqual(
    objectsOf(context, asked).pods.map((p) => p.metadata?.uid),
    [gone.metadata.uid],
  );

  await room.client.patch(configMaps, before.metadata as { name: string }, { data: { text: '4' } });
  await room.client.delete(pods, { namespace, name: 'shop-pooler-0' }, { gracePeriodSeconds: 0 });
  const next = await make(pods, podOf(0));
  const second = await make(pods, podOf(1));
  await make(pods, { ...podOf(2, 'another'), metadata: podOf(2, 'another').metadata });
  const workload = postgres(namespace, 4, 'shop-pooler');
  const made = await make(statefulSets, { ...workload, metadata: { ...owned() } });

  const read = await readLive(context, asked, run);
  assert.deepEqual(read.configMap?.data, { text: '4' });
  assert.equal(read.statefulSet?.metadata?.resourceVersion, made.metadata.resourceVersion);
  assert.deepEqual(
    read.pods.map((p) => p.metadata?.uid),
    [next.metadata.uid, second.metadata.uid],
  );
  // The stores are as they were: they follow their watches.
  assert.deepEqual(objectsOf(context, asked).configMap?.data, { text: '8' });
});

test('an object that the store has in the same version is that of the store', async () => {
  const context = contextWith();
  const present = await room.client.get(configMaps, { namespace, name: 'shop-pooler' });
  assert.ok(present);
  see(context.world.configMaps, present);
  const read = await readLive(context, asPool(live), run);
  assert.equal(read.configMap, context.world.configMaps.get(namespace, 'shop-pooler'));
});

test('a pool is gone when the API server has said so of all that was made for it, in order', async () => {
  const context = contextWith();
  const proofs = new Proofs();
  const name = 'former';
  const { metadata } = await make(connectionPools, pool(namespace, name));
  const { uid = '' } = metadata;
  const former = { ...owned({ ...live, metadata }), name: 'former-pooler' };
  await make(configMaps, { ...map('8'), metadata: former });
  const pod = {
    ...podOf(0, uid),
    metadata: { ...podOf(0, uid).metadata, name: 'former-pooler-0' },
  };
  await make(pods, pod);
  const look = async () => {
    const isComplete = await proofs.look(context, 'n/budget', [{ uid, namespace, name }], run);
    return [isComplete, proofs.of('n/budget', uid)];
  };
  // No store shows anything of it from the beginning on.
  assert.deepEqual(await look(), [false, undefined]);
  await room.client.delete(connectionPools, { namespace, name });
  assert.deepEqual(await look(), [false, 'pool']);
  // It is made again under its name: that is another one.
  await make(connectionPools, pool(namespace, name));
  assert.deepEqual(await look(), [false, 'pool']);
  await room.client.delete(configMaps, { namespace, name: 'former-pooler' });
  assert.deepEqual(await look(), [false, 'objects']);
  await room.client.delete(pods, { namespace, name: 'former-pooler-0' }, { gracePeriodSeconds: 0 });
  assert.deepEqual(await look(), [true, 'pods']);
  // What has no row any more is forgotten.
  await proofs.look(context, 'n/budget', [], run);
  assert.equal(proofs.of('n/budget', uid), undefined);
});

test('what a store still shows is not asked for', async () => {
  const context = contextWith();
  const proofs = new Proofs();
  const row = { uid: 'seen', namespace, name: 'seen' };
  see(context.world.pods, podOf(7, 'seen'));
  assert.equal(await proofs.look(context, 'n/budget', [row], run), true);
  assert.equal(proofs.of('n/budget', 'seen'), 'pool');
  see(context.world.pods);
  assert.equal(await proofs.look(context, 'n/budget', [row], run), true);
  assert.equal(proofs.of('n/budget', 'seen'), 'pods');
});

test('objects of an earlier pool of the name are not its own', async () => {
  const context = contextWith();
  const { uid: _u, resourceVersion: _v, ...metadata } = live.metadata;
  await room.client.delete(connectionPools, { namespace, name: 'shop' });
  const successor = await make(connectionPools, { ...live, metadata });
  const read = await readLive(context, asPool(successor), run);
  assert.deepEqual(
    [read.configMap, read.statefulSet, read.pods, read.uid],
    [undefined, undefined, [], successor.metadata.uid],
  );
});
