// One server under several names has one budget: what objects say, what the server says, and who may attach.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Condition } from '../../operator/api/conditions.ts';
import type { ConnectionBudgetStatus, ServerRecord } from '../../operator/api/connection-budget.ts';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool.ts';
import {
  configMaps,
  events,
  type KubeObject,
  secrets,
  services,
  statefulSets,
} from '../../operator/kube/types.ts';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import { repository } from '../cluster/paths.ts';
import { run, sleep } from '../cluster/run.ts';
import type { OperatorProcess } from './operator-process.ts';
import {
  condition,
  eventually,
  furnish,
  kubectl,
  makeNamespace,
  openRoom,
  pool,
  postgres,
  type Room,
  secret,
  system,
} from './room.ts';

let room: Room;
let operator: OperatorProcess;
before(async () => {
  room = await openRoom();
  operator = await room.operator();
});
after(() => room?.close());

const endpoint = (host: string, more: object = {}) => ({
  postgres: { endpoint: { host, cores: 64, maxConnections: 5000, ...more } },
});

function service(namespace: string, name: string, spec: object): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: { ports: [{ port: 5432 }], ...spec },
  };
}

async function budgetOf(key: string): Promise<ConnectionBudgetStatus> {
  const [namespace = '', name = ''] = key.split('/');
  const live = await room.client.get(connectionBudgets, { namespace, name });
  return (live?.status ?? {}) as ConnectionBudgetStatus;
}

/** The pool's budget draws from `from`. Returns its record there. */
async function drawsFrom(namespace: string, name: string, from: string): Promise<ServerRecord> {
  let record: ServerRecord | undefined;
  await eventually(
    `${namespace}/${name} draws from ${from}`,
    () => room.client.get(connectionPools, { namespace, name }),
    () => true,
  );
  await eventually(
    `the budget of ${namespace}/${name} is a part of ${from}`,
    async () => {
      const live = await room.client.get(connectionPools, { namespace, name });
      const { budget = '' } = (live?.status ?? {}) as ConnectionPoolStatus;
      record = (await budgetOf(budget)).servers?.find((one) => one.sameAs !== undefined);
      return live;
    },
    () => record !== undefined,
  );
  assert.equal(`${record?.sameAs?.namespace}/${record?.sameAs?.name}`, from);
  return record as ServerRecord;
}

/** The part of a pool by its own status, once it is that. No pod runs here that could give anything back. */
async function share(namespace: string, name: string, wanted: number): Promise<void> {
  await eventually(
    `a share of ${wanted} for ${namespace}/${name}`,
    () => room.client.get(connectionPools, { namespace, name }),
    (live) => (live.status as ConnectionPoolStatus | undefined)?.sizing?.share === wanted,
  );
}

function conditionOf(status: ConnectionBudgetStatus, type: string): Condition | undefined {
  return status.conditions?.find((one) => one.type === type);
}

