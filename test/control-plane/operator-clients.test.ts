// Applications, counted on a real API server: what connects, what follows for the poolers and for their own pools,
// the Secret that they bind to, and what `spillway explain` says of it all.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { PoolClients } from '../../operator/api/connection-pool.ts';
import type { Explained } from '../../operator/cli/explanation.ts';
import {
  configMaps,
  cronJobs,
  daemonSets,
  deployments,
  horizontalPodAutoscalers,
  type KubeObject,
  secrets,
} from '../../operator/kube/types.ts';
import { connectionPools } from '../../operator/reconcile/world.ts';
import { repository } from '../cluster/paths.ts';
import { run } from '../cluster/run.ts';
import { condition, eventually, furnish, openRoom, password, type Room } from './room.ts';

let room: Room;
before(async () => {
  room = await openRoom();
});
after(() => room?.close());

const podTemplate = (name: string) => ({
  metadata: { labels: { app: name } },
  spec: { containers: [{ name: 'app', image: 'app' }], restartPolicy: 'Always' },
});

function workload(
  apiVersion: string,
  kind: string,
  namespace: string,
  name: string,
  spec: object,
): KubeObject {
  return { apiVersion, kind, metadata: { namespace, name, labels: { team: 'shop' } }, spec };
}

const deployment = (namespace: string, name: string, replicas: number) =>
  workload('apps/v1', 'Deployment', namespace, name, {
    replicas,
    selector: { matchLabels: { app: name } },
    template: podTemplate(name),
  });

const daemonSet = (namespace: string, name: string) =>
  workload('apps/v1', 'DaemonSet', namespace, name, {
    selector: { matchLabels: { app: name } },
    template: podTemplate(name),
  });

const cronJob = (namespace: string, name: string) =>
  workload('batch/v1', 'CronJob', namespace, name, {
    schedule: '0 3 * * *',
    concurrencyPolicy: 'Forbid',
    jobTemplate: {
      spec: {
        parallelism: 3,
        template: {
          spec: { containers: [{ name: 'job', image: 'job' }], restartPolicy: 'Never' },
        },
      },
    },
  });

const scaler = (namespace: string, name: string, maxReplicas: number) =>
  workload('autoscaling/v2', 'HorizontalPodAutoscaler', namespace, name, {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
    maxReplicas,
  });

const statusOf = (object: KubeObject) =>
  (object.status ?? {}) as {
    clients?: PoolClients;
    sizing?: { maxClientConn: number };
    binding?: { name: string };
  };

const live = (namespace: string) => () =>
  room.client.get(connectionPools, { namespace, name: 'shop' });

const counted = (object: KubeObject) =>
  (statusOf(object).clients?.workloads ?? []).map((w) => [w.kind, w.name, w.pods, w.connections]);

test('workloads are counted, with their autoscaler, and the poolers accept as many clients', async () => {
  const { client } = room;
  const namespace = 'counted';
  await furnish(client, namespace, {
    clients: {
      workloads: [
        { kind: 'Deployment', name: 'web', poolSize: 10, tasks: 4, connectionsPerTask: 4 },
        { kind: 'CronJob', selector: { matchLabels: { team: 'shop' } }, poolSize: 2 },
        { kind: 'DaemonSet', name: 'agent', poolSize: 1, maxReplicas: 5 },
      ],
    },
  });
  await client.create(deployments, deployment(namespace, 'web', 4));
  await client.create(cronJobs, cronJob(namespace, 'nightly'));
  const operator = await room.operator();

  const missing = await condition(client, namespace, 'ClientsFit', 'False', 'WorkloadDoesNotExist');
  assert.match(missing, /there is no DaemonSet counted\/agent/);
  await client.create(daemonSets, daemonSet(namespace, 'agent'));
  const blocked = await condition(client, namespace, 'ClientsFit', 'False', 'TasksBlockEachOther');
  assert.match(blocked, /Deployment web has 10 and needs 13/);
  const first = await eventually(
    'all are counted',
    live(namespace),
    (p) => counted(p).length === 3,
  );
  assert.deepEqual(counted(first), [
    // 4 replicas and a quarter more while it rolls.
    ['Deployment', 'web', 5, 50],
    ['CronJob', 'nightly', 3, 6],
    ['DaemonSet', 'agent', 5, 5],
  ]);
  assert.equal(statusOf(first).clients?.connections, 61);
  assert.equal(statusOf(first).clients?.workloads[0]?.recommendedPoolSize, 13);

  await client.create(horizontalPodAutoscalers, scaler(namespace, 'web', 40));
  const scaled = await eventually(
    'the autoscaler counts',
    live(namespace),
    (p) => statusOf(p).clients?.connections === 511,
  );
  assert.equal(statusOf(scaled).sizing?.maxClientConn, 700);
  await eventually(
    'the poolers accept them',
    () => client.get(configMaps, { namespace, name: 'shop-pooler' }),
    (map) => Object.values(map.data as object).every((t) => /^max_client_conn = 700$/m.test(t)),
  );

  // What is no news to the count is none to the operator.
  const before = await operator.quiet();
  const patch = { metadata: { annotations: { looked: 'again' } } };
  await client.patch(deployments, { namespace, name: 'web' }, patch);
  assert.deepEqual((await operator.quiet()).by, before.by);
  assert.equal(before.refused, 0, JSON.stringify(before.by));

  await client.delete(deployments, { namespace, name: 'web' });
  await condition(client, namespace, 'ClientsFit', 'False', 'WorkloadDoesNotExist');
  const kept = await eventually('one is gone', live(namespace), (p) => counted(p).length === 2);
  assert.equal(statusOf(kept).sizing?.maxClientConn, 700, 'it may come back');

  await operator.quiet();
  assert.equal(await operator.stop(), 0);
  const second = await room.operator({ name: 'spillway-1' });
  assert.deepEqual(await second.quiet(), { writes: 0, events: 0, refused: 0, by: {} });
  assert.equal(await second.stop(), 0);
});

