// Answers of which only the beginning is read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answered, readBriefly } from '../../operator/kube/brief.ts';

const metadata = {
  name: 'a',
  namespace: 'ns',
  uid: 'u-1',
  resourceVersion: '12',
  generation: 3,
  creationTimestamp: '2026-01-01T00:00:00Z',
};
const answer = (more: object) =>
  JSON.stringify({
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { ...metadata, ...more },
  });

test('the beginning of an answer says uid, version and generation, whatever follows it', () => {
  const hostile = { annotations: { '"uid":"x"': '"resourceVersion":"99"' }, labels: { uid: 'y' } };
  assert.deepEqual(readBriefly(answer(hostile)), JSON.parse(answer({})));
});

test('an answer that begins in another way is read whole', () => {
  const whole = { apiVersion: 'v1', kind: 'Secret', metadata, data: {} };
  assert.deepEqual(readBriefly(JSON.stringify(whole)), whole);
  assert.throws(() => readBriefly('<html>'));
  assert.throws(() => readBriefly(answer({}).slice(0, 40)));
});

test('what was sent gets what the answer adds, and what was read before is replaced', () => {
  const sent = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'a', namespace: 'ns', uid: 'u-1', resourceVersion: '11' },
    data: { a: 'b' },
  };
  assert.deepEqual(answered(sent, { metadata }), { ...sent, metadata });
  assert.equal(sent.metadata.resourceVersion, '11');
});
