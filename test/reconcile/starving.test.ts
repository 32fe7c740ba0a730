// Clients that starve behind a real PgBouncer: the operator's own look at the console serves them, once the file keeps
// room for them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { labelsOf } from '../../operator/core/pool/labels.ts';
import { fileKey, namesOf } from '../../operator/core/pool/names.ts';
import type { Console, ConsoleAddress } from '../../operator/engines/engine.ts';
import { console as admin } from '../../operator/engines/pgbouncer/console.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import type { Client } from '../../operator/kube/client.ts';
import type { KubeObject } from '../../operator/kube/types.ts';
import { Consoles } from '../../operator/reconcile/consoles.ts';
import type { Shelf } from '../../operator/reconcile/shelf.ts';
import { World } from '../../operator/reconcile/world.ts';
import { createLog } from '../../operator/runtime/log.ts';
import { Turns } from '../../operator/runtime/turns.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import {
  adminUser,
  eventually,
  holderConfig,
  type Pooler,
  startLoad,
  startPooler,
} from '../engines/pooler.ts';
import { noRenewals } from './stores.ts';

const web = { name: 'web', secret: 'w' };
let postgres: Postgres;
before(async () => {
  postgres = await startPostgres({
    users: [{ name: web.name, password: web.secret }],
    databases: ['a', 'b'],
  });
});
after(() => postgres?.stop());

const identity = { namespace: 'shop', name: 'shop', uid: 'u' };
const names = namesOf('shop');
const pod = 'shop-pooler-0';
const base64 = (text: string) => Buffer.from(text).toString('base64');

function object(kind: string, name: string, more: object): KubeObject {
  const { namespace, uid } = identity;
  const labels = { ...labelsOf(identity) };
  const metadata = { namespace, name, uid: `${uid}-${name}`, labels };
  return { apiVersion: 'v1', kind, metadata, ...more };
}

let version = 0;
function put(shelf: Shelf, one: KubeObject): void {
  const resourceVersion = String(++version);
  const object = { ...one, metadata: { ...one.metadata, resourceVersion } };
  shelf.reflectors[0]?.store.replace([object], resourceVersion);
}

/** The operator's consoles, with stores that say what the pooler reads, and its port in place of the one in a pod. */
function consolesOf(pooler: Pooler) {
  const world = new World({ client: {} as Client, namespaces: [], operatorNamespace: 'system' });
  const at = (address: ConsoleAddress) => ({ ...address, port: pooler.port });
  const reconnects: (readonly string[] | undefined)[] = [];
  const asker: Console = {
    ...admin,
    observe: (address) => admin.observe(at(address)),
    reload: (address) => admin.reload(at(address)),
    reconnect: (address, databases) => {
      reconnects.push(databases);
      return admin.reconnect(at(address), databases);
    },
  };
  const running = [{ state: { running: {} } }];
  const args = [`/etc/spillway/${fileKey(`${pod}-0`, identity.uid, 1)}`];
  put(
    world.pods,
    object('Pod', pod, {
      spec: { containers: [{ name: 'pooler', args }] },
      status: { podIP: '127.0.0.1', containerStatuses: running },
    }),
  );
  const data = { username: base64(adminUser.name), password: base64(adminUser.secret) };
  put(
    world.secrets,
    object('Secret', names.consoleSecret, { data: { ...data, mark: base64('m') } }),
  );
  const consoles = new Consoles({
    world,
    client: {} as Client,
    engine: pgbouncer,
    console: asker,
    onChange: () => undefined,
    onLook: () => undefined,
    renewals: noRenewals,
    turns: new Turns(),
  });
  return {
    reconnects,
    look: () =>
      consoles.reconcile(`shop/shop/${pod}`, {
        id: '1',
        log: createLog('silent'),
        signal: new AbortController().signal,
        failures: 0,
      }),
    /** What stands in the file, and in the status of the pool. */
    say: (text: string, sharers?: number) => {
      const key = fileKey(`${pod}-0`, identity.uid, 1);
      put(world.configMaps, object('ConfigMap', names.configMap, { data: { [key]: text } }));
      const spec = { databases: [{ name: '*' }] };
      const status = sharers === undefined ? {} : { sharers };
      put(world.pools, object('ConnectionPool', 'shop', { spec, status }));
    },
  };
}

test('who starves is served after the next look, and nobody loses a transaction', async () => {
  const caps = [{ name: 'web', connections: 2 }];
  const parts = { databases: 'any', axis: 'user', users: [web], caps } as const;
  const config = holderConfig(postgres, parts);
  const pooler = await startPooler(config, [web]);
  try {
    const { look, say, reconnects } = consolesOf(pooler);
    const options = { port: pooler.port, user: web, clients: 4 };
    // Long enough that no stall of this process leaves a connection idle: `b` would be given it.
    const first = await startLoad({ ...options, databases: ['a'], sql: 'select pg_sleep(0.2)' });
    await eventually('all is taken', pooler.observe, (o) => o.sessions.byUser.web === 2);
    const late = await startLoad({ ...options, databases: ['b'] });
    try {
      const hungry = async () => pgbouncer.starving(await pooler.observe(), 'user').length;
      await eventually('b starves', hungry, (n) => n === 1);

      say(pooler.text());
      await look();
      assert.deepEqual(reconnects, [], 'without room for them it would be for nothing');

      say(pooler.text(), 2);
      await eventually('b still starves', hungry, (n) => n === 1);
      await look();
      assert.deepEqual(reconnects, [undefined], 'all databases, as users cannot be named');

      const next = { ...config, listenPort: pooler.port, generation: 2, sharers: 2 };
      await pooler.apply(pgbouncer.renderHolderFile(next));
      say(pooler.text(), 2);
      await eventually(
        'b is served',
        async () => {
          await look();
          return late.done();
        },
        (done) => done > 50,
      );
      const before = reconnects.length;
      assert.equal(await hungry(), 0);
      await look();
      assert.equal(reconnects.length, before, 'who is served is left alone');
    } finally {
      await Promise.all([first.stop(), late.stop()]);
    }
    assert.deepEqual([...first.errors, ...late.errors], []);
  } finally {
    await pooler.stop();
  }
});
