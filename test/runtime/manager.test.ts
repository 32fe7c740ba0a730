// The manager: the order of starting and stopping, and its bounds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Controller, done } from '../../operator/runtime/controller.ts';
import { HttpServer } from '../../operator/runtime/http.ts';
import { createLog } from '../../operator/runtime/log.ts';
import {
  type LeadershipCallbacks,
  Manager,
  type ManagerOptions,
  type Source,
} from '../../operator/runtime/manager.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { eventually } from '../kube/help.ts';

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function setup(options: Partial<ManagerOptions> = {}) {
  const story: string[] = [];
  const log = createLog('silent');
  const port = Promise.withResolvers<number>();
  const http = new HttpServer({ port: 0, host: '127.0.0.1', registry: new Metrics().registry });
  const start = http.start.bind(http);
  http.start = async () => {
    const taken = await start();
    port.resolve(taken);
    return taken;
  };
  const ready = Promise.withResolvers<void>();
  let isReady = false;
  void ready.promise.then(() => {
    isReady = true;
  });
  const source: Source = {
    name: 'pods',
    whenReady: ready.promise,
    get ready() {
      return isReady;
    },
    run: async (signal) => {
      story.push('source starts');
      await untilAborted(signal);
      story.push('source stops');
    },
  };
  const gate = Promise.withResolvers<void>();
  const controller = new Controller({
    name: 'pool',
    log,
    reconcile: async (key, { signal }) => {
      story.push(`run ${key} starts`);
      await Promise.race([gate.promise, untilAborted(signal)]);
      story.push(`run ${key} ${signal.aborted ? 'aborted' : 'ends'}`);
      return done;
    },
  });
  let callbacks: LeadershipCallbacks | undefined;
  const leadership = {
    leading: true,
    run: async (signal: AbortSignal, given: LeadershipCallbacks) => {
      callbacks = given;
      story.push('campaign');
      given.onStarted();
      await untilAborted(signal);
      story.push('renewal ends');
    },
    release: async () => {
      story.push('lease given back');
    },
  };
  const manager = new Manager({
    log,
    http,
    sources: [source],
    controllers: [controller],
    leadership,
    onLeading: () => void story.push('leading'),
    onClose: () => void story.push('closed'),
    closeSeconds: 0.2,
    ...options,
  });
  return {
    story,
    manager,
    ready,
    gate,
    controller,
    source,
    lose: () => callbacks?.onStopped('lost'),
    get: async (path: string) =>
      (await fetch(`http://127.0.0.1:${await port.promise}${path}`)).status,
  };
}

test('controllers start when the sources are ready and the lease is ours; a stop finishes the run in hand and then gives it back', async () => {
  const t = setup();
  t.controller.queue.add('a');
  t.controller.queue.add('b');
  const code = t.manager.run();
  assert.equal(await t.get('/livez'), 200);
  assert.equal(await t.get('/readyz'), 503);
  t.ready.resolve();
  await eventually(() => assert.equal(t.story.at(-1), 'run a starts'));
  assert.equal(await t.get('/readyz'), 200);
  assert.equal(t.manager.acting, true);
  t.manager.stop('SIGTERM');
  t.manager.stop('SIGTERM');
  assert.equal(await t.get('/readyz'), 503);
  t.gate.resolve();
  assert.equal(await code, 0);
  assert.deepEqual(t.story, [
    'source starts',
    'campaign',
    'leading',
    'run a starts',
    'run a ends',
    'renewal ends',
    'lease given back',
    'source stops',
    'closed',
  ]);
  await assert.rejects(t.get('/livez'));
});

test('lost leadership aborts the runs at once, gives nothing back and ends with 1', async () => {
  const t = setup({ closeSeconds: 3600 });
  t.controller.queue.add('a');
  t.ready.resolve();
  const code = t.manager.run();
  await eventually(() => assert.equal(t.story.at(-1), 'run a starts'));
  t.lose();
  assert.equal(await code, 1);
  assert.ok(t.story.includes('run a aborted'));
  assert.ok(!t.story.includes('lease given back'));
});

test('a stop while another leads ends the campaign', async () => {
  const story: string[] = [];
  const leadership = {
    leading: false,
    run: async (signal: AbortSignal) => {
      story.push('campaign');
      await untilAborted(signal);
      story.push('over');
    },
    release: async () => void story.push('release'),
  };
  const t = setup({ leadership, closeSeconds: 3600 });
  t.controller.queue.add('a');
  t.ready.resolve();
  const code = t.manager.run();
  await eventually(() => assert.deepEqual(story, ['campaign']));
  assert.equal(await t.get('/readyz'), 200);
  t.manager.stop('SIGTERM');
  assert.equal(await code, 0);
  assert.deepEqual(story, ['campaign', 'over', 'release']);
  assert.ok(!t.story.includes('run a starts'));
});

test('a run that does not finish in time is aborted, and the stop goes on', async () => {
  const t = setup({ drainSeconds: 0.02 });
  t.controller.queue.add('a');
  t.ready.resolve();
  const code = t.manager.run();
  await eventually(() => assert.equal(t.story.at(-1), 'run a starts'));
  t.manager.stop('SIGTERM');
  assert.equal(await code, 0);
  assert.deepEqual(t.story.slice(-5), [
    'run a aborted',
    'renewal ends',
    'lease given back',
    'source stops',
    'closed',
  ]);
});

test('a stop before the sources are ready never campaigns', async () => {
  const t = setup({ closeSeconds: 3600 });
  const code = t.manager.run();
  await eventually(() => assert.deepEqual(t.story, ['source starts']));
  t.manager.stop('SIGTERM');
  assert.equal(await code, 0);
  assert.ok(!t.story.includes('campaign'));
});

test('a source or a start that fails ends the process with 1', async () => {
  const failing = setup();
  failing.source.run = () => Promise.reject(new Error('broken'));
  assert.equal(await failing.manager.run(), 1);
  const refusing = setup({ onLeading: () => Promise.reject(new Error('broken')) });
  refusing.ready.resolve();
  assert.equal(await refusing.manager.run(), 1);
});

test('a close that hangs is left behind', async () => {
  const t = setup({ onClose: () => new Promise(() => undefined), closeSeconds: 0.02 });
  t.ready.resolve();
  const code = t.manager.run();
  t.manager.stop('SIGTERM');
  assert.equal(await code, 0);
});
