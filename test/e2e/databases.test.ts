// Databases of one pool with a size, a mode and a user of their own, as clients and the server see them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { sleep } from '../cluster/run.ts';
import { Bench } from './load.ts';
import { takeCluster } from './operator.ts';
import { appPassword, inScene, pg, poolKind, type Scene, settled } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

/** Connections that each database may have, of all pods together, as their processes run. */
async function capsOf(scene: Scene): Promise<Record<string, number>> {
  const caps: Record<string, number> = {};
  for (const { metadata } of await scene.pods('shop')) {
    for (const row of await scene.console('shop', metadata.name, 'SHOW DATABASES')) {
      const { name, max_connections } = row as { name: string; max_connections: number };
      if (name !== 'pgbouncer') caps[name] = (caps[name] ?? 0) + Number(max_connections);
    }
  }
  return caps;
}

/** The most sessions that the server has of each database while some seconds pass. */
async function mostOf(scene: Scene, seconds: number): Promise<Record<string, number>> {
  const most: Record<string, number> = {};
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) {
    const rows = await scene.root(
      `SELECT datname, usename, count(*)::int AS n FROM pg_stat_activity
        WHERE usename IN ('app', 'worker') GROUP BY 1, 2`,
    );
    for (const { datname, usename, n } of rows) {
      const key = `${usename} in ${datname}`;
      most[key] = Math.max(most[key] ?? 0, Number(n));
    }
  }
  return most;
}

async function open(scene: Scene, database: string): Promise<pg.Client> {
  const one = new pg.Client({ ...scene.loginAt('shop', 'shop-pooler-0'), database });
  one.on('error', () => undefined);
  scene.onRemove(() => one.end());
  await one.connect();
  return one;
}

const answer = (one: pg.Client) => one.query('SELECT 1').then(() => 'answered');
const within = (ms: number, what: Promise<string>) =>
  Promise.race([what, sleep(ms).then(() => 'waits')]);

test(
  'each database has its own size, mode and user, and they change while clients run',
  inScene('databases', async (scene) => {
    await scene.root(`CREATE ROLE worker LOGIN PASSWORD '${appPassword}'`);
    for (const name of ['reports', 'jobs']) await scene.root(`CREATE DATABASE ${name}`);
    const users = ['app', 'worker'].map((name) => ({ name, secretRef: { name: 'app' } }));
    const reports = { name: 'reports', max: 2, mode: 'session' };
    const databases = [
      { name: 'app' },
      reports,
      { name: 'work', dbname: 'jobs', user: 'worker', weight: 2 },
    ];
    await scene.pool('shop', { users, databases });
    await scene.until('shop', (status) => settled(status, 9));
    const before = await scene.identities('shop');
    const caps = await capsOf(scene);
    console.log(`of 9 connections ${JSON.stringify(caps)}`);
    assert.equal(caps.reports, 2);
    assert.equal((caps.app ?? 0) + (caps.work ?? 0), 7);
    assert.ok((caps.work ?? 0) > (caps.app ?? 0));

    // Whoever comes is `worker` there, and in `jobs`.
    const work = await open(scene, 'work');
    const { rows } = await work.query('SELECT current_user AS who, current_database() AS base');
    assert.deepEqual(rows, [{ who: 'worker', base: 'jobs' }]);
    await work.end();

    // In session mode the only connection of the pod is a client's until it leaves.
    const [first, second] = [await open(scene, 'reports'), await open(scene, 'reports')];
    assert.equal(await answer(first), 'answered');
    const waits = answer(second);
    assert.equal(await within(1500, waits), 'waits');
    await first.end();
    assert.equal(await waits, 'answered');
    await second.end();
    // In transaction mode, the pool's own, it is not.
    const many = await Promise.all(Array.from({ length: 10 }, () => open(scene, 'app')));
    for (const one of many) assert.equal(await answer(one), 'answered');
    for (const one of many) await one.end();

    const benches = [
      await Bench.start(scene, 'shop', { clients: 20 }),
      await Bench.start(scene, 'shop', { clients: 20, database: 'work', dbname: 'jobs' }),
      await Bench.start(scene, 'shop', { clients: 12, database: 'reports' }),
    ];
    const most = await mostOf(scene, 3);
    console.log(`under load ${JSON.stringify(most)}`);
    assert.deepEqual(most, {
      'app in app': caps.app,
      'worker in jobs': caps.work,
      'app in reports': 2,
    });
    // The size goes up, the mode changes, and the weights turn round.
    const turned = [
      { name: 'app', weight: 3 },
      { name: 'reports', max: 4, mode: 'transaction' },
      { name: 'work', dbname: 'jobs', user: 'worker' },
    ];
    await scene.patch(poolKind, 'shop', { spec: { databases: turned } });
    await scene.until('shop', (s) => settled(s, 9) && s.confirmed === '2/2', 120);
    const later = await capsOf(scene);
    console.log(`then ${JSON.stringify(later)}`);
    assert.equal(
      Object.values(later).reduce((sum, n) => sum + n, 0),
      9,
    );
    assert.ok((later.app ?? 0) > (later.work ?? 0));
    assert.ok((later.reports ?? 0) <= 4);
    const grown = await mostOf(scene, 3);
    console.log(`under load ${JSON.stringify(grown)}`);
    assert.equal(grown['app in app'], later.app);
    assert.equal(grown['worker in jobs'], later.work);
    for (const bench of benches) {
      const { transactions } = await bench.stop();
      console.log(`${transactions} transactions`);
    }
    assert.deepEqual(await scene.identities('shop'), before);
    const one = await open(scene, 'reports');
    const two = await open(scene, 'reports');
    for (const who of [one, two]) assert.equal(await within(5000, answer(who)), 'answered');
  }),
);
