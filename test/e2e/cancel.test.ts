// Whichever pod the Service leads a cancel request to, it reaches its query, while pods come and go.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sendCancel } from '../cluster/cancel.ts';
import { kubectl, list, psql, type Resource } from '../cluster/e2e.ts';
import { sleep, until } from '../cluster/run.ts';
import { Cancels } from './cancels.ts';
import { takeCluster } from './operator.ts';
import { inScene, pg, poolKind, type Scene, settled } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

const WANTED = 200;

async function scaleTo(scene: Scene, n: number): Promise<void> {
  await kubectl(['scale', poolKind, 'shop', `--replicas=${n}`, `--namespace=${scene.namespace}`]);
  await scene.until('shop', (status) => settled(status, 33) && status.replicas === n);
}

async function replaceByHand(scene: Scene, name: string): Promise<void> {
  const uidOf = async () => {
    const pod = (await scene.pods('shop')).find(({ metadata }) => metadata.name === name);
    return pod?.metadata.uid;
  };
  const before = await uidOf();
  await kubectl(['delete', 'pod', name, `--namespace=${scene.namespace}`, '--wait=false']);
  await until(
    'another pod has its name',
    90,
    async () => ![undefined, before].includes(await uidOf()),
  );
  await scene.until('shop', (status) => settled(status, 33) && status.readyReplicas === 3);
}

/** Lets a query run at one pod and cancels it at another; the code of the error that it ends with. */
async function cancelAt(scene: Scene, pod: string, other: string): Promise<string | undefined> {
  const one = new pg.Client(scene.loginAt('shop', pod));
  one.on('error', () => undefined);
  await one.connect();
  try {
    const ended = one.query('SELECT pg_sleep(20)').then(
      () => 'it was not cancelled',
      (error: { code?: string }) => error.code,
    );
    await until('it runs', 15, async () => {
      const query = "query = 'SELECT pg_sleep(20)' AND state = 'active'";
      return (await scene.root(`SELECT 1 FROM pg_stat_activity WHERE ${query}`)).length > 0;
    });
    assert.equal(
      await sendCancel(one, { host: scene.loginAt('shop', other).host, port: 5432 }),
      undefined,
    );
    return await ended;
  } finally {
    await one.end();
  }
}

/** Where the names of the pods lead to. */
async function addressesOf({ namespace }: Scene): Promise<string[]> {
  const slices = await list<Resource & { endpoints?: { addresses: string[] }[] }>(
    'endpointslices',
    namespace,
    'kubernetes.io/service-name=shop-pooler',
  );
  return slices.flatMap(({ endpoints = [] }) => endpoints.flatMap(({ addresses }) => addresses));
}

describe('cancels', { concurrency: 2 }, () => {
  test(
    `${WANTED} cancels through the Service arrive, while pods are added, drained and deleted by hand`,
    inScene(
      'cancel',
      async (scene) => {
        await scene.pool('shop', { pooler: { replicas: 3, drainSeconds: 5 } });
        const cancels = new Cancels(scene, 'shop', 12);
        await sleep(3000);
        await scaleTo(scene, 2);
        await scaleTo(scene, 3);
        await replaceByHand(scene, 'shop-pooler-1');
        await until(`${WANTED} cancels`, 90, async () => cancels.report.arrived.length >= WANTED);
        const { arrived, lost, tooLate, ended, unborn } = await cancels.stop();
        const slowest = Math.max(...arrived);
        console.log(
          `${arrived.length} cancels arrived, the slowest after ${slowest} ms; ${lost.length} were lost, ${tooLate.length} in the last seconds of a pod, ${ended.length} queries ended with their pod, ${unborn.length} never ran`,
        );
        for (const line of [...lost, ...tooLate, ...ended, ...unborn]) console.log(line);
        assert.deepEqual(lost, []);
        assert.ok(tooLate.length + ended.length + unborn.length < WANTED / 10);
      },
      { cores: 16 },
    ),
  );

  test(
    'a pod that comes in the place of another gets the cancels of its queries at once, under its new address',
    inScene('place', async (scene) => {
      await scene.pool('shop');
      assert.equal(await cancelAt(scene, 'shop-pooler-1', 'shop-pooler-0'), '57014');
      const before = (await scene.pods('shop'))[1]?.metadata.uid;
      // As when its node takes it away: the others have just asked for its address.
      const quickly = ['--grace-period=1', `--namespace=${scene.namespace}`];
      await kubectl(['delete', 'pod', 'shop-pooler-1', ...quickly]);
      await until('its successor answers', 60, async () => {
        const pod = (await scene.pods('shop'))[1];
        if (pod === undefined || pod.metadata.uid === before) return false;
        await psql(scene.loginAt('shop', 'shop-pooler-1'), 'SELECT 1');
        // Kubernetes takes seconds now and then until its DNS leads to the new address; from then on it is ours.
        return (await addressesOf(scene)).includes(pod.status?.podIP ?? '');
      });
      assert.equal(await cancelAt(scene, 'shop-pooler-1', 'shop-pooler-0'), '57014');
    }),
  );
});
