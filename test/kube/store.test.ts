// The store: indexes, swaps, and the answers of our own writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Change } from '../../operator/kube/change.ts';
import { Store } from '../../operator/kube/store.ts';
import type { KubeObject } from '../../operator/kube/types.ts';

function object(name: string, version: number, extra: Partial<KubeObject> = {}, uid = 'u1') {
  const metadata = { namespace: 'ns', name, uid, resourceVersion: String(version) };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, ...extra } satisfies KubeObject;
}

function watched(): { store: Store; told: string[] } {
  const store = new Store();
  const told: string[] = [];
  store.onChange((change: Change) => {
    const version = (change.new ?? change.old)?.metadata.resourceVersion;
    told.push(`${change.type} ${change.key}@${version} ${change.source}`);
  });
  return { store, told };
}

test('an index finds objects by each of its values, follows changes and forgets', () => {
  const store = new Store();
  const labels = (o: KubeObject) => (Array.isArray(o.tags) ? o.tags.map(String) : []);
  store.replace([object('a', 1, { tags: ['x', 'y'] })], '1');
  store.addIndex('tags', labels);
  const names = (value: string) => store.byIndex('tags', value).map((o) => o.metadata.name);
  assert.deepEqual(names('x'), ['a']);
  store.applyEvent('put', object('b', 2, { tags: ['y'] }));
  assert.deepEqual(names('y'), ['a', 'b']);
  store.applyEvent('put', object('a', 3, { tags: ['z'] }));
  assert.deepEqual([names('x'), names('y'), names('z')], [[], ['b'], ['a']]);
  store.applyEvent('delete', object('b', 4, { tags: ['y'] }));
  assert.deepEqual(names('y'), []);
  assert.throws(() => store.byIndex('other', 'x'), /does not exist/);
});

test('an index function or a listener that throws is reported and stops nothing', () => {
  const errors: unknown[] = [];
  const store = new Store({ onError: (error) => errors.push(error) });
  store.addIndex('bad', () => {
    throw new Error('index');
  });
  store.onChange(() => {
    throw new Error('listener');
  });
  const seen: string[] = [];
  store.onChange((change) => seen.push(change.key));
  store.replace([object('a', 1)], '1');
  assert.deepEqual(seen, ['ns/a']);
  assert.deepEqual(errors.map(String), ['Error: index', 'Error: listener']);
});

test('a list that brings the same versions changes nothing and keeps the objects', () => {
  const { store, told } = watched();
  store.replace([object('a', 1)], '1');
  const before = store.get('ns/a');
  told.length = 0;
  store.replace([store.intern(object('a', 1))], '5');
  assert.equal(store.get('ns/a'), before);
  assert.deepEqual(told, []);
});

test('the answer of our own write is there at once, and its watch line is no second change', () => {
  const { store, told } = watched();
  store.replace([object('a', 1)], '1');
  told.length = 0;
  assert.equal(store.observeWrite(object('a', 5)), true);
  store.applyEvent('put', object('a', 5));
  assert.deepEqual(told, ['updated ns/a@5 write']);
});

test('an older watch line does not take back our own write', () => {
  const { store, told } = watched();
  store.replace([object('a', 1)], '1');
  store.observeWrite(object('a', 5));
  told.length = 0;
  store.applyEvent('put', object('a', 3));
  assert.equal(store.get('ns/a')?.metadata.resourceVersion, '5');
  assert.deepEqual(told, []);
});

test('answers of two of our own writes may come in any order', () => {
  const { store } = watched();
  store.replace([object('a', 1)], '1');
  assert.equal(store.observeWrite(object('a', 6)), true);
  assert.equal(store.observeWrite(object('a', 5)), false);
  assert.equal(store.get('ns/a')?.metadata.resourceVersion, '6');
});

test('an answer that comes after the deletion was seen does not bring the object back', () => {
  const { store } = watched();
  store.replace([object('a', 1)], '1');
  store.applyEvent('put', object('a', 5));
  store.applyEvent('delete', object('a', 6));
  assert.equal(store.observeWrite(object('a', 5)), false);
  assert.equal(store.get('ns/a'), undefined);
});

test('a deletion of the predecessor does not remove the successor that we made', () => {
  const { store, told } = watched();
  store.replace([object('a', 1)], '1');
  store.observeWrite(object('a', 6, {}, 'u2'));
  store.applyEvent('delete', object('a', 5, {}, 'u1'));
  assert.equal(store.get('ns/a')?.metadata.uid, 'u2');
  assert.deepEqual(told.slice(1), ['deleted ns/a@1 write', 'added ns/a@6 write']);
});