test('a Service in front of a cluster leads to the budget of the cluster, whatever its pools say of it', async () => {
  const { client } = room;
  const namespace = 'alias';
  await furnish(client, namespace);
  await client.create(services, service(namespace, 'pg', { selector: { app: 'db', x: 'y' } }));
  await client.create(
    services,
    service(namespace, 'elsewhere', { type: 'ExternalName', externalName: 'pg.alias.svc' }),
  );
  const names = ['pg', 'pg.alias', 'pg.alias.svc', 'pg.alias.svc.cluster.local.', 'elsewhere'];
  for (const [i, host] of names.entries()) {
    await client.create(connectionPools, pool(namespace, `p${i}`, endpoint(host)));
  }
  const all = ['shop', ...names.map((_, i) => `p${i}`)];
  for (const name of all.slice(1)) {
    const { sameAs } = await drawsFrom(namespace, name, 'alias/statefulset-db');
    assert.equal(sameAs?.reason, 'SameCluster');
    assert.match(sameAs?.why ?? '', /is a Service in front of StatefulSet alias\/db/);
  }
  // 4 cores × 2 + 1, not the 64 cores that the endpoints claim, for six pools of two pods.
  await operator.quiet();
  const { allotments = [], servers = [] } = await budgetOf('alias/statefulset-db');
  assert.equal(servers[0]?.budget, 9);
  assert.ok((servers[0]?.allotted ?? 0) <= 9);
  const rows = allotments.filter((row) => row.of === 'ConnectionBudget');
  assert.equal(rows.length, 5);
  assert.equal(
    allotments.reduce((sum, row) => sum + row.target, 0),
    9,
  );
  for (const name of all) {
    const live = await client.get(connectionPools, { namespace, name });
    const { sizing } = (live?.status ?? {}) as ConnectionPoolStatus;
    assert.equal(sizing?.budget, 9);
    assert.ok(sizing.share === 1 || sizing.share === 2, `${name} has ${sizing.share}`);
  }
  // The command line finds them too, by what is written in the budgets.
  const explained = await run([
    ...[join(repository, 'bin', 'spillway'), 'explain', 'p0', `--namespace=${namespace}`],
    ...[`--kubeconfig=${room.plane.kubeconfig}`, `--operator-namespace=${system}`],
  ]);
  assert.match(explained, /limits\.cpu of StatefulSet alias\/db/);
  for (const name of all) assert.match(explained, new RegExp(`\\b${name}\\b`));
});

test('whoever may not attach to a cluster may not do it by the name of its Service either', async () => {
  const { client } = room;
  const home = 'guarded';
  const namespace = 'intruder';
  await furnish(client, home);
  await makeNamespace(client, namespace);
  await client.create(secrets, secret(namespace));
  const host = 'db-0.db.guarded.svc.cluster.local';
  await client.create(connectionPools, pool(namespace, 'shop', endpoint(host)));
  await drawsFrom(namespace, 'shop', 'guarded/statefulset-db');
  const reason = 'NamespaceNotAllowed';
  const message = await condition(client, namespace, 'ShareGranted', 'False', reason);
  assert.match(message, /ConnectionBudget guarded\/statefulset-db does not let namespace intruder/);
  const live = await client.get(connectionPools, { namespace, name: 'shop' });
  assert.equal(((live?.status ?? {}) as ConnectionPoolStatus).allotment?.connections ?? 0, 0);
  const spec = { namespaces: [{ name: namespace, max: 4 }] };
  await client.patch(connectionBudgets, { namespace: home, name: 'statefulset-db' }, { spec });
  await share(home, 'shop', 5);
  await share(namespace, 'shop', 4);
});

test('a StatefulSet that the operator of a cluster made is the cluster; its budget is made where nobody asked for it', async () => {
  const { client } = room;
  const namespace = 'inner';
  await makeNamespace(client, namespace);
  await client.create(secrets, secret(namespace));
  const db = postgres(namespace);
  const owner = {
    apiVersion: 'acid.zalan.do/v1',
    kind: 'postgresql',
    name: 'acid-shop',
    uid: '6f5c9fd8-5a3c-4d6f-8a5e-1f1d3c2b4a59',
    controller: true,
  };
  await client.create(statefulSets, {
    ...db,
    metadata: { ...db.metadata, ownerReferences: [owner] },
  });
  await client.create(connectionPools, pool(namespace));
  await drawsFrom(namespace, 'shop', 'inner/postgresql-acid-shop');
  await eventually(
    'the budget of the cluster',
    () => client.get(connectionBudgets, { namespace, name: 'postgresql-acid-shop' }),
    (live) => live.metadata.deletionTimestamp === undefined,
  );
});

