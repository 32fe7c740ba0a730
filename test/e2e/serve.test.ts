// A pool on a real cluster: applications reach Postgres through it, and the processes run with what status says.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { execIn, get, list, psql, type Resource } from '../cluster/e2e.ts';
import { Bench, Watch } from './load.ts';
import { takeCluster } from './operator.ts';
import { granted, Scene } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
let scene: Scene;
before(async () => {
  giveBack = await takeCluster();
  scene = await Scene.make('serve');
  await scene.pool('shop');
});
after(async () => {
  await scene?.remove();
  await giveBack?.();
});

test('psql comes through the Service with the right password, and not with a wrong one', async () => {
  const [row] = await psql(scene.login('shop'), 'SELECT current_user AS who, 6 * 7 AS answer');
  assert.deepEqual(row, { who: 'app', answer: 42 });
  await assert.rejects(psql(scene.login('shop', 'wrong'), 'SELECT 1'), /authentication failed/);
  await assert.rejects(psql({ ...scene.login('shop'), user: 'postgres' }, 'SELECT 1'));
});

test('the processes run with the sizes that status says, which add up to the share', async () => {
  const status = await scene.ready('shop');
  assert.equal(status.sizing?.share, 9);
  assert.equal(granted(status), 9);
  assert.deepEqual(status.sizing?.perPod, [5, 4]);
  const caps: number[] = [];
  for (const pod of await scene.pods('shop')) {
    const { name } = pod.metadata;
    const users = await scene.console('shop', name, 'SHOW USERS');
    const app = users.find((user) => user.name === 'app');
    caps.push(Number(app?.max_user_connections));
    const grant = status.grants?.find((one) => one.holder === `${name}-0`);
    assert.equal(Number(app?.pool_size), grant?.connections);
    const config = await scene.console('shop', name, 'SHOW CONFIG');
    const value = (key: string) => config.find((row) => row.key === key)?.value;
    assert.equal(value('max_client_conn'), String(status.sizing?.maxClientConn));
    // Whoever is not listed could open no more than this.
    assert.equal(value('max_user_connections'), '1');
    const databases = await scene.console('shop', name, 'SHOW DATABASES');
    for (const row of databases.filter(({ name: database }) => database !== 'pgbouncer')) {
      assert.match(String(row.host), /^db-0\.db\./);
    }
  }
  assert.deepEqual(caps.sort(), [4, 5]);
});

test('with 100 busy clients Postgres never has more sessions than the budget and the slack', async () => {
  const status = await scene.ready('shop');
  const watch = new Watch(scene);
  const bench = await Bench.start(scene, 'shop', { clients: 100 });
  await sleep(8000);
  const result = await bench.stop();
  await watch.stop();
  const budget = status.sizing?.budget ?? 0;
  const most = watch.max('sessions');
  console.log(
    `100 clients: ${result.transactions} transactions, at most ${most} sessions, budget ${budget}`,
  );
  assert.ok(most > 1 && most <= budget + (status.sizing?.slack ?? 0));
});

test('events say that the pool is ready, and nothing else when nothing is in the way', async () => {
  const events = await list<Resource & { reason: string; involvedObject: { kind: string } }>(
    'events',
    scene.namespace,
  );
  const ours = events.filter(({ involvedObject }) => /^Connection/.test(involvedObject.kind));
  assert.deepEqual(
    ours.map(({ reason }) => reason),
    ['Ready'],
  );
});

test('the pods are what Pod Security "restricted" lets in, without a token, on a read-only root', async () => {
  const space = await get('namespace', scene.namespace);
  const { labels } = space?.metadata ?? {};
  assert.equal(labels?.['pod-security.kubernetes.io/enforce'], 'restricted');
  for (const pod of await scene.pods('shop')) {
    const { name } = pod.metadata;
    const mounts = await execIn(scene.namespace, name, ['cat', '/proc/mounts']);
    assert.doesNotMatch(mounts, /serviceaccount/);
    assert.match(mounts, /^\S+ \/ overlay ro/m);
    const id = await execIn(scene.namespace, name, ['cat', '/proc/self/status']);
    assert.match(id, /^Uid:\s+65532\s/m);
    assert.match(id, /^NoNewPrivs:\s+1$/m);
    assert.match(id, /^CapEff:\s+0+$/m);
  }
  const account = await get<Resource & { automountServiceAccountToken?: boolean }>(
    'serviceaccount',
    'shop-pooler',
    scene.namespace,
  );
  assert.equal(account?.automountServiceAccountToken, false);
});
