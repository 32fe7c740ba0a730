// Pods and entries that go: what becomes of clients that are idle, of one in a transaction, and of those that come.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { kubectl, list, type Resource } from '../cluster/e2e.ts';
import { until } from '../cluster/run.ts';
import { Bench } from './load.ts';
import { startOperator, stopOperator, takeCluster } from './operator.ts';
import { appPassword, inScene, pg, poolKind, type Scene, settled } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

const scale = (scene: Scene, n: number) =>
  kubectl(['scale', poolKind, 'shop', `--replicas=${n}`, `--namespace=${scene.namespace}`]);

/** A client with a name that the console shows. */
class Client {
  readonly name: string;
  readonly pg: pg.Client;
  isOpen = true;

  constructor(scene: Scene, name: string, more: object = {}) {
    this.name = name;
    this.pg = new pg.Client({ ...scene.login('shop'), application_name: name, ...more });
    this.pg.on('error', () => undefined);
    this.pg.on('end', () => {
      this.isOpen = false;
    });
    scene.onRemove(() => this.pg.end());
  }

  static async open(scene: Scene, name: string, more: object = {}): Promise<Client> {
    const client = new Client(scene, name, more);
    await client.pg.connect();
    return client;
  }
}

async function openMany(scene: Scene, count: number, from = 0): Promise<Client[]> {
  const names = Array.from({ length: count }, (_, index) => `client-${from + index}`);
  return Promise.all(names.map((name) => Client.open(scene, name)));
}

/** Those of `clients` that a pod serves. */
async function on(scene: Scene, pod: string, clients: readonly Client[]): Promise<Client[]> {
  const rows = await scene.console('shop', pod, 'SHOW CLIENTS');
  const names = new Set(rows.map((row) => String(row.application_name)));
  return clients.filter((client) => names.has(client.name));
}

async function eventsOf(scene: Scene): Promise<string[]> {
  const events = await list<Resource & { reason: string; message: string }>(
    'events',
    scene.namespace,
  );
  return events.map(({ reason, message }) => `${reason}: ${message}`);
}

const says = (text: string) => (status: { conditions?: { message: string }[] | undefined }) =>
  status.conditions?.some(({ message }) => message.includes(text)) === true;

