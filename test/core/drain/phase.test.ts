// When a pod's clients may be closed, and how hard.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { phaseOf } from '../../../operator/core/drain/phase.ts';
import { DRAINING_ANNOTATION, SERVING_LABEL } from '../../../operator/core/pool/labels.ts';
import type { RawObject } from '../../../operator/postgres/adapter.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const at = (seconds: number) => START + seconds * 1000;
const rfc = (seconds: number) => new Date(at(seconds)).toISOString();

const drained: RawObject = {
  metadata: {
    labels: { [SERVING_LABEL]: 'false' },
    annotations: { [DRAINING_ANNOTATION]: rfc(0) },
  },
};
function deleted(grace: number, more: RawObject = {}): RawObject {
  return {
    metadata: {
      ...more.metadata,
      deletionTimestamp: rfc(grace),
      deletionGracePeriodSeconds: grace,
    },
  };
}
const phases = (pod: RawObject, seconds: readonly number[], others = true) =>
  seconds.map((s) => phaseOf(pod, at(s), 60, others));

test('a pod that serves is let alone', () => {
  assert.deepEqual(phases({ metadata: { labels: { [SERVING_LABEL]: 'true' } } }, [0, 99]), [
    undefined,
    undefined,
  ]);
});

test('a drain becomes harder in its second half, and says its last word before its limit', () => {
  assert.deepEqual(phases(drained, [0, 29, 30, 56, 57, 99]), [
    'first',
    'first',
    'second',
    'second',
    'last',
    'last',
  ]);
});

test('at a deleted pod there is time only as long as its preStop lasts, and in the end no transaction begins', () => {
  const pod = deleted(300);
  assert.deepEqual(phases(pod, [0, 4, 6, 8, 10, 11, 12, 15, 200]), [
    'first',
    'first',
    'second',
    'second',
    'end',
    'end',
    undefined,
    undefined,
    undefined,
  ]);
});

test('a grace period that is shorter than the preStop ends it', () => {
  assert.deepEqual(phases(deleted(5), [0, 1, 2, 3]), ['first', 'end', undefined, undefined]);
  assert.deepEqual(phases(deleted(1), [0, 1]), [undefined, undefined]);
});

test('the clients of the only pod are let alone until it is about to end', () => {
  assert.deepEqual(phases(deleted(300), [0, 8, 9, 11, 12], false), [
    undefined,
    undefined,
    'lone',
    'end',
    undefined,
  ]);
});

test('a pod that was drained in vain is not closed more gently again', () => {
  assert.deepEqual(phases(deleted(300, drained), [0, 9, 11, 12]), [
    'last',
    'last',
    'end',
    undefined,
  ]);
});