test('two names of one server are found by its own word: the later one draws from the earlier, and nothing is raised twice', async () => {
  const { client } = room;
  const namespace = 'twins';
  await makeNamespace(client, namespace);
  await client.create(secrets, secret(namespace));
  const observed = {
    server: 'primary',
    maxConnections: 5000,
    superuserReserved: 3,
    reserved: 0,
    version: '17.2',
    inRecovery: false,
    systemIdentifier: '7451234567890123456',
    address: '10.1.2.3:5432',
    since: '2026-01-01T00:00:00Z',
  };
  const answer = async (name: string, words: object) => {
    const live = await client.get(connectionPools, { namespace, name });
    const { budget = '' } = (live?.status ?? {}) as ConnectionPoolStatus;
    const [home = '', budgetName = ''] = budget.split('/');
    await kubectl(room.plane, [
      ...['patch', 'connectionbudgets.spillway.dev', budgetName, `--namespace=${home}`],
      ...['--subresource=status', '--type=merge', '--patch'],
      JSON.stringify({ status: { observed: [words] } }),
    ]);
    return budget;
  };
  const one = { ...endpoint('db-one.example.com', { cores: 8 }), pooler: { replicas: 1 } };
  await client.create(connectionPools, pool(namespace, 'one', one));
  // Others use servers that this may be: a pod's worth, until it has said who it is.
  const asking = await condition(client, namespace, 'ShareGranted', 'False', 'AskingServer', 'one');
  assert.match(asking, /1 of 17 connections are here: the server is asked first/);
  const first = await answer('one', observed);
  await eventually(
    'all of it',
    () => client.get(connectionPools, { namespace, name: 'one' }),
    (live) => (live.status as ConnectionPoolStatus | undefined)?.allotment?.connections === 17,
  );

  // Ages are in seconds; of two of one second the name decides.
  await sleep(1100);
  const two = { ...endpoint('db-two.example.com', { cores: 16 }), pooler: { replicas: 1 } };
  await client.create(connectionPools, pool(namespace, 'two', two));
  await condition(client, namespace, 'ShareGranted', 'False', 'AskingServer', 'two');
  const second = await answer('two', observed);
  const { sameAs } = await drawsFrom(namespace, 'two', first);
  assert.equal(sameAs?.reason, 'SameSystem');
  assert.match(sameAs?.why ?? '', /10\.1\.2\.3:5432 with system_identifier 7451234567890123456/);
  const said = conditionOf(await budgetOf(second), 'SameServer');
  assert.equal(said?.status, 'True');
  await eventually(
    'a warning',
    async () =>
      (await client.list(events, { namespace: second.split('/')[0] ?? '' })).items.find(
        (event) => event.reason === 'SameSystem' && event.type === 'Warning',
      ),
    () => true,
  );
  await operator.quiet();
  const { servers = [], allotments = [] } = await budgetOf(first);
  assert.equal(servers[0]?.budget, 17);
  // Of equal weights, either may have the odd one.
  assert.deepEqual(allotments.map(({ target }) => target).sort(), [8, 9]);
  const row = allotments.find((one) => one.of === 'ConnectionBudget');
  const live = await client.get(connectionPools, { namespace, name: 'two' });
  const status = (live?.status ?? {}) as ConnectionPoolStatus;
  // The first has never used more than the one that it was asked through, and gave back the rest.
  assert.equal(status.allotment?.connections, row?.target);
  assert.equal(servers[0]?.allotted, 17);
  assert.match(status.sizing?.explanation ?? '', /^8 cores × 2 \+ 1 = 17; 2 pools share it/);

  // The link is written down: another operator finds it, and has nothing to write.
  assert.equal(await operator.stop(), 0);
  operator = await room.operator({ name: 'spillway-1' });
  assert.deepEqual(await operator.quiet(), { writes: 0, events: 0, refused: 0, by: {} });

  // Whoever shared with it has all again when it goes.
  await client.delete(connectionPools, { namespace, name: 'two' });
  // What a garbage collector would do.
  for (const type of [statefulSets, configMaps]) {
    await client.delete(type, { namespace, name: 'two-pooler' });
  }
  await eventually(
    'its budget is gone, and the first has no row of it',
    () => client.get(connectionBudgets, refOfKey(first)),
    (budget) =>
      ((budget.status ?? {}) as ConnectionBudgetStatus).allotments?.every(
        (row) => row.of === undefined,
      ) === true,
  );
  assert.equal(await client.get(connectionBudgets, refOfKey(second)), undefined);
});

function refOfKey(key: string) {
  const [namespace = '', name = ''] = key.split('/');
  return { namespace, name };
}
