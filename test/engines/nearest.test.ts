// The nearest name for "did you mean".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nearest } from '../../operator/engines/nearest.ts';

const names = ['replicas', 'resources', 'image', 'service', 'mode'];

test('A misspelling finds its name, another word does not', () => {
  const table: readonly [string, string | undefined][] = [
    ['replica', 'replicas'],
    ['Replicas', 'replicas'],
    ['ressources', 'resources'],
    ['imgae', 'image'],
    ['mod', 'mode'],
    ['something', undefined],
    ['x'.repeat(1000), undefined],
    ['', undefined],
  ];
  for (const [name, found] of table) assert.equal(nearest(name, names), found, name);
});

test('A name finds itself', () => {
  fc.assert(fc.property(fc.constantFrom(...names), (name) => nearest(name, names) === name));
});
