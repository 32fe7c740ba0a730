// The queue: tables for each promise, and a property against a model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Queue } from '../../operator/runtime/queue.ts';
import { FakeClock } from './fake-clock.ts';

function setup() {
  const clock = new FakeClock();
  const queue = new Queue({ clock });
  /** Takes all that is due now, and gives it back at once. */
  const drain = async () => {
    const keys: string[] = [];
    while (queue.length > 0) {
      const key = await queue.take();
      if (key === undefined) break;
      keys.push(key);
      queue.done(key);
    }
    return keys;
  };
  return { clock, queue, drain };
}

test('keys come out once each, in the order in which they came', async () => {
  const { queue, drain } = setup();
  for (const key of ['a', 'b', 'a', 'c', 'b']) queue.add(key);
  assert.deepEqual(await drain(), ['a', 'b', 'c']);
});

test('a worker that waits is given the next key', async () => {
  const { queue } = setup();
  const taken = queue.take();
  queue.add('a');
  assert.equal(await taken, 'a');
  assert.deepEqual([queue.length, queue.working], [0, 1]);
});

test('a key in work is not handed out a second time, but once more afterwards', async () => {
  const { queue, drain } = setup();
  queue.add('a');
  assert.equal(await queue.take(), 'a');
  queue.add('a');
  queue.add('a');
  queue.add('b');
  assert.equal(await queue.take(), 'b');
  queue.done('b');
  assert.equal(queue.length, 0);
  queue.done('a');
  assert.deepEqual(await drain(), ['a']);
});

test('of several appointments the earliest wins, whatever the order', async () => {
  for (const order of [
    [5, 2, 9],
    [2, 9, 5],
    [9, 5, 2],
  ]) {
    const { clock, queue, drain } = setup();
    for (const seconds of order) queue.addAfter('a', seconds);
    clock.pass(1.9);
    assert.deepEqual(await drain(), []);
    clock.pass(0.2);
    assert.deepEqual(await drain(), ['a']);
    clock.pass(100);
    assert.deepEqual(await drain(), []);
  }
});

test('a run cancels the appointment, and one made during the run is kept', async () => {
  const { clock, queue, drain } = setup();
  queue.addAfter('a', 10);
  queue.add('a');
  assert.equal(await queue.take(), 'a');
  queue.addAfter('a', 50);
  queue.done('a');
  clock.pass(20);
  assert.deepEqual(await drain(), []);
  clock.pass(40);
  assert.deepEqual(await drain(), ['a']);
});

test('no time, or none that makes sense, means now', async () => {
  for (const seconds of [0, -1, Number.NaN]) {
    const { queue, drain } = setup();
    queue.addAfter('a', seconds);
    assert.deepEqual(await drain(), ['a']);
  }
});

test('the pause after failures doubles from 5 ms to the cap, for each key alone, until forgotten', () => {
  const clock = new FakeClock();
  const queue = new Queue({ clock, maxBackoffSeconds: 0.03 });
  const pauses = Array.from({ length: 5 }, () => queue.addBackoff('a'));
  assert.deepEqual(pauses, [0.005, 0.01, 0.02, 0.03, 0.03]);
  assert.equal(queue.addBackoff('b'), 0.005);
  assert.equal(queue.failures('a'), 5);
  queue.forget('a');
  assert.equal(queue.addBackoff('a'), 0.005);
  const patient = new Queue({ clock });
  for (let n = 0; n < 2000; n++) patient.addBackoff('a');
  assert.equal(patient.addBackoff('a'), 1000);
});

test('a key that is added before its pause is over runs at once', async () => {
  const { clock, queue, drain } = setup();
  for (let n = 0; n < 15; n++) queue.addBackoff('a');
  queue.add('a');
  clock.pass(0.001);
  assert.deepEqual(await drain(), ['a']);
  clock.pass(2000);
  assert.deepEqual(await drain(), []);
});

test('shutting down waits for the keys in hand, drops the others and leaves no timer', async () => {
  const { clock, queue } = setup();
  queue.add('a');
  queue.add('b');
  queue.addAfter('c', 5);
  assert.equal(await queue.take(), 'a');
  let over = false;
  const drained = queue.shutDown().then(() => {
    over = true;
  });
  queue.add('d');
  queue.addAfter('a', 1);
  assert.equal(await queue.take(), undefined);
  assert.equal(over, false);
  queue.done('a');
  await drained;
  assert.equal(clock.pending, 0);
  assert.deepEqual([queue.length, queue.waiting, queue.working], [0, 0, 0]);
});

test('workers that wait are sent home by the shutdown', async () => {
  const { queue } = setup();
  const waiting = [queue.take(), queue.take()];
  await queue.shutDown();
  assert.deepEqual(await Promise.all(waiting), [undefined, undefined]);
});

test('against a model: one worker for each key, nothing lost, nothing too late', async () => {
  const key = fc.constantFrom('a', 'b', 'c');
  const command = fc.oneof(
    fc.record({ do: fc.constant('add' as const), key }),
    fc.record({ do: fc.constant('after' as const), key, seconds: fc.integer({ min: 1, max: 9 }) }),
    fc.record({ do: fc.constant('take' as const) }),
    fc.record({ do: fc.constant('done' as const), key }),
    fc.record({ do: fc.constant('pass' as const), seconds: fc.integer({ min: 1, max: 5 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
      const { clock, queue } = setup();
      const ready: string[] = [];
      const working = new Set<string>();
      const dirty = new Set<string>();
      const due = new Map<string, number>();
      const add = (key: string) => {
        if (working.has(key)) dirty.add(key);
        else if (!ready.includes(key)) ready.push(key);
      };
      for (const c of commands) {
        if (c.do === 'add') {
          queue.add(c.key);
          add(c.key);
        } else if (c.do === 'after') {
          queue.addAfter(c.key, c.seconds);
          const at = clock.now() + c.seconds * 1000;
          due.set(c.key, Math.min(at, due.get(c.key) ?? at));
        } else if (c.do === 'take' && ready.length > 0) {
          const want = ready.shift();
          assert.equal(await queue.take(), want);
          if (want !== undefined) {
            working.add(want);
            due.delete(want);
          }
        } else if (c.do === 'done' && working.delete(c.key)) {
          queue.done(c.key);
          if (dirty.delete(c.key)) add(c.key);
        } else if (c.do === 'pass') {
          const end = clock.now() + c.seconds * 1000;
          clock.pass(c.seconds);
          const now = [...due].filter(([, at]) => at <= end).sort((x, y) => x[1] - y[1]);
          // Of those due in the same moment any order is fine: take the queue's.
          const moments = new Set(now.map(([, at]) => at));
          if (moments.size < now.length) return;
          for (const [key] of now) {
            due.delete(key);
            add(key);
          }
        }
        assert.deepEqual(
          [queue.length, queue.working, queue.waiting],
          [ready.length, working.size, due.size],
        );
      }
      await Promise.resolve();
    }),
    { numRuns: 500 },
  );
});