describe('draining', { concurrency: 2 }, () => {
  test(
    'a pod too many loses its idle clients and goes when the last transaction has ended, or serves again when it is to stay',
    inScene('drain', async (scene) => {
      await scene.pool('shop', { pooler: { drainSeconds: 30 } });
      const clients = await openMany(scene, 20);
      const uid = (await scene.pods('shop'))[1]?.metadata.uid;
      // kube-proxy may lead to one pod only for a while.
      const [busy] = await until('both pods have clients', 60, async () => {
        clients.push(...(await openMany(scene, 10, clients.length)));
        const found = await on(scene, 'shop-pooler-1', clients);
        return found.length > 4 && found.length < clients.length - 4 ? found : undefined;
      });
      assert.ok(busy !== undefined);
      await busy.pg.query('BEGIN');
      await scale(scene, 1);
      await scene.until('shop', says('shop-pooler-1 (fewer than 10 clients left)'));
      await until('only the busy one is left', 20, async () => {
        const now = await on(scene, 'shop-pooler-1', clients);
        assert.ok(
          now.some(({ name }) => name === busy.name),
          'the busy one was closed',
        );
        return now.length === 1;
      });
      assert.ok(
        (await on(scene, 'shop-pooler-0', clients)).length > 3,
        'the other pod is let alone',
      );
      // New clients are led to the other pod.
      let opened = clients.length;
      await until('new clients come to the other pod', 20, async () => {
        const late = await openMany(scene, 5, opened);
        opened += late.length;
        return (await on(scene, 'shop-pooler-0', late)).length === 5;
      });

      await scale(scene, 2);
      await scene.ready('shop');
      const timeout = () => scene.setting('shop', 'shop-pooler-1', 'client_idle_timeout');
      await until('the pod closes nobody any more', 20, async () => (await timeout()) === '0');
      await busy.pg.query('COMMIT');
      await sleep(1500);
      assert.equal((await scene.pods('shop'))[1]?.metadata.uid, uid);
      assert.ok(busy.isOpen, 'a client that was in a transaction then was closed after it');

      await busy.pg.query('BEGIN');
      await scale(scene, 1);
      const started = performance.now();
      await scene.until('shop', says('shop-pooler-1 (fewer than 10 clients left)'));
      await busy.pg.query('SELECT 1');
      await busy.pg.query('COMMIT');
      await scene.until('shop', (status) => settled(status, 9) && status.replicas === 1);
      console.log(`2 to 1 pod after ${(performance.now() - started).toFixed(0)} ms`);
      const events = await eventsOf(scene);
      for (const part of ['PodDraining: shop-pooler-1', 'PodServesAgain: shop-pooler-1']) {
        assert.ok(
          events.some((event) => event.startsWith(part)),
          events.join('\n'),
        );
      }
      assert.ok(events.includes('PodDeleted: shop-pooler-1 has no client left and is deleted'));
    }),
  );

  test(
    'a database and a user that are taken out keep their clients until they are idle, and let nobody in',
    inScene('leave', async (scene) => {
      await scene.root(`CREATE ROLE second LOGIN PASSWORD '${appPassword}'`);
      const users = ['app', 'second'].map((name) => ({ name, secretRef: { name: 'app' } }));
      const databases = [{ name: 'app' }, { name: 'old', dbname: 'app' }];
      // One pod: where an entry has no client, one may come in.
      await scene.pool('shop', { users, databases, pooler: { replicas: 1 } });
      const old = { database: 'old' };
      const second = { user: 'second' };
      const stays = await Client.open(scene, 'stays');
      const idle = await Client.open(scene, 'idle', old);
      const busy = await Client.open(scene, 'busy', old);
      const who = await Client.open(scene, 'who', second);
      await busy.pg.query('BEGIN');
      await who.pg.query('BEGIN');
      await scene.patch(poolKind, 'shop', { spec: { databases: [{ name: 'app' }] } });
      await scene.patch(poolKind, 'shop', { spec: { users: users.slice(0, 1) } });
      const leaving = await scene.until('shop', says('database old (fewer than 10 clients left)'));
      assert.deepEqual(
        leaving.leaving?.map(({ kind, name }) => `${kind} ${name}`),
        ['Database old', 'User second'],
      );
      await assert.rejects(Client.open(scene, 'new', old), /max_db_client_connections/);
      await assert.rejects(Client.open(scene, 'new', second), /max_user_client_connections/);
      await until('the idle client is closed', 20, async () => !idle.isOpen);
      await busy.pg.query('SELECT 1');
      await busy.pg.query('COMMIT');
      await who.pg.query('SELECT 1');
      await who.pg.query('COMMIT');
      const done = await scene.until('shop', (status) => settled(status, 9) && !status.leaving);
      assert.equal(done.leaving, undefined);
      assert.ok(!busy.isOpen && !who.isOpen);
      await assert.rejects(Client.open(scene, 'new', old), /no such database/);
      await assert.rejects(Client.open(scene, 'new', second), /authentication failed/);
      await stays.pg.query('SELECT 1');
    }),
  );

  test(
    'a user who was taken out of a pool of all databases and comes back gets in, again and again',
    inScene('back', async (scene) => {
      const second = { user: 'second' };
      await scene.root(`CREATE ROLE second LOGIN PASSWORD '${appPassword}'`);
      const users = ['app', 'second'].map((name) => ({ name, secretRef: { name: 'app' } }));
      await scene.pool('shop', { users, databases: [{ name: '*' }], pooler: { replicas: 1 } });
      for (let round = 0; round < 2; round++) {
        const one = await Client.open(scene, `second-${round}`, second);
        await one.pg.query('SELECT 1');
        await one.pg.end();
        await scene.patch(poolKind, 'shop', { spec: { users: users.slice(0, 1) } });
        await until('second is locked out', 60, () => refuses(scene, second));
        await scene.patch(poolKind, 'shop', { spec: { users } });
        await until('second gets in', 60, async () => !(await refuses(scene, second)));
      }
    }),
  );
});

/** The pool does not know this user, or not with this password. */
async function refuses(scene: Scene, more: object): Promise<boolean> {
  try {
    const one = await Client.open(scene, 'asks', more);
    await one.pg.end();
    return false;
  } catch (error) {
    if (/authentication failed/.test(String(error))) return true;
    throw error;
  }
}

test(
  'without the operator a pod goes, and clients that come and go do not notice',
  inScene('alone', async (scene) => {
    await scene.pool('shop');
    const bench = await Bench.start(scene, 'shop', { clients: 8, rate: 80, reconnect: true });
    await sleep(1000);
    const [, second] = await scene.pods('shop');
    await stopOperator();
    try {
      await kubectl([
        ...['delete', 'pod', 'shop-pooler-1', `--namespace=${scene.namespace}`, '--wait=false'],
      ]);
      await until('another pod is there', 60, async () => {
        const pod = (await scene.pods('shop'))[1];
        const ready = pod?.status?.conditions?.some(
          (c) => c.type === 'Ready' && c.status === 'True',
        );
        return pod !== undefined && pod.metadata.uid !== second?.metadata.uid && ready;
      });
      const { transactions } = await bench.stop();
      console.log(`${transactions} transactions of reconnecting clients while a pod went`);
    } finally {
      await startOperator();
    }
  }),
);
