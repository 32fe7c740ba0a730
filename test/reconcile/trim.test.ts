// What the stores keep of an object, and that the writer still compares all of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EPOCH_ANNOTATION } from '../../operator/core/pool/labels.ts';
import { trimOwned, wholeOf } from '../../operator/reconcile/trim.ts';

const object = () => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: 'shop-pooler',
    namespace: 'shop',
    annotations: { [EPOCH_ANNOTATION]: '7', 'theirs/note': 'yes' },
  },
  data: { key: 'text' },
});

test('of the annotations the epoch is kept, because plans are made from it', () => {
  for (const ours of [false, true]) {
    assert.deepEqual(trimOwned(object(), ours).metadata.annotations, { [EPOCH_ANNOTATION]: '7' });
  }
  const { annotations: _a, ...metadata } = object().metadata;
  assert.equal(trimOwned({ ...object(), metadata }, false).metadata.annotations, undefined);
});

test('what was read and not compared yet still has all of its annotations', () => {
  const { annotations } = wholeOf(trimOwned(object(), false))?.metadata ?? {};
  assert.deepEqual(annotations, object().metadata.annotations);
});
