import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Lines } from '../../operator/kube/lines.ts';

test('whatever pieces the bytes come in, the lines are the same, characters included', () => {
  const line = fc.string({ unit: 'grapheme', minLength: 1 }).filter((s) => !s.includes('\n'));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.integer({ min: 1, max: 9 })), (wanted, sizes) => {
      const bytes = Buffer.from(wanted.map((text) => `${text}\n`).join(''), 'utf8');
      const got: string[] = [];
      const lines = new Lines((text) => got.push(text));
      let at = 0;
      for (let n = 0; at < bytes.length; n++) {
        const size = sizes[n % Math.max(1, sizes.length)] ?? 4;
        lines.push(bytes.subarray(at, at + size));
        at += size;
      }
      assert.deepEqual(
        got,
        wanted.map((text) => Buffer.from(text, 'utf8').toString('utf8')),
      );
      assert.equal(lines.pending, 0);
    }),
  );
});

test('a line that is cut off at the end is not handed on', () => {
  const got: string[] = [];
  const lines = new Lines((text) => got.push(text));
  lines.push(Buffer.from('one\ntw'));
  assert.deepEqual(got, ['one']);
  assert.equal(lines.pending, 2);
});

test('a line without end is refused before it fills the memory', () => {
  const lines = new Lines(() => undefined, 100);
  lines.push(Buffer.alloc(90, 'x'));
  assert.throws(() => lines.push(Buffer.alloc(90, 'x')), /longer than 100 bytes/);
});