test('a Secret to bind to is made where it is asked for, follows the password, and is emptied after', async () => {
  const { client } = room;
  const namespace = 'bound';
  const user = { name: 'app', secretRef: { name: 'app' } };
  const databases = [{ name: 'orders' }];
  await furnish(client, namespace, {
    databases,
    users: [{ ...user, binding: { secretName: 'to-bind' } }],
  });
  const operator = await room.operator();
  const pool = await eventually(
    'the binding is named',
    live(namespace),
    (p) => statusOf(p).binding?.name === 'to-bind',
  );
  const secret = () => client.get(secrets, { namespace, name: 'to-bind' });
  const data = (object: KubeObject | undefined) =>
    Object.fromEntries(
      Object.entries((object?.data ?? {}) as Record<string, string>).map(([k, v]) => [
        k,
        Buffer.from(v, 'base64').toString('utf8'),
      ]),
    );
  const made = await secret();
  const host = 'shop.bound.svc.cluster.local';
  assert.equal(made?.type, 'servicebinding.io/postgresql');
  assert.deepEqual(data(made), {
    type: 'postgresql',
    provider: 'spillway',
    host,
    port: '5432',
    username: 'app',
    password,
    database: 'orders',
    uri: `postgresql://app:${password}@${host}:5432/orders`,
  });
  assert.equal(made?.metadata.ownerReferences?.[0]?.uid, pool.metadata.uid);
  assert.doesNotMatch(JSON.stringify(pool), new RegExp(password));

  const other = Buffer.from('an/other@word').toString('base64');
  await client.patch(secrets, { namespace, name: 'app' }, { data: { password: other } });
  const changed = await eventually('the new password', secret, (s) =>
    /an%2Fother%40word@/.test(data(s).uri ?? ''),
  );
  assert.equal(data(changed).password, 'an/other@word');

  await client.patch(connectionPools, { namespace, name: 'shop' }, { spec: { users: [user] } });
  await eventually('the password is gone', secret, (s) => Object.keys(s.data ?? {}).length === 0);
  await eventually('nothing is bound', live(namespace), (p) => statusOf(p).binding === undefined);
  await operator.quiet();
  assert.equal(await operator.stop(), 0);
});

test('a Secret of that name that belongs to somebody else is not touched, and stops nothing', async () => {
  const { client } = room;
  const namespace = 'taken';
  const user = { name: 'app', secretRef: { name: 'app' }, binding: { secretName: 'mine' } };
  await furnish(client, namespace, null);
  const own: KubeObject = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name: 'mine' },
  };
  const before = await client.create(secrets, own);
  await client.create(connectionPools, {
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionPool',
    metadata: { namespace, name: 'shop' },
    spec: {
      postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'db' } },
      users: [user],
    },
  });
  const operator = await room.operator();
  const message = await condition(client, namespace, 'ObjectsApplied', 'False', 'ObjectNotOurs');
  assert.match(message, /Secret mine exists and is not Spillway's: choose another binding/);
  await eventually('the files are written', () =>
    client.get(configMaps, { namespace, name: 'shop-pooler' }),
  );
  const after = await client.get(secrets, { namespace, name: 'mine' });
  assert.equal(after?.metadata.resourceVersion, before.metadata.resourceVersion);
  const pool = await live(namespace)();
  assert.ok(pool !== undefined);
  assert.equal(statusOf(pool).binding, undefined);
  assert.equal(await operator.stop(), 0);
});

test('spillway explain asks the cluster, and says what the operator has written', async () => {
  const { client, plane } = room;
  const namespace = 'explained';
  await furnish(client, namespace, {
    clients: { workloads: [{ kind: 'Deployment', name: 'web', poolSize: 10 }] },
  });
  await client.create(deployments, deployment(namespace, 'web', 4));
  const operator = await room.operator();
  const pool = await eventually(
    'it is counted',
    live(namespace),
    (p) => counted(p).length === 1 && statusOf(p).sizing !== undefined,
  );
  await operator.quiet();
  const words = ['explain', 'shop', '-n', namespace, '-o', 'json'];
  const [explained] = JSON.parse(
    await run([join(repository, 'bin/spillway'), ...words, `--kubeconfig=${plane.kubeconfig}`]),
  ) as Explained[];
  const status = pool.status as { sizing: object; clients: object };
  assert.deepEqual(explained?.sizing, status.sizing);
  assert.deepEqual(explained?.clients, status.clients);
  assert.equal(explained?.shares.length, 1);
  assert.equal(await operator.stop(), 0);
});
