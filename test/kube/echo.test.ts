// Our own writes as the watch tells of them: known by the beginning of a line, and told as our own whatever comes first.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Change } from '../../operator/kube/change.ts';
import { Store } from '../../operator/kube/store.ts';
import { type KubeObject, keyOf } from '../../operator/kube/types.ts';
import { broughtBy, parseLine } from '../../operator/kube/watch-line.ts';

function object(version: number, uid = 'u1'): KubeObject {
  const metadata = { name: 'a', namespace: 'ns', uid, resourceVersion: String(version) };
  return { kind: 'ConfigMap', apiVersion: 'v1', metadata };
}

function watched(): { store: Store; told: string[] } {
  const store = new Store();
  store.replace([], '1');
  const told: string[] = [];
  store.onChange((change: Change) => {
    told.push(`${change.type} @${change.new?.metadata.resourceVersion} ${change.source}`);
  });
  return { store, told };
}

test('what the beginning of a line says is what the whole line says', () => {
  const word = fc.string();
  const metadata = fc.record(
    { name: word, generateName: word, namespace: word, uid: word, resourceVersion: word },
    { requiredKeys: ['name', 'uid', 'resourceVersion'] },
  );
  const more = fc.dictionary(fc.constantFrom('uid', 'resourceVersion', 'a'), word);
  let understood = 0;
  fc.assert(
    fc.property(metadata, more, fc.constantFrom('ADDED', 'DELETED'), (meta, labels, type) => {
      const { name, generateName, namespace, uid, resourceVersion } = meta;
      const ordered = { name, generateName, namespace, uid, resourceVersion, labels };
      const whole = { kind: 'ConfigMap', apiVersion: 'v1', metadata: ordered };
      const line = JSON.stringify({ type, object: whole });
      const brought = broughtBy(line);
      if (type === 'DELETED') assert.equal(brought, undefined);
      if (brought === undefined) return;
      understood++;
      const event = parseLine(line);
      assert.notEqual(event.type, 'ERROR');
      if (event.type === 'ERROR') return;
      const read = event.object.metadata;
      assert.deepEqual(brought, { key: keyOf(read), uid: read.uid, version: read.resourceVersion });
    }),
  );
  assert.ok(understood > 10);
});

test('of a custom resource too, whatever its labels, its owners and its spec hold', () => {
  // Pieces that look like the end of metadata, as a value and as a key.
  const hostile = fc.constantFrom(
    '},"spec":{',
    '"name":"x","namespace":"y","resourceVersion":"1","uid":"z"},"spec":{',
    'spec',
    'uid',
    'resourceVersion',
  );
  const word = fc.oneof(fc.string(), hostile);
  const map = fc.dictionary(word, word);
  const metadata = fc.record(
    {
      annotations: map,
      labels: map,
      managedFields: fc.array(fc.record({ fieldsV1: fc.dictionary(word, map) })),
      name: word,
      namespace: word,
      ownerReferences: fc.array(fc.record({ kind: word, name: word, uid: word })),
      resourceVersion: word,
      uid: word,
    },
    { requiredKeys: ['name', 'resourceVersion', 'uid'] },
  );
  let understood = 0;
  fc.assert(
    fc.property(metadata, map, (meta, spec) => {
      const ordered = Object.fromEntries(Object.entries(meta).sort(([a], [b]) => (a < b ? -1 : 1)));
      const whole = { apiVersion: 'x/v1', kind: 'Pool', metadata: ordered, spec: { spec } };
      const line = JSON.stringify({ type: 'MODIFIED', object: whole });
      const brought = broughtBy(line);
      if (brought === undefined) return;
      understood++;
      const { name, namespace, uid, resourceVersion: version } = meta;
      assert.deepEqual(brought, {
        key: keyOf({ name, ...(namespace === undefined ? {} : { namespace }) }),
        uid,
        version,
      });
    }),
    { numRuns: 2000 },
  );
  assert.ok(understood > 50, `${understood}`);
});

test('a line with what the store has already moves its position and tells nobody', () => {
  const { store, told } = watched();
  store.observeWrite(object(5));
  told.length = 0;
  assert.equal(store.applyEcho('ns/a', 'u1', '5'), true);
  assert.equal(store.position, '5');
  assert.equal(store.get('ns/a')?.metadata.resourceVersion, '5');
  assert.deepEqual(told, []);
});

test('a line with another version, another uid or an unknown object is no echo', () => {
  const { store } = watched();
  store.observeWrite(object(5));
  assert.equal(store.applyEcho('ns/a', 'u1', '6'), false);
  assert.equal(store.applyEcho('ns/a', 'u2', '5'), false);
  assert.equal(store.applyEcho('ns/b', 'u1', '5'), false);
  assert.equal(store.position, '1');
});

test('a change that the watch shows before the answer is told once, as our own', async () => {
  const { store, told } = watched();
  await store.writing('ns/a', async () => {
    store.applyEvent('put', object(5));
    assert.equal(store.get('ns/a')?.metadata.resourceVersion, '5');
    assert.deepEqual(told, []);
    return object(5);
  });
  assert.deepEqual(told, ['added @5 write']);
});

test('what somebody else did while we wrote is told after the answer', async () => {
  const { store, told } = watched();
  store.applyEvent('put', object(4));
  told.length = 0;
  await store.writing('ns/a', async () => {
    store.applyEvent('put', object(5));
    store.applyEvent('put', object(6));
    return object(5);
  });
  assert.deepEqual(told, ['updated @5 write', 'updated @6 watch']);
});

test('a write that fails holds nothing back for ever', async () => {
  const { store, told } = watched();
  const failing = store.writing('ns/a', async () => {
    store.applyEvent('put', object(5));
    throw new Error('refused');
  });
  await assert.rejects(failing, /refused/);
  store.applyEvent('put', object(6));
  assert.deepEqual(told, ['added @5 watch', 'updated @6 watch']);
});

test('two writes to one object are both our own, whichever ends first', async () => {
  const { store, told } = watched();
  const first = Promise.withResolvers<KubeObject>();
  const second = Promise.withResolvers<KubeObject>();
  const both = [
    store.writing('ns/a', () => first.promise),
    store.writing('ns/a', () => second.promise),
  ];
  store.applyEvent('put', object(5));
  store.applyEvent('put', object(6));
  second.resolve(object(6));
  await both[1];
  assert.deepEqual(told, []);
  first.resolve(object(5));
  await both[0];
  assert.deepEqual(told, ['added @5 write', 'updated @6 write']);
});
