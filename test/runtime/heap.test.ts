import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Heap } from '../../operator/runtime/heap.ts';

test('whatever goes in comes out smallest first, also when pushes and pops alternate', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer(), { nil: undefined })), (steps) => {
      const heap = new Heap<number>((a, b) => a - b);
      let model: number[] = [];
      for (const step of [...steps, ...steps.map(() => undefined)]) {
        if (step !== undefined) {
          heap.push(step);
          model = [...model, step].sort((a, b) => a - b);
        } else {
          assert.equal(heap.peek(), model[0]);
          assert.equal(heap.pop(), model.shift());
        }
        assert.equal(heap.size, model.length);
      }
    }),
  );
});