test('our own write outlives a list that is older than it', () => {
  const { store } = watched();
  store.replace([object('a', 1)], '1');
  store.observeWrite(object('a', 9));
  store.observeWrite(object('b', 8));
  store.replace([object('a', 4)], '5');
  assert.equal(store.get('ns/a')?.metadata.resourceVersion, '9');
  assert.equal(store.get('ns/b')?.metadata.resourceVersion, '8');
  store.replace([object('a', 9)], '12');
  assert.equal(store.get('ns/b'), undefined);
});

test('a write that the watch never shows (another selection) goes when the watch has passed it', () => {
  const { store, told } = watched();
  store.replace([], '1');
  store.observeWrite(object('a', 5));
  store.advance('4');
  assert.notEqual(store.get('ns/a'), undefined);
  store.advance('6');
  assert.equal(store.get('ns/a'), undefined);
  assert.deepEqual(told, ['added ns/a@5 write', 'deleted ns/a@5 watch']);
});

test('a list from before (a restored etcd) is taken as it is', () => {
  const { store } = watched();
  store.replace([object('a', 100), object('b', 101)], '101');
  store.observeWrite(object('c', 102));
  store.replace([object('a', 40)], '50');
  assert.deepEqual(
    store.list().map((o) => o.metadata.resourceVersion),
    ['40'],
  );
});

test('nothing of our own is taken in before the first list', () => {
  const { store } = watched();
  assert.equal(store.observeWrite(object('a', 5)), false);
  assert.equal(store.synced, false);
});

test('versions that are no numbers are opaque: the watch counts, our own answers do not', () => {
  const store = new Store();
  const at = (version: string) => ({
    ...object('a', 0),
    metadata: { namespace: 'ns', name: 'a', uid: 'u', resourceVersion: version },
  });
  store.replace([at('x')], 'x');
  assert.equal(store.observeWrite(at('z')), false);
  store.applyEvent('put', at('y'));
  assert.equal(store.get('ns/a')?.metadata.resourceVersion, 'y');
});

/**
 * A history of writes of one world, of which the watch shows a growing part and of which some answers
 * reach us, at any time after they were made.
 */
test('whatever the order of watch lines and answers, no key goes back and the end is the truth', () => {
  const write = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    delete: fc.boolean(),
    ours: fc.boolean(),
    lag: fc.nat(6),
    relist: fc.nat(9),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 40 }), fc.nat(5), (writes, watchLag) => {
      const truth = new Map<string, KubeObject>();
      const store = new Store();
      const newest = new Map<string, number>();
      store.onChange((change) => {
        const version = Number((change.new ?? change.old)?.metadata.resourceVersion);
        if (change.type === 'deleted') return;
        assert.ok(version >= (newest.get(change.key) ?? 0), `${change.key} went back`);
        newest.set(change.key, version);
      });
      store.replace([], '10');
      let uid = 0;
      const lines: { at: number; type: 'put' | 'delete'; object: KubeObject }[] = [];
      const answers: { at: number; object: KubeObject }[] = [];
      const deliver = (now: number) => {
        for (const answer of answers.filter(({ at }) => at === now))
          store.observeWrite(answer.object);
        for (const line of lines.filter(({ at }) => at === now)) {
          if (Number(line.object.metadata.resourceVersion) <= Number(store.position)) continue;
          store.applyEvent(line.type, structuredClone(line.object));
        }
      };
      writes.forEach((w, n) => {
        const version = 11 + n;
        const there = truth.get(w.name);
        if (w.delete && there !== undefined) {
          truth.delete(w.name);
          const gone = object(w.name, version, {}, there.metadata.uid);
          lines.push({ at: n + watchLag, type: 'delete', object: gone });
        } else {
          const made = object(w.name, version, {}, there?.metadata.uid ?? `u${uid++}`);
          truth.set(w.name, made);
          lines.push({ at: n + watchLag, type: 'put', object: made });
          if (w.ours) answers.push({ at: n + w.lag, object: structuredClone(made) });
        }
        if (w.relist === 0) store.replace([...truth.values()], String(version));
        deliver(n);
      });
      for (let n = writes.length; n < writes.length + 10; n++) deliver(n);
      store.advance(String(11 + writes.length));
      const view = (objects: Iterable<KubeObject>) =>
        [...objects].map(
          (o) => `${o.metadata.name} ${o.metadata.uid}@${o.metadata.resourceVersion}`,
        );
      assert.deepEqual(view(store.list()).sort(), view(truth.values()).sort());
    }),
    { numRuns: 300 },
  );
});
