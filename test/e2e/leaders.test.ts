// Two operators that both believe they lead, for ten seconds in which the budget never stands still: the writes of
// both carry the versions that they read, so the ledger is never over.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import { list, type Resource } from '../cluster/e2e.ts';
import { sleep, until } from '../cluster/run.ts';
import { OperatorProcess } from '../control-plane/operator-process.ts';
import { randomFrom } from '../core/simulator/random.ts';
import { client } from './client.ts';
import { Charges } from './invariant/charges.ts';
import { judge, report, slackOf } from './invariant/judge.ts';
import { Snapshots } from './invariant/snapshots.ts';
import { Bench } from './load.ts';
import { system, takeCluster } from './operator.ts';
import { budgetKind, budgetName, inScene, type Scene, settled } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

const seconds = 10;
const seed = Number(process.env.SPILLWAY_SEED ?? Date.now() % 1_000_000_000);

async function setTotal(scene: Scene, total: number): Promise<void> {
  const { namespace } = scene;
  await client.patch(connectionBudgets, { namespace, name: budgetName }, { spec: { total } });
}

async function setWeight({ namespace }: Scene, weight: number): Promise<void> {
  await client.patch(
    connectionPools,
    { namespace, name: 'left' },
    { spec: { sizing: { weight } } },
  );
}

/** Writes that the operator of the cluster has sent since it was started. */
async function writesOfFirst(): Promise<number> {
  const [pod] = await list<Resource & { status?: { podIP?: string } }>(
    'pods',
    system,
    'app.kubernetes.io/name=spillway',
  );
  const page = await (await fetch(`http://${pod?.status?.podIP}:8080/metrics`)).text();
  const samples = page.matchAll(
    /^spillway_kube_request_duration_seconds_count\{[^}]*method="(?:PUT|PATCH|POST)"[^}]*\} ([0-9]+)/gm,
  );
  return [...samples].reduce((sum, [, n]) => sum + Number(n), 0);
}

test(
  'two leaders for ten seconds never give more than the budget',
  inScene('leaders', async (scene) => {
    const random = randomFrom(seed);
    await scene.pool('left', { pooler: { replicas: 2 } });
    await scene.pool('right', { pooler: { replicas: 2 } });
    await scene.patch(budgetKind, budgetName, { spec: { total: 12 } });
    await scene.until('left', (status) => settled(status, 6));
    await scene.until('right', (status) => settled(status, 6));
    const before = [...(await scene.identities('left')), ...(await scene.identities('right'))];
    const benches = [
      await Bench.start(scene, 'left', { clients: 15 }),
      await Bench.start(scene, 'right', { clients: 15 }),
    ];
    const charges = await Charges.start(scene.namespace);
    const snapshots = await Snapshots.start(scene);
    const second = await OperatorProcess.start({
      kubeconfig: process.env.KUBECONFIG ?? '',
      namespace: system,
      name: 'usurper',
      env: { SPILLWAY_LEADER_ELECTION: 'false' },
    });
    scene.onRemove(() => second.kill());
    const done: string[] = [];
    try {
      await until('the second one is at work', 60, () => second.leads(), 100);
      const [mine, theirs] = [(await second.calls()).writes, await writesOfFirst()];
      for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
        const total = 4 + random.below(9);
        await setTotal(scene, total);
        done.push(`total ${total}`);
        if (random.chance(30)) {
          const weight = 1 + random.below(4);
          await setWeight(scene, weight);
          done.push(`left weighs ${weight}`);
        }
        await sleep(100 + random.below(700));
      }
      const wrote = [(await second.calls()).writes - mine, (await writesOfFirst()) - theirs];
      console.log(
        `seed ${seed}: ${done.length} changes; the two sent ${wrote.join(' and ')} writes`,
      );
      assert.ok(
        wrote.every((n) => n > 0),
        'one of the two did nothing',
      );
      await setWeight(scene, 1);
      await setTotal(scene, 12);
      await scene.until('left', (status) => settled(status, 6));
      await scene.until('right', (status) => settled(status, 6));
      assert.equal(await second.stop(), 0);
      await setTotal(scene, 8);
      await scene.until('left', (status) => settled(status, 4));
      await scene.until('right', (status) => settled(status, 4));
    } finally {
      await Promise.all([charges.stop(), snapshots.stop()]);
      report(charges.judge(), snapshots, done);
    }
    judge(charges.judge(), snapshots, await slackOf(scene));
    for (const bench of benches) await bench.stop();
    assert.deepEqual(Object.values(await scene.running('left')), [2, 2]);
    assert.deepEqual(Object.values(await scene.running('right')), [2, 2]);
    const now = [...(await scene.identities('left')), ...(await scene.identities('right'))];
    assert.deepEqual(now, before);
  }),
);
