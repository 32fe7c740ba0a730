// A pool of an endpoint whose name stops resolving, as when a record is lost or the DNS of the cluster is down: it is
// named, and the pool keeps all that it has. The name is in a file that stands for /etc/hosts in the operator alone.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool.ts';
import { configMaps, secrets, services, statefulSets } from '../../operator/kube/types.ts';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import { condition, makeNamespace, openRoom, pool, type Room, secret, system } from './room.ts';

const folder = mkdtempSync(join(tmpdir(), 'spillway-hosts-'));
const hosts = join(folder, 'hosts');
const host = 'db.spillway.test';
const namespace = 'endpoint';

let room: Room;
before(async () => {
  room = await openRoom();
});
after(async () => {
  await room?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Written in place, because a file that is mounted stays the one that it is. */
function known(...lines: readonly string[]): void {
  writeFileSync(hosts, ['127.0.0.1 localhost', ...lines, ''].join('\n'));
}

/** What the pool lives from, with the versions of its objects. */
async function running(): Promise<Record<string, unknown>> {
  const { client } = room;
  const ref = { namespace, name: 'shop-pooler' };
  const version = async (type: typeof configMaps, name = ref.name) =>
    (await client.get(type, { namespace, name }))?.metadata.resourceVersion;
  const set = await client.get(statefulSets, ref);
  const live = await client.get(connectionPools, { namespace, name: 'shop' });
  const { allotment, grants, sizing } = (live?.status ?? {}) as ConnectionPoolStatus;
  const { items } = await client.list(connectionBudgets, { namespace: system });
  return {
    files: await version(configMaps),
    users: await version(secrets, 'shop-pooler-users'),
    service: await version(services, 'shop'),
    workload: set?.metadata.resourceVersion,
    replicas: (set?.spec as { replicas: number } | undefined)?.replicas,
    allotment,
    grants,
    sizing,
    budgets: items.map(({ metadata, status }) => [
      metadata.name,
      (status as { allotments?: object }).allotments,
    ]),
  };
}

test('a host that stops resolving is named, and the pool that runs keeps all that it has', async () => {
  const { client } = room;
  known(`192.0.2.1 ${host}`);
  await makeNamespace(client, namespace);
  await client.create(secrets, secret(namespace));
  const endpoint = { host, cores: 4, maxConnections: 100 };
  await client.create(connectionPools, pool(namespace, 'shop', { postgres: { endpoint } }));
  const first = await room.operator({ hosts });
  await condition(client, namespace, 'PostgresFound', 'True', 'Found');
  await condition(client, namespace, 'ShareGranted', 'True', 'Granted');
  await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied');
  await first.quiet();
  const before = await running();
  assert.deepEqual([before.replicas, before.allotment], [2, { connections: 9, serial: 1 }]);
  assert.equal(await first.stop(), 0);

  // A new leader has no answer of before.
  known();
  const second = await room.operator({ hosts, name: 'spillway-1' });
  const reason = 'HostDoesNotResolve';
  const message = await condition(client, namespace, 'PostgresFound', 'False', reason);
  assert.ok(message.includes(host), message);
  await condition(client, namespace, 'Ready', 'False', reason);
  await second.quiet();
  assert.deepEqual(await running(), before);

  known(`192.0.2.2 ${host}`);
  await condition(client, namespace, 'PostgresFound', 'True', 'Found', 'shop', 120);
  await second.quiet();
  assert.deepEqual(await running(), before);
  const { by, refused } = await second.calls();
  assert.equal(refused, 0, JSON.stringify(by));
  assert.equal(await second.stop(), 0);
});
