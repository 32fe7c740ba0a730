// A server is asked about itself through a real pooler: rarely, by one connection at a time, as a user of the pool who
// may come in, and never in front of the pool's own clients.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { budgetName } from '../../operator/core/budget-name.ts';
import { labelsOf } from '../../operator/core/pool/labels.ts';
import { namesOf } from '../../operator/core/pool/names.ts';
import { USER_LIST_KEY } from '../../operator/core/pool/paths.ts';
import type { ClientPort, Observation } from '../../operator/engines/engine.ts';
import { clientPort } from '../../operator/engines/pgbouncer/client-port.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import type { Client } from '../../operator/kube/client.ts';
import type { KubeObject } from '../../operator/kube/types.ts';
import { Inquiries, inquiryKey } from '../../operator/reconcile/inquiries.ts';
import type { Shelf } from '../../operator/reconcile/shelf.ts';
import { World } from '../../operator/reconcile/world.ts';
import { createLog } from '../../operator/runtime/log.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import {
  adminUser,
  backends,
  eventually,
  holderConfig,
  type Pooler,
  startLoad,
  startPooler,
} from '../engines/pooler.ts';

const web = { name: 'web', secret: 'w-81c2-secret' };
const locked = { name: 'locked', secret: 'l-77aa-secret' };
const seed = 'seed';
let postgres: Postgres;
before(async () => {
  postgres = await startPostgres({
    maxConnections: 60,
    users: [web, locked].map(({ name, secret: password }) => ({ name, password })),
    databases: ['a'],
  });
  await postgres.query('revoke connect on database a from public');
});
after(() => postgres?.stop());

const base64 = (text: string) => Buffer.from(text).toString('base64');
const identity = { namespace: 'shop', name: 'shop', uid: 'u' };
const names = namesOf('shop');
const endpoint = { host: 'db.example.com', port: 5432, cores: '4' };
const target = budgetName({ endpoint }, 'shop', 'system');
const budgetKey = `${target.namespace}/${target.name}`;
const key = inquiryKey(budgetKey, 'primary');

let version = 0;
function put(shelf: Shelf, kind: string, name: string, more: object): void {
  const { namespace, uid } = identity;
  const labels = { ...labelsOf(identity) };
  const resourceVersion = String(++version);
  const metadata = { namespace, name, uid: `${uid}-${name}`, labels, resourceVersion };
  const object: KubeObject = { apiVersion: 'v1', kind, metadata, ...more };
  shelf.reflectors[0]?.store.replace([object], resourceVersion);
}

interface Scene {
  readonly inquiries: Inquiries;
  /** Log-ins so far, and the most at the same moment. */
  readonly calls: { total: number; now: number; most: number; databases: string[] };
  readonly changes: string[];
  look(): Promise<number | undefined>;
  observe(): Promise<void>;
}

/** Stores that say what the pooler runs with, and its port in place of the one in a pod. */
async function sceneOf(
  pooler: Pooler,
  users: readonly { name: string; secret: string }[],
  spec: object,
  everySeconds = 600,
): Promise<Scene> {
  const world = new World({ client: {} as Client, namespaces: [], operatorNamespace: 'system' });
  const { text } = pgbouncer.renderUserList([adminUser, ...users], seed);
  const consoleData = {
    username: base64(adminUser.name),
    password: base64(adminUser.secret),
    mark: base64(seed),
  };
  const store = world.secrets.reflectors[0]?.store;
  const secret = (name: string, data: object): KubeObject => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      namespace: 'shop',
      name,
      uid: name,
      resourceVersion: String(++version),
      labels: { ...labelsOf(identity) },
    },
    data,
  });
  const secrets = [
    secret(names.consoleSecret, consoleData),
    secret(names.userListSecret, { [USER_LIST_KEY]: base64(text) }),
  ];
  store?.replace(secrets, String(version));
  put(world.pods, 'Pod', 'shop-pooler-0', {
    spec: { containers: [] },
    status: {
      podIP: '127.0.0.1',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ name: 'pooler', state: { running: {} } }],
    },
  });
  put(world.pools, 'ConnectionPool', 'shop', {
    spec: { postgres: { endpoint, role: 'primary' }, mode: 'transaction', ...spec },
  });
  const records = new Map<
    string,
    { podUid: string; observation: Observation; follows: boolean; at: number }
  >();
  const calls = { total: 0, now: 0, most: 0, databases: [] as string[] };
  const counting: ClientPort = {
    ask: async (address, use) => {
      calls.total++;
      calls.databases.push(address.database);
      calls.most = Math.max(calls.most, ++calls.now);
      try {
        return await clientPort.ask({ ...address, port: pooler.port }, use);
      } finally {
        calls.now--;
      }
    },
  };
  const changes: string[] = [];
  const inquiries = new Inquiries({
    clientPort: counting,
    everySeconds,
    onChange: (changed) => changes.push(changed),
    random: () => 0.5,
  });
  const settings = { poolerImage: '', clusterDomain: 'cluster.local', operatorNamespace: 'system' };
  const context = { world, engine: pgbouncer, consoles: { records }, settings };
  const log = createLog('silent');
  const observe = async () => {
    const podUid = 'u-shop-pooler-0';
    const observation = await pooler.observe();
    records.set(podUid, { podUid, observation, follows: true, at: Date.now() });
  };
  await observe();
  return {
    inquiries,
    calls,
    changes,
    observe,
    look: async () => {
      const signal = new AbortController().signal;
      const run = { id: '1', log, signal, failures: 0 };
      const ground = context as unknown as Parameters<Inquiries['reconcile']>[0];
      const outcome = await inquiries.reconcile(ground, key, run);
      return outcome.kind === 'after' ? outcome.seconds : undefined;
    },
  };
}

