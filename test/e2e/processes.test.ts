// From one process in each pod to two and back, under load: what each of them may open, and what becomes of clients.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool-status.ts';
import { peerIdOf } from '../../operator/core/pool/names.ts';
import { dataOf } from '../../operator/core/pool/read.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import { configMaps } from '../../operator/kube/types.ts';
import { until } from '../cluster/run.ts';
import { Cancels } from './cancels.ts';
import { client } from './client.ts';
import { checkHeld } from './invariant/judge.ts';
import { Bench, heldIn, Watch } from './load.ts';
import { takeCluster } from './operator.ts';
import { inScene, poolKind, type Scene, settled } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

/** 4 cores. */
const SHARE = 9;
const PODS = ['shop-pooler-0', 'shop-pooler-1'];
/** New connections, each of which the kernel leads to one of two processes by lot. */
const TRIES = 60;

const grantsOf = ({ grants = [] }: ConnectionPoolStatus) =>
  Object.fromEntries(grants.map(({ holder, connections }) => [holder, connections]));

/** The mark that each process of a pod shows, by its peer id. */
async function marksAt(scene: Scene, pod: string, processes: number): Promise<Map<number, string>> {
  const marks = new Map<number, string>();
  for (let i = 0; i < TRIES && marks.size < processes; i++) {
    const rows = await scene.console('shop', pod, 'SHOW CONFIG');
    const value = (key: string) => String(rows.find((row) => row.key === key)?.value);
    marks.set(Number(value('peer_id')), value('syslog_ident'));
  }
  return marks;
}

/** The mark of each holder's file. */
async function marksInFiles(scene: Scene): Promise<Record<string, string | undefined>> {
  const { namespace } = scene;
  const map = await client.get(configMaps, { namespace, name: 'shop-pooler' });
  return Object.fromEntries(
    Object.entries(dataOf(map)).map(([key, text]) => [
      key.split('.')[0],
      pgbouncer.markOf(text)?.text,
    ]),
  );
}

/** Sets the number of processes, and returns when every pod has them and each process what it is to have. */
async function setProcesses(
  scene: Scene,
  processes: number,
  grants: Readonly<Record<string, number>>,
): Promise<ConnectionPoolStatus> {
  await scene.patch(poolKind, 'shop', { spec: { pooler: { processes } } });
  await until('every pod has its processes, and all of them are ready', 240, async () => {
    const pods = await scene.pods('shop');
    return (
      pods.length === 2 &&
      pods.every(
        ({ metadata, status }) =>
          metadata.deletionTimestamp === undefined &&
          status?.containerStatuses?.length === processes &&
          status.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
      )
    );
  });
  return await scene.until(
    'shop',
    (status) => settled(status, SHARE) && isDeepStrictEqual(grantsOf(status), grants),
  );
}

async function assertMarks(scene: Scene, processes: number): Promise<void> {
  const files = await marksInFiles(scene);
  assert.equal(Object.keys(files).length, 2 * processes, JSON.stringify(files));
  for (const [ordinal, pod] of PODS.entries()) {
    const marks = await marksAt(scene, pod, processes);
    for (let process = 0; process < processes; process++) {
      const shown = marks.get(peerIdOf(ordinal, process));
      assert.equal(shown, files[`${pod}-${process}`], `the mark of process ${process} of ${pod}`);
    }
  }
}

describe('processes', () => {
  test(
    'from one process to two and back no connection more than the budget is given, and no transaction is lost',
    inScene('processes', async (scene) => {
      await scene.pool('shop', { pooler: { drainSeconds: 15 } });
      await scene.until('shop', (status) => settled(status, SHARE));
      const watch = new Watch(scene);
      const bench = await Bench.start(scene, 'shop', {
        clients: 12,
        reconnect: true,
        threads: true,
      });

      const two = await setProcesses(scene, 2, {
        'shop-pooler-0-0': 3,
        'shop-pooler-0-1': 2,
        'shop-pooler-1-0': 2,
        'shop-pooler-1-1': 2,
      });
      assert.match(
        two.sizing?.explanation ?? '',
        /2 pooler pods × 2 processes, 1 with 3 and 3 with 2/,
      );
      await assertMarks(scene, 2);
      assert.deepEqual(two.sizing?.perPod, [5, 4]);

      const cancels = new Cancels(scene, 'shop', 4);
      await until('30 cancels', 90, async () => cancels.report.arrived.length >= 30);
      const { lost } = await cancels.stop();
      assert.deepEqual(lost, []);

      await setProcesses(scene, 1, { 'shop-pooler-0-0': 5, 'shop-pooler-1-0': 4 });
      await assertMarks(scene, 1);

      const { done, failed, refused, unconnected, errors } = await bench.count();
      await watch.stop();
      console.log(
        `${done} transactions; ${failed} failed, ${refused} refused, ${unconnected} without a connection; at most ${watch.max('grants')} granted, ${watch.max('files')} in files, ${watch.max('sessions')} sessions`,
      );
      assert.ok(done > 1000);
      assert.deepEqual([failed, refused, unconnected], [0, 0, 0], errors.join('\n'));
      for (const what of ['rows', 'grants', 'files'] as const)
        assert.ok(watch.max(what) <= SHARE, `${what}: ${watch.max(what)}`);
      checkHeld(heldIn(watch.looks), SHARE);
    }),
  );
});
