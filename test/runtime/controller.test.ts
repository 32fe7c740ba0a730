// The controller loop: what becomes of a key after each outcome.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  after,
  backoff,
  Controller,
  type ControllerOptions,
  done,
  type Outcome,
  type Run,
  terminal,
} from '../../operator/runtime/controller.ts';
import { createLog } from '../../operator/runtime/log.ts';
import { eventually } from '../kube/help.ts';
import { FakeClock } from './fake-clock.ts';

type Options = Partial<ControllerOptions>;

/** A controller whose runs end with the outcomes given, one after the other, then `done`. */
function controller(outcomes: (Outcome | Error)[], options: Options = {}) {
  const clock = new FakeClock();
  const runs: { key: string; run: Run }[] = [];
  const lines: Record<string, unknown>[] = [];
  const log = createLog('debug', { write: (line) => void lines.push(JSON.parse(line)) });
  const made = new Controller({
    name: 'test',
    log,
    clock,
    reconcile: async (key, run) => {
      runs.push({ key, run });
      const outcome = outcomes.shift() ?? done;
      if (outcome instanceof Error) throw outcome;
      return outcome;
    },
    ...options,
  });
  const settled = async (count: number) => {
    await eventually(() => {
      assert.equal(runs.length, count);
      assert.equal(made.queue.working, 0);
    });
  };
  return { clock, made, runs, lines, settled };
}

test('done asks for nothing more', async () => {
  const t = controller([done]);
  t.made.queue.add('a');
  t.made.start();
  await t.settled(1);
  assert.deepEqual([t.made.queue.length, t.made.queue.waiting], [0, 0]);
  await t.made.stop();
});

test('after asks for another look at its time, and is no failure', async () => {
  const t = controller([after(30)]);
  t.made.queue.add('a');
  t.made.start();
  await t.settled(1);
  t.clock.pass(29);
  await t.settled(1);
  t.clock.pass(2);
  await t.settled(2);
  assert.equal(t.runs[1]?.run.failures, 0);
  await t.made.stop();
});

test('after ends a row of failures', async () => {
  const t = controller([backoff(new Error('one')), after(30), backoff(new Error('two'))]);
  t.made.queue.add('a');
  t.made.start();
  await t.settled(1);
  t.clock.pass(0.006);
  await t.settled(2);
  t.clock.pass(31);
  await t.settled(3);
  assert.equal(t.made.queue.failures('a'), 1);
  await t.made.stop();
});

test('backoff and an exception come again after a growing pause, and are counted', async () => {
  const t = controller([backoff(new Error('one')), new Error('two'), done, done]);
  t.made.queue.add('a');
  t.made.start();
  await t.settled(1);
  t.clock.pass(0.006);
  await t.settled(2);
  t.clock.pass(0.006);
  await t.settled(2);
  t.clock.pass(0.006);
  await t.settled(3);
  t.made.queue.add('a');
  await t.settled(4);
  assert.deepEqual(
    t.runs.map(({ run }) => run.failures),
    [0, 1, 2, 0],
  );
  assert.deepEqual(
    t.lines.map(({ err }) => (err as { message: string }).message),
    ['one', 'two'],
  );
  await t.made.stop();
});

test('terminal is not tried again, and says why', async () => {
  const t = controller([terminal('the spec is wrong')]);
  t.made.queue.add('a');
  t.made.start();
  await t.settled(1);
  assert.equal(t.made.queue.waiting, 0);
  assert.equal(t.lines[0]?.reason, 'the spec is wrong');
  await t.made.stop();
});

test('each run has an id of its own, which is in its log lines with the key', async () => {
  const t = controller([], {
    reconcile: async (_key, run) => {
      run.log.info('here');
      return done;
    },
  });
  t.made.queue.add('ns/a');
  t.made.queue.add('ns/b');
  t.made.start();
  await eventually(() => assert.equal(t.lines.length, 2));
  assert.deepEqual(
    t.lines.map(({ key, controller }) => [key, controller]),
    [
      ['ns/a', 'test'],
      ['ns/b', 'test'],
    ],
  );
  assert.notEqual(t.lines[0]?.run, t.lines[1]?.run);
  await t.made.stop();
});

test('so many workers run at once, and never two with the same key', async () => {
  const gate = Promise.withResolvers<void>();
  const running: string[] = [];
  let most = 0;
  const t = controller([], {
    workers: 3,
    reconcile: async (key) => {
      assert.ok(!running.includes(key));
      running.push(key);
      most = Math.max(most, running.length);
      await gate.promise;
      running.splice(running.indexOf(key), 1);
      return done;
    },
  });
  for (const key of ['a', 'b', 'c', 'd', 'e']) t.made.queue.add(key);
  t.made.start();
  await eventually(() => assert.equal(running.length, 3));
  for (const key of ['a', 'b', 'c']) t.made.queue.add(key);
  gate.resolve();
  await eventually(() => assert.equal(t.made.queue.length + t.made.queue.working, 0));
  assert.equal(most, 3);
  await t.made.stop();
});

test('a run whose deadline is over is told by its signal', async () => {
  const t = controller([], {
    deadlineSeconds: 0.01,
    reconcile: (_key, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
  });
  t.made.queue.add('a');
  t.made.start();
  await eventually(() => assert.equal(t.lines.length, 1));
  assert.match(JSON.stringify(t.lines[0]), /deadline of this run is over/);
  await t.made.stop();
});

test('stop finishes what is in hand and takes nothing more; abort tells the runs', async () => {
  for (const how of ['stop', 'abort'] as const) {
    const gate = Promise.withResolvers<void>();
    const seen: string[] = [];
    const t = controller([], {
      reconcile: async (key, { signal }) => {
        seen.push(key);
        await gate.promise;
        seen.push(signal.aborted ? 'aborted' : 'finished');
        return after(1);
      },
    });
    t.made.queue.add('a');
    t.made.queue.add('b');
    t.made.start();
    await eventually(() => assert.deepEqual(seen, ['a']));
    const over = how === 'stop' ? t.made.stop() : t.made.abort('leadership lost');
    gate.resolve();
    await over;
    assert.deepEqual(seen, ['a', how === 'stop' ? 'finished' : 'aborted']);
    assert.equal(t.clock.pending, 0);
  }
});