const listed = {
  databases: [{ name: 'a' }],
  caps: [{ name: 'a', connections: 2 }],
};

test('it is asked once, and then not before its time, whoever wakes', async () => {
  const pooler = await startPooler(holderConfig(postgres, listed), [web]);
  try {
    const scene = await sceneOf(pooler, [web], { databases: [{ name: 'a' }] });
    assert.equal(await scene.look(), 600);
    const inquiry = scene.inquiries.of(budgetKey, 'primary');
    assert.ok(inquiry !== undefined && 'answer' in inquiry, JSON.stringify(inquiry));
    assert.equal(inquiry.answer.maxConnections, 60);
    assert.equal(inquiry.through, 'user web of ConnectionPool shop/shop');
    assert.deepEqual(scene.changes, [budgetKey]);
    for (let i = 0; i < 5; i++) {
      const wait = await scene.look();
      assert.ok(wait !== undefined && wait > 590 && wait <= 600, String(wait));
    }
    assert.deepEqual(scene.calls, { total: 1, now: 0, most: 1, databases: ['a'] });
    scene.inquiries.expect(budgetKey, 'primary');
    const soon = await scene.look();
    assert.ok(soon !== undefined && soon > 4 && soon <= 5, String(soon));
  } finally {
    await pooler.stop();
  }
});

test('the same answer again is no news', async () => {
  const pooler = await startPooler(holderConfig(postgres, listed), [web]);
  try {
    const scene = await sceneOf(pooler, [web], { databases: [{ name: 'a' }] }, 0);
    for (let i = 0; i < 3; i++) await scene.look();
    assert.equal(scene.calls.total, 3);
    assert.equal(scene.changes.length, 1);
  } finally {
    await pooler.stop();
  }
});

test('a user who may not open the database is followed by one who may, one at a time', async () => {
  const pooler = await startPooler(holderConfig(postgres, listed), [locked, web]);
  try {
    const scene = await sceneOf(pooler, [locked, web], { databases: [{ name: 'a' }] });
    await scene.look();
    const inquiry = scene.inquiries.of(budgetKey, 'primary');
    assert.ok(inquiry !== undefined && 'answer' in inquiry, JSON.stringify(inquiry));
    assert.match(inquiry.through, /user web/);
    assert.deepEqual([scene.calls.total, scene.calls.most], [2, 1]);
  } finally {
    await pooler.stop();
  }
});

test('where nobody may, it says so without a password, and tries ever more rarely', async () => {
  const pooler = await startPooler(holderConfig(postgres, listed), [locked]);
  try {
    const scene = await sceneOf(pooler, [locked], { databases: [{ name: 'a' }] });
    assert.equal(await scene.look(), 10);
    const inquiry = scene.inquiries.of(budgetKey, 'primary');
    assert.ok(inquiry !== undefined && 'failure' in inquiry, JSON.stringify(inquiry));
    assert.match(inquiry.failure, /permission denied|locked/);
    assert.doesNotMatch(inquiry.failure, /secret/);
    const wait = await scene.look();
    assert.ok(wait !== undefined && wait > 9, String(wait));
    assert.equal(scene.calls.total, 1);
  } finally {
    await pooler.stop();
  }
});

test('with "*", where all connections are taken in another database, it asks there or not at all', async () => {
  const parts = {
    databases: 'any',
    axis: 'user',
    users: [web],
    caps: [{ name: 'web', connections: 2 }],
  } as const;
  const pooler = await startPooler(holderConfig(postgres, parts), [web]);
  try {
    const options = { port: pooler.port, user: web, databases: ['a'], clients: 2 };
    const load = await startLoad({ ...options, sql: 'select pg_sleep(0.2)' });
    try {
      const scene = await sceneOf(pooler, [web], { databases: [{ name: '*' }] });
      await eventually(
        'both connections are taken',
        () => pooler.observe(),
        (seen) => seen.sessions.total === 2 && seen.clients.waiting === 0,
      );
      await scene.observe();
      await scene.look();
      assert.deepEqual(scene.calls.databases, ['a']);
      assert.deepEqual(await backends(postgres, 'datname'), { a: 2 });
    } finally {
      await load.stop();
    }
    assert.deepEqual(load.errors, []);
  } finally {
    await pooler.stop();
  }
});

test('with "*" and no client yet it asks in a database that every server has', async () => {
  const parts = {
    databases: 'any',
    axis: 'user',
    users: [web],
    caps: [{ name: 'web', connections: 2 }],
  } as const;
  const pooler = await startPooler(holderConfig(postgres, parts), [web]);
  try {
    const scene = await sceneOf(pooler, [web], { databases: [{ name: '*' }] });
    await scene.look();
    assert.deepEqual(scene.calls.databases, ['postgres']);
    assert.deepEqual(await backends(postgres, 'datname'), { postgres: 1 });
  } finally {
    await pooler.stop();
  }
});

for (const [what, spec, seconds] of [
  ['is paused', { pause: {} }, 30],
  ['is for the replicas', { postgres: { endpoint, role: 'replicas' } }, undefined],
] as const) {
  test(`a pool that ${what} is not asked`, async () => {
    const pooler = await startPooler(holderConfig(postgres, listed), [web]);
    try {
      const scene = await sceneOf(pooler, [web], { databases: [{ name: 'a' }], ...spec });
      assert.equal(await scene.look(), seconds);
      assert.equal(scene.calls.total, 0);
    } finally {
      await pooler.stop();
    }
  });
}
