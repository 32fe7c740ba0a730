// A pause on a real cluster: clients wait and go on, whoever restarts meanwhile.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { get, type Resource } from '../cluster/e2e.ts';
import { sleep, until } from '../cluster/run.ts';
import { Bench, Watch } from './load.ts';
import { killOperator, killProcesses, lease, restartOperator, takeCluster } from './operator.ts';
import { conditionOf, poolKind, Scene } from './scene.ts';

/** A new leader reads what there is, and asks the pods. */
const READING_SECONDS = 10;

let giveBack: (() => Promise<void>) | undefined;
let scene: Scene;
before(async () => {
  giveBack = await takeCluster();
  scene = await Scene.make('pause');
  await scene.pool('shop');
});
after(async () => {
  await scene?.remove();
  await giveBack?.();
});

/** Applies a pause, or takes it away, and returns how long it took until status says so; milliseconds. */
async function pause(value: object | null, reason: string): Promise<number> {
  const started = performance.now();
  await scene.patch(poolKind, 'shop', { spec: { pause: value } });
  await scene.until('shop', (status) => conditionOf(status, 'Paused')?.reason === reason);
  return Math.round(performance.now() - started);
}

async function paused(): Promise<string[]> {
  const pods = await scene.pods('shop');
  return Promise.all(
    pods.map(async ({ metadata: { name } }) => {
      const state = await scene.console('shop', name, 'SHOW STATE');
      return String(state.find((row) => row.key === 'paused')?.value);
    }),
  );
}

test('pgbench waits for five seconds and fails no transaction', async () => {
  const bench = await Bench.start(scene, 'shop');
  await until('it runs', 30, async () => (await sessions()) > 1);
  const begun = await pause({}, 'Paused');
  // The server needs a moment to see that a session has been closed.
  await until('no session is left', 10, async () => (await sessions()) === 0);
  const watch = new Watch(scene);
  await sleep(5000);
  await watch.stop();
  assert.equal(watch.max('sessions'), 0);
  assert.equal(conditionOf(await scene.status('shop'), 'Ready')?.status, 'True');
  const ended = await pause(null, 'Resumed');
  await until('it goes on', 30, async () => (await sessions()) > 1);
  const { transactions, failed } = await bench.stop();
  console.log(
    `paused after ${begun} ms, resumed after ${ended} ms; ${transactions} transactions, ${failed} failed`,
  );
  assert.equal(failed, 0);
});

async function sessions(): Promise<number> {
  const [row] = await scene.root(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = 'app'",
  );
  return Number(row?.n);
}

test('a pooler that restarts is paused again, and no pod may go', async () => {
  await pause({}, 'Paused');
  const [first] = await scene.pods('shop');
  assert.ok(killProcesses(first?.metadata.uid ?? '', 'pgbouncer') > 0);
  await until('it is another process', 30, async () => {
    const [now] = await scene.pods('shop');
    return now?.status?.containerStatuses?.[0]?.restartCount === 1;
  });
  const again = performance.now();
  await until('it is paused', 30, async () => (await paused()).every((one) => one === 'yes'), 50);
  console.log(`paused again ${Math.round(performance.now() - again)} ms after it was seen`);

  const budget = await get<Resource & { status: { disruptionsAllowed: number } }>(
    'pdb',
    'shop-pooler',
    scene.namespace,
  );
  assert.equal(budget?.status.disruptionsAllowed, 0);
  await scene.patch(poolKind, 'shop', { spec: { pooler: { replicas: 1 } } });
  await sleep(3000);
  assert.deepEqual(await paused(), ['yes', 'yes']);
  await pause(null, 'Resumed');
  await until('one pod', 60, async () => (await scene.pods('shop')).length === 1);
  await scene.patch(poolKind, 'shop', { spec: { pooler: { replicas: 2 } } });
  await scene.ready('shop');
});

test('a pause ends at its time, although its leader was killed', async () => {
  // One that was killed before, in another test, would be started again later and later.
  await restartOperator();
  const bench = await Bench.start(scene, 'shop');
  await until('it runs', 30, async () => (await sessions()) > 1);
  const end = Date.now() + 15_000;
  await pause({ until: new Date(end).toISOString() }, 'Paused');
  const begun = Date.now();
  await killOperator();
  await until('all serve', 60, async () => (await paused()).every((one) => one === 'no'), 50);
  const now = Date.now();
  const late = now - end;
  assert.ok(late > 0, `resumed ${-late} ms too early`);
  // Whoever comes next may not lead before the lease is over, and has to be started by the kubelet.
  const spec = (await lease())?.spec as { acquireTime?: string } | undefined;
  const led = Date.parse(spec?.acquireTime ?? '');
  assert.ok(led > begun, 'nobody else has led since');
  const waited = now - Math.max(end, led);
  assert.ok(waited < READING_SECONDS * 1000, `resumed ${waited} ms after there was a leader`);
  await scene.until('shop', (status) => conditionOf(status, 'Paused')?.reason === 'PauseOver');
  await until('it goes on', 30, async () => (await sessions()) > 1);
  const { transactions, failed } = await bench.stop();
  console.log(`resumed ${late} ms after its time; ${transactions} transactions, ${failed} failed`);
  assert.equal(failed, 0);
  await pause(null, 'Resumed');
});
