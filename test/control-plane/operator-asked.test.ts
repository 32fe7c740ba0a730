// What a server said of itself, as the ConnectionBudget keeps it: sizes are made from it, also after a restart of the
// operator, before anybody can be asked again.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool.ts';
import { type KubeObject, secrets, statefulSets } from '../../operator/kube/types.ts';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import {
  condition,
  eventually,
  kubectl,
  makeNamespace,
  openRoom,
  pool,
  postgres,
  type Room,
  secret,
} from './room.ts';

let room: Room;
before(async () => {
  room = await openRoom();
});
after(() => room?.close());

const observed = {
  server: 'primary',
  maxConnections: 14,
  superuserReserved: 3,
  reserved: 0,
  version: '15.4',
  inRecovery: false,
  since: '2026-01-01T00:00:00Z',
};

/** As if it had been asked. */
function answer(namespace: string, budget: string, words: object[] | null): Promise<string> {
  return kubectl(room.plane, [
    ...['patch', 'connectionbudgets.spillway.dev', budget, `--namespace=${namespace}`],
    ...['--subresource=status', '--type=merge', '--patch'],
    JSON.stringify({ status: { observed: words } }),
  ]);
}

/** That much is its part; whether it has it yet is for its pods to say, of which there are none here. */
function share(namespace: string, wanted: number, name = 'shop') {
  return eventually(
    `${wanted} connections`,
    () => room.client.get(connectionPools, { namespace, name }),
    (live) => (live.status as ConnectionPoolStatus | undefined)?.sizing?.share === wanted,
  );
}

function sourceOf(live: KubeObject, field: string): string | undefined {
  const { sizing } = (live.status ?? {}) as ConnectionPoolStatus;
  return sizing?.sources?.find((one) => one.field === field)?.source;
}

/** A Postgres whose command line says so much of max_connections. */
async function furnishWith(namespace: string, args: string[]): Promise<void> {
  await makeNamespace(room.client, namespace);
  const db = postgres(namespace);
  const { template } = db.spec as { template: { spec: { containers: { args: string[] }[] } } };
  for (const container of template.spec.containers) container.args = args;
  await room.client.create(statefulSets, db);
  await room.client.create(secrets, secret(namespace));
  await room.client.create(connectionPools, pool(namespace));
}

test('sizes follow what the server said, and a restart changes nothing', async () => {
  const { client } = room;
  const namespace = 'asked';
  await furnishWith(namespace, []);
  const operator = await room.operator();
  await condition(client, namespace, 'ShareGranted', 'True');
  const first = await share(namespace, 9);
  assert.equal(sourceOf(first, 'maxConnections'), "PostgreSQL's default");

  await answer(namespace, 'statefulset-db', [observed]);
  // 14 less 3 reserved and 5 slack.
  const asked = await share(namespace, 6);
  assert.equal(sourceOf(asked, 'maxConnections'), 'asked of the server');
  assert.match(sourceOf(asked, 'reserved') ?? '', /3 of the server \(asked of the server\)/);
  const { sizing } = asked.status as ConnectionPoolStatus;
  assert.match(sizing?.explanation ?? '', /max_connections 14 \(asked of the server\)/);
  const found = await condition(client, namespace, 'PostgresFound', 'True');
  assert.match(found, /max_connections 14 \(asked of the server\)/);
  await operator.quiet();
  const budget = await client.get(connectionBudgets, { namespace, name: 'statefulset-db' });
  const status = budget?.status as { observed?: unknown; conditions?: { type: string }[] };
  assert.deepEqual(status.observed, [observed]);
  assert.ok(status.conditions?.some((one) => one.type === 'ServerAsked'));
  assert.equal(await operator.stop(), 0);

  const second = await room.operator({ name: 'spillway-1' });
  assert.deepEqual(await second.quiet(), { writes: 0, events: 0, refused: 0, by: {} });
  await answer(namespace, 'statefulset-db', [{ ...observed, maxConnections: 300 }]);
  await share(namespace, 9);
  assert.equal(await second.stop(), 0);
});

test('a parameter that the server has not applied yet is not promised, and status says so', async () => {
  const { client } = room;
  const namespace = 'pending';
  await furnishWith(namespace, ['-c', 'max_connections=200']);
  const operator = await room.operator();
  await share(namespace, 9);
  await answer(namespace, 'statefulset-db', [observed]);
  const live = await share(namespace, 6);
  assert.equal(
    sourceOf(live, 'maxConnections'),
    'asked of the server, which does not have the 200 of the command line of StatefulSet pending/db yet',
  );
  await answer(namespace, 'statefulset-db', [{ ...observed, maxConnections: 500 }]);
  const more = await share(namespace, 9);
  assert.equal(sourceOf(more, 'maxConnections'), 'the command line of StatefulSet pending/db');
  await answer(namespace, 'statefulset-db', [
    { ...observed, inRecovery: true, maxConnections: 200 },
  ]);
  const why = await condition(client, namespace, 'PostgresFound', 'False', 'PostgresReadOnly');
  assert.match(why, /db-0\.db\.pending\.svc\.cluster\.local:5432 says that it follows another/);
  assert.equal(await operator.stop(), 0);
});

test('of an endpoint the owner says nothing but the cores; pools that say different things get the least', async () => {
  const { client } = room;
  const namespace = 'endpoint';
  await makeNamespace(client, namespace);
  await client.create(secrets, secret(namespace));
  const endpoint = (more: object) => ({
    postgres: { endpoint: { host: 'db.example.com', cores: 8, ...more } },
  });
  await client.create(connectionPools, pool(namespace, 'shop', endpoint({})));
  const operator = await room.operator();
  const live = await share(namespace, 17);
  assert.equal(sourceOf(live, 'maxConnections'), "PostgreSQL's default");
  const { budget = '' } = live.status as ConnectionPoolStatus;
  const [home = '', name = ''] = budget.split('/');
  await answer(home, name, [{ ...observed, maxConnections: 18 }]);
  await share(namespace, 10);
  await answer(home, name, [{ ...observed, maxConnections: 1000 }]);
  await share(namespace, 17);
  const second = pool(namespace, 'web', endpoint({ cores: 4, maxConnections: 500 }));
  await client.create(connectionPools, second);
  const least = 'spec.postgres.endpoint.cores of ConnectionPool endpoint/web';
  const shares: number[] = [];
  for (const one of ['shop', 'web']) {
    const sized = await eventually(
      `${one} has the cores that ${least}`,
      () => client.get(connectionPools, { namespace, name: one }),
      (pool) => sourceOf(pool, 'cores') === least,
    );
    assert.equal(sourceOf(sized, 'maxConnections'), 'spec.postgres.endpoint.maxConnections');
    shares.push((sized.status as ConnectionPoolStatus).sizing?.share ?? 0);
  }
  assert.deepEqual(shares.sort(), [4, 5]);
  assert.equal(await operator.stop(), 0);
});
