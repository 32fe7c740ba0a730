// A node that is lost: nothing on it answers, and what its pods have may be open for ever.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { kubectl } from '../cluster/e2e.ts';
import { sleep, until } from '../cluster/run.ts';
import { Bench, Watch } from './load.ts';
import { lonelyPod, onBothNodes, stopKubelet, stopPods } from './lonely.ts';
import { takeCluster } from './operator.ts';
import {
  budgetKind,
  budgetName,
  conditionOf,
  granted,
  inScene,
  pg,
  poolKind,
  rowsOf,
  type Scene,
  settled,
} from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

/** Clients that are inside of a transaction at one pod. */
async function holdAt(scene: Scene, pod: string, count: number): Promise<pg.Client[]> {
  const clients = Array.from({ length: count }, () => new pg.Client(scene.loginAt('far', pod)));
  for (const one of clients) {
    one.on('error', () => undefined);
    scene.onRemove(() => one.end());
    await one.connect();
    await one.query('BEGIN');
  }
  return clients;
}

test(
  'a node that is lost keeps its charge and is named, the others get what there is, and all heals when it is back',
  inScene('lost', async (scene) => {
    await scene.pool('near', { pooler: { replicas: 1 } });
    await scene.pool('far', { pooler: onBothNodes('far') });
    await scene.patch(budgetKind, budgetName, { spec: { total: 20 } });
    await scene.until('near', (status) => settled(status, 10));
    await scene.until('far', (status) => settled(status, 10));
    const pod = await lonelyPod(scene, 'far');
    const { name, uid } = pod.metadata;
    const inside = await holdAt(scene, name, 5);
    const bench = await Bench.start(scene, 'near', { clients: 40 });
    const watch = new Watch(scene);
    const goOn = [stopKubelet(), stopPods()];
    try {
      await scene.patch(poolKind, 'near', { spec: { sizing: { weight: 4 } } });
      // Its 5, the 2 of the pod beside it, and all the rest for the others.
      await until('the others have what there is', 90, async () => {
        const now = await rowsOf(scene);
        if (now.near !== 13 || now.far !== 7) throw new Error(JSON.stringify(now));
        return true;
      });
      await scene.until('near', (status) => granted(status) === 13);
      const status = await scene.until('far', (s) => {
        return conditionOf(s, 'ConfigApplied')?.message.includes(`${name}: `) === true;
      });
      assert.equal(status.confirmed, '1/2');
      assert.match(conditionOf(status, 'WithinBudget')?.message ?? '', new RegExp(`${name}-0`));
      // As whoever looks after lost nodes does it, after some minutes: nothing is known to have ended by that.
      await kubectl(['delete', 'pod', name, `--namespace=${scene.namespace}`, '--wait=false']);
      await sleep(5000);
      assert.deepEqual(await rowsOf(scene), { near: 13, far: 7 });
      assert.equal(granted(await scene.status('far')), 7);
    } finally {
      for (const one of goOn) one();
    }
    const started = performance.now();
    // They were in a transaction all the time.
    for (const one of inside) {
      await one.query('COMMIT');
      await one.end();
    }
    await scene.until('near', (status) => settled(status, 16));
    await scene.until('far', (status) => settled(status, 4) && status.confirmed === '2/2');
    console.log(
      `all is well ${((performance.now() - started) / 1000).toFixed(1)} s after it is back`,
    );
    assert.notEqual((await lonelyPod(scene, 'far')).metadata.uid, uid);
    await bench.stop();
    for (const look of await watch.stop()) {
      assert.ok(look.rows <= 20 && look.grants <= 20, JSON.stringify(look));
      assert.ok(look.sessions <= 20 + 10, JSON.stringify(look));
    }
    console.log(`at most ${watch.max('sessions')} sessions of 20`);
  }),
);
