// What is written over what, against a real API server: an object that says how much may be opened is written only
// over the one that it was planned from.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isConflict } from '../../operator/kube/errors.ts';
import { configMaps, type KubeObject } from '../../operator/kube/types.ts';
import { connectionPools } from '../../operator/reconcile/world.ts';
import { Writer } from '../../operator/reconcile/writer.ts';
import { makeNamespace, openRoom, pool, type Room } from './room.ts';

const namespace = 'writer';
let room: Room;
let writer: Writer;
let owner: KubeObject;
before(async () => {
  room = await openRoom();
  await makeNamespace(room.client, namespace);
  owner = await room.client.create(connectionPools, pool(namespace));
  const { client } = room;
  writer = new Writer({
    client,
    writing: (_type, _ref, write) => write(),
    stored: () => undefined,
  });
});
after(() => room?.close());

const manifestOf = (name: string, text: string, uid = owner.metadata.uid ?? ''): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    namespace,
    name,
    annotations: { 'spillway.dev/epoch': text },
    ownerReferences: [
      {
        apiVersion: owner.apiVersion,
        kind: owner.kind,
        name: owner.metadata.name,
        uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  },
  data: { text },
});
const read = (name: string) => room.client.get(configMaps, { namespace, name });
const textOf = async (name: string) => {
  const { data, metadata } = (await read(name)) ?? { data: undefined, metadata: undefined };
  return [(data as { text: string }).text, metadata?.annotations?.['spillway.dev/epoch']];
};
const put = (name: string, text: string, live: KubeObject | undefined, guarded = true) =>
  writer.ensure(
    {
      type: configMaps,
      manifest: manifestOf(name, text),
      hash: text,
      ownerUid: owner.metadata.uid ?? '',
      live,
      guarded,
    },
    new AbortController().signal,
  );

test('what was planned for an object that is not there is not written over one that is', async () => {
  await put('late', '8', undefined);
  await assert.rejects(put('late', '4', undefined), isConflict);
  assert.deepEqual(await textOf('late'), ['8', '8']);
});

test('what says nothing of capacity is brought into its state also then', async () => {
  await put('free', '8', undefined, false);
  await put('free', '4', undefined, false);
  assert.deepEqual(await textOf('free'), ['4', '4']);
});

test('a write goes over the version that it was planned from, and over no later one', async () => {
  await put('versions', '1', undefined);
  const first = await read('versions');
  await put('versions', '2', first);
  await assert.rejects(put('versions', '3', first), isConflict);
  assert.deepEqual(await textOf('versions'), ['2', '2']);
  await put('versions', '3', await read('versions'));
  assert.deepEqual(await textOf('versions'), ['3', '3']);
});

test('an object of somebody else under the name is told, not written', async () => {
  await room.client.create(configMaps, {
    ...manifestOf('theirs', '9'),
    metadata: { namespace, name: 'theirs' },
  });
  const result = await put('theirs', '4', undefined);
  assert.equal(result.kind, 'foreign');
  assert.equal((await textOf('theirs'))[0], '9');
});
