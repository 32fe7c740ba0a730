// Names, labels, and the way back from them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isOwnedBy, labelsOf, ownerOf, poolKeyOf } from '../../../operator/core/pool/labels.ts';
import {
  fileKey,
  holderName,
  MAX_PODS,
  MAX_POOL_NAME,
  MAX_PROCESSES,
  namesOf,
  ordinalOf,
  parseFileKey,
  peerIdOf,
  placeOfHolder,
  podName,
} from '../../../operator/core/pool/names.ts';

const poolNames = fc
  .string({
    unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-'),
    minLength: 1,
    maxLength: MAX_POOL_NAME - 2,
  })
  .map((inner) => `a${inner}z`);
const ordinals = fc.nat({ max: MAX_PODS - 1 });

test('every name of the longest pool fits where Kubernetes puts it', () => {
  const pool = 'p'.repeat(MAX_POOL_NAME);
  const names = namesOf(pool);
  for (const service of [names.clientService, names.headlessService]) {
    assert.ok(service.length <= 63, 'a Service is a DNS label');
  }
  assert.ok(podName(pool, MAX_PODS - 1).length <= 63, 'a pod is a host name');
  assert.ok(`${names.statefulSet}-${'h'.repeat(10)}`.length <= 63, 'revision hash label');
  for (const value of Object.values(labelsOf({ namespace: 'n', name: pool, uid: 'u' }))) {
    assert.ok(value.length <= 63, 'a label has at most 63 characters');
  }
});

test('a file key leads back to its holder', () => {
  fc.assert(
    fc.property(
      poolNames,
      ordinals,
      fc.nat({ max: 9 }),
      fc.uuid(),
      fc.nat(),
      (name, ordinal, process, uid, epoch) => {
        const pod = podName(name, ordinal);
        const holder = holderName(pod, process);
        const key = fileKey(holder, uid, epoch);
        const read = { holder, pod, ordinal, process, epoch };
        assert.deepEqual(parseFileKey({ name, uid }, key), read);
        assert.equal(ordinalOf(name, pod), ordinal);
        assert.deepEqual(placeOfHolder(name, holder), { pod, ordinal, process });
        assert.match(key, /^[-._a-zA-Z0-9]{1,253}$/, 'what a ConfigMap takes as a key');
      },
    ),
  );
});

test('a file of a pool is not that of another one that had its name before', () => {
  fc.assert(
    fc.property(
      poolNames,
      ordinals,
      fc.uuid(),
      fc.uuid(),
      fc.nat(),
      (name, ordinal, a, b, epoch) => {
        fc.pre(a !== b);
        const holder = holderName(podName(name, ordinal));
        assert.notEqual(fileKey(holder, a, epoch), fileKey(holder, b, epoch));
        assert.equal(parseFileKey({ name, uid: b }, fileKey(holder, a, epoch)), undefined);
      },
    ),
  );
});

test('what this pool never writes is not taken for its own', () => {
  for (const key of [
    'shop-pooler-0-0.ini',
    'shop-pooler-0-0.1.ini',
    'shop-pooler-0-0.u2.1.ini',
    'shop-pooler-0-0.1.u.ini',
    'shop-pooler-00-0.u.1.ini',
    'shop-pooler-0-0.u.01.ini',
    'other-pooler-0-0.u.1.ini',
    'shop-pooler-x-0.u.1.ini',
    'shop-pooler-0-0.u.1.ini.bak',
    'shop-pooler-0.u.1.ini',
    'u.1.ini',
    '',
  ]) {
    assert.equal(parseFileKey({ name: 'shop', uid: 'u' }, key), undefined, key);
  }
  assert.ok(parseFileKey({ name: 'shop', uid: 'u' }, 'shop-pooler-0-0.u.1.ini'));
  assert.equal(ordinalOf('shop', 'shop-pooler'), undefined);
  assert.equal(ordinalOf('shop', 'shop-pooler-1-0'), undefined);
  assert.equal(ordinalOf('shop', 'shop-2-pooler-1'), undefined);
});

test('every process of a pool has a peer id of its own, in the range that PgBouncer takes', () => {
  const ids = new Set<number>();
  for (let process = 0; process < MAX_PROCESSES; process++) {
    for (let ordinal = 0; ordinal < MAX_PODS; ordinal++) ids.add(peerIdOf(ordinal, process));
  }
  assert.equal(ids.size, MAX_PODS * MAX_PROCESSES);
  assert.ok(Math.min(...ids) >= 1 && Math.max(...ids) <= 16383);
  assert.throws(() => peerIdOf(MAX_PODS), RangeError);
});

test('an object leads back to its pool by its owner, a pod by its labels', () => {
  const pool = { namespace: 'shop', name: 'web', uid: 'u1' };
  const owned = { namespace: 'shop', ownerReferences: [ownerOf(pool)] };
  assert.equal(poolKeyOf(owned), 'shop/web');
  assert.equal(poolKeyOf({ namespace: 'shop', labels: labelsOf(pool) }), 'shop/web');
  assert.equal(poolKeyOf({ namespace: 'shop', labels: { app: 'web' } }), undefined);
  assert.ok(isOwnedBy(owned, pool));
  assert.ok(!isOwnedBy(owned, { ...pool, uid: 'u2' }), 'a pool of the same name is another pool');
  assert.ok(!isOwnedBy({ namespace: 'shop', labels: labelsOf(pool) }, pool));
});
