// A kubelet that hangs, so that its pods read old volumes: a reload says success, and is not believed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool.ts';
import { get, psql } from '../cluster/e2e.ts';
import { sleep, until } from '../cluster/run.ts';
import { Bench, Watch } from './load.ts';
import { lonelyPod, onBothNodes, overwrite, stopKubelet } from './lonely.ts';
import { takeCluster } from './operator.ts';
import {
  appPassword,
  budgetKind,
  budgetName,
  conditionOf,
  granted,
  inScene,
  poolKind,
  type Scene,
  settled,
} from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

const total = (scene: Scene, n: number) =>
  scene.patch(budgetKind, budgetName, { spec: { total: n } });

/** Its process has read something else than the file that there is for it, whatever it says to a RELOAD. */
function isNotConfirmed(status: ConnectionPoolStatus): boolean {
  const said = conditionOf(status, 'ConfigApplied');
  return (
    status.confirmed === '1/2' &&
    said?.reason === 'NotConfirmed' &&
    said.message.startsWith('1 of 2 pods') &&
    conditionOf(status, 'Ready')?.status === 'False'
  );
}

/** It stays so while reloads are answered with success. */
async function staysUnconfirmed(scene: Scene, pod: string): Promise<ConnectionPoolStatus> {
  await scene.until('shop', isNotConfirmed);
  await sleep(3000);
  await scene.console('shop', pod, 'RELOAD');
  await sleep(1500);
  const status = await scene.status('shop');
  assert.ok(isNotConfirmed(status), JSON.stringify(status));
  return status;
}

test(
  'a reload of a file that is older than the ConfigMap says success and confirms nothing: what it holds stays charged',
  inScene('stale', async (scene) => {
    await scene.pool('shop', { pooler: onBothNodes('shop') });
    await total(scene, 12);
    await scene.until('shop', (status) => settled(status, 12));
    const before = await scene.identities('shop');
    const bench = await Bench.start(scene, 'shop', { clients: 20 });
    const watch = new Watch(scene);
    const { name } = (await lonelyPod(scene, 'shop')).metadata;
    const mark = await scene.setting('shop', name, 'syslog_ident');
    const goOn = stopKubelet();
    try {
      await total(scene, 4);
      await scene.patch(poolKind, 'shop', { spec: { parameters: { query_wait_timeout: '77' } } });
      const status = await staysUnconfirmed(scene, name);
      assert.equal(await scene.setting('shop', name, 'syslog_ident'), mark);
      assert.notEqual(await scene.setting('shop', name, 'query_wait_timeout'), '77');
      assert.match(conditionOf(status, 'WithinBudget')?.message ?? '', new RegExp(`${name}-0`));
      const grants = Object.fromEntries(
        (status.grants ?? []).map(({ holder, connections }) => [holder, connections]),
      );
      assert.equal(grants[`${name}-0`], 6, 'what was not given back is charged');
      assert.equal(granted(status), 8, 'the other pod has given back');
      const running = await scene.running('shop');
      assert.equal(running[name], 6);
    } finally {
      goOn();
    }
    const started = performance.now();
    const healed = await scene.until('shop', (status) => settled(status, 4));
    console.log(`confirmed ${(performance.now() - started).toFixed(0)} ms after it went on`);
    assert.equal(healed.confirmed, '2/2');
    assert.equal(await scene.setting('shop', name, 'query_wait_timeout'), '77');
    assert.deepEqual(Object.values(await scene.running('shop')), [2, 2]);
    await bench.stop();
    for (const look of await watch.stop()) {
      assert.ok(look.rows <= 12 && look.grants <= 12, JSON.stringify(look));
      assert.ok(look.sessions <= 12 + 10, JSON.stringify(look));
    }
    assert.deepEqual(await scene.identities('shop'), before);
  }),
);

test(
  'a list of users that is cut in the middle reloads with success and confirms nothing, until the whole one is there',
  inScene('cut', async (scene) => {
    await scene.root(`CREATE ROLE zoe LOGIN PASSWORD '${appPassword}'`);
    const users = ['app', 'zoe'].map((name) => ({ name, secretRef: { name: 'app' } }));
    await scene.pool('shop', { users, pooler: onBothNodes('shop') });
    const before = await scene.identities('shop');
    const pod = await lonelyPod(scene, 'shop');
    const { name } = pod.metadata;
    const next = 'rotated-8c1f-secret';
    const goOn = stopKubelet();
    try {
      for (const role of ['app', 'zoe']) await scene.root(`ALTER ROLE ${role} PASSWORD '${next}'`);
      await scene.patch('secret', 'app', { stringData: { password: next } });
      const whole = await until('the list is written', 30, async () => {
        const { data } = (await get('secret', 'shop-pooler-users', scene.namespace)) ?? {};
        const text = Buffer.from(data?.['userlist.txt'] ?? '', 'base64').toString();
        return text.includes(next) && text;
      });
      const line = whole.indexOf('"zoe" "');
      assert.ok(line > whole.indexOf('"spillway-'), 'the users of the console come before');
      await overwrite(pod, 'users', 'userlist.txt', whole.slice(0, line + 12));
      await staysUnconfirmed(scene, name);
      await psql(scene.loginAt('shop', name, next), 'SELECT 1');
      const zoe = { ...scene.loginAt('shop', name, next), user: 'zoe' };
      await assert.rejects(psql(zoe, 'SELECT 1'), /authentication/);
    } finally {
      goOn();
    }
    const healed = await scene.ready('shop');
    assert.equal(healed.confirmed, '2/2');
    for (const { metadata } of await scene.pods('shop'))
      for (const user of ['app', 'zoe'])
        await psql({ ...scene.loginAt('shop', metadata.name, next), user }, 'SELECT 1');
    assert.deepEqual(await scene.identities('shop'), before);
  }),
);
