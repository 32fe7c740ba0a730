// What happens while nobody looks: the operator is down or killed, a pod is lost, and nothing is lost with it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { kubectl, psql } from '../cluster/e2e.ts';
import { until } from '../cluster/run.ts';
import { Bench, Watch } from './load.ts';
import {
  killOperator,
  killProcesses,
  lease,
  operatorLog,
  startOperator,
  stopOperator,
  takeCluster,
} from './operator.ts';
import { appPassword, budgetKind, budgetName, inScene, type Scene, settled } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(async () => {
  // Whatever failed, the next file finds an operator.
  await startOperator().catch(() => undefined);
  await giveBack?.();
});

test(
  'a pod that is lost while the operator is down comes back with its cap and serves',
  inScene('down', async (scene) => {
    await scene.pool('shop');
    const caps = await scene.running('shop');
    await stopOperator();
    const given = (await lease())?.spec as { holderIdentity?: string };
    assert.equal(given.holderIdentity ?? '', '', 'the lease is given back');
    const [first, second] = await scene.pods('shop');
    assert.ok(killProcesses(first?.metadata.uid ?? '', 'pgbouncer') > 0);
    const name = second?.metadata.name ?? '';
    await kubectl(['delete', 'pod', name, `--namespace=${scene.namespace}`]);
    await until('both pods are back', 90, async () => {
      const pods = await scene.pods('shop');
      const restarts = pods[0]?.status?.containerStatuses?.[0]?.restartCount ?? 0;
      const ready = pods.filter(({ status }) =>
        status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'),
      );
      return ready.length === 2 && restarts === 1 && pods[1]?.metadata.uid !== second?.metadata.uid;
    });
    assert.deepEqual(await scene.running('shop'), caps);
    await until('the Service answers', 30, () => psql(scene.login('shop'), 'SELECT 1'));
    const { grants } = await scene.status('shop');
    await startOperator();
    const status = await scene.ready('shop');
    assert.deepEqual(status.grants, grants);
    assert.equal(status.confirmed, '2/2');
  }),
);

test(
  'an operator that is killed in the middle of a change finishes it when it is back',
  inScene('killed', async (scene) => {
    await scene.pool('shop', { pooler: { replicas: 3 } });
    const before = await scene.identities('shop');
    const bench = await Bench.start(scene, 'shop');
    const watch = new Watch(scene);
    await scene.patch(budgetKind, budgetName, { spec: { total: 3 } });
    await until('it has begun', 20, async () => (await scene.status('shop')).sizing?.share === 3);
    await killOperator();
    await scene.patch(budgetKind, budgetName, { spec: { total: 12 } });
    const started = performance.now();
    await scene.until('shop', (status) => settled(status, 12));
    console.log(`killed, and done ${((performance.now() - started) / 1000).toFixed(1)} s after`);
    const { transactions } = await bench.stop();
    for (const look of await watch.stop()) {
      assert.ok(look.rows <= 12 && look.grants <= 12 && look.files <= 12, JSON.stringify(look));
    }
    assert.ok(watch.max('sessions') <= 12 + 10);
    assert.deepEqual(await scene.identities('shop'), before);
    assert.deepEqual(Object.values(await scene.running('shop')), [4, 4, 4]);
    console.log(`${transactions} transactions`);
  }),
);

test(
  'console credentials that are lost while the operator is down are found again',
  inScene('lostsecret', async (scene) => {
    await scene.pool('shop');
    const before = await scene.identities('shop');
    await stopOperator();
    await kubectl(['delete', 'secret', 'shop-pooler-console', `--namespace=${scene.namespace}`]);
    await startOperator();
    await scene.patch(budgetKind, budgetName, { spec: { total: 4 } });
    await scene.until('shop', (status) => settled(status, 4));
    assert.deepEqual(await scene.identities('shop'), before);
  }),
);

test(
  'no password is in a log, an event, a status, a ConfigMap or a command line',
  inScene('secrets', async (scene) => {
    await scene.pool('shop');
    const data = JSON.parse(
      await see(scene, 'get', 'secret', 'shop-pooler-console', '--output=jsonpath={.data}'),
    ) as Record<string, string>;
    const decode = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString();
    const secrets = [appPassword, decode('password'), decode('mark')];
    const kinds = 'connectionpools,connectionbudgets,configmaps,events,pods,statefulsets,services';
    const log = await operatorLog();
    // A namespace that another test is just removing refuses everybody.
    const refused = log
      .split('\n')
      .filter((line) => /forbidden/i.test(line) && !/because it is being terminated/.test(line));
    assert.deepEqual(refused, [], 'the chart gives every right that is needed');
    const texts = [
      log,
      await see(scene, 'get', kinds, '--output=json'),
      await see(scene, 'logs', '--selector=spillway.dev/pool=shop', '--tail=-1'),
    ];
    for (const secret of secrets) {
      assert.ok(secret.length > 8);
      const coded = Buffer.from(secret).toString('base64').replace(/=+$/, '').slice(0, -1);
      for (const text of texts) {
        assert.ok(!text.includes(secret), 'a password is in the open');
        assert.ok(!text.includes(coded), 'a password is in the open, in base64');
      }
    }
  }),
);

function see(scene: Scene, ...args: string[]): Promise<string> {
  return kubectl([`--namespace=${scene.namespace}`, ...args]);
}
