// The ledger's protocol as the whole operator runs it: what is taken back on which proof, and what is done for those
// that cannot give back. There are no controllers and no nodes here; the test does what they would.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ConnectionBudgetStatus } from '../../operator/api/connection-budget.ts';
import { EPOCH_ANNOTATION } from '../../operator/core/pool/labels.ts';
import { parseFileKey } from '../../operator/core/pool/names.ts';
import {
  configMaps,
  events,
  type KubeObject,
  pods,
  secrets,
  serviceAccounts,
  statefulSets,
} from '../../operator/kube/types.ts';
import { connectionBudgets, connectionPools, statusOf } from '../../operator/reconcile/world.ts';
import type { OperatorProcess } from './operator-process.ts';
import { eventually, furnish, openRoom, pool, type Room } from './room.ts';

let room: Room;
let operator: OperatorProcess;
before(async () => {
  room = await openRoom();
  operator = await room.operator();
  await operator.quiet();
});
after(() => room?.close());

const get = (type: typeof pods, namespace: string, name: string) =>
  room.client.get(type, { namespace, name });

/** Connections in the rows of the budget, by pool, once they are as said. `meanwhile` is done before each look. */
function rows(
  namespace: string,
  wanted: Readonly<Record<string, number>>,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<KubeObject> {
  const said = (budget: KubeObject) => {
    const { allotments = [] } = (budget.status ?? {}) as ConnectionBudgetStatus;
    return Object.fromEntries(allotments.map((row) => [row.name, row.connections]));
  };
  return eventually(
    `rows are ${JSON.stringify(wanted)}`,
    async () => {
      await meanwhile();
      return get(connectionBudgets, namespace, 'statefulset-db');
    },
    (budget) =>
      JSON.stringify(Object.entries(said(budget)).sort()) ===
      JSON.stringify(Object.entries(wanted).sort()),
  );
}

/** The workload's controller has seen its present spec; there is no pod. */
async function controllerSees(namespace: string, name: string): Promise<void> {
  const workload = `${name}-pooler`;
  const set = await get(statefulSets, namespace, workload);
  const status = { observedGeneration: set?.metadata.generation, replicas: 0 };
  const patch = { status };
  const ref = { namespace, name: workload };
  await room.client.patch(statefulSets, ref, patch, { subresource: 'status' });
}

/** As the workload's controller would make it now; no node takes it, so that its process never says anything. */
async function makePod(namespace: string, name: string, ordinal: number): Promise<KubeObject> {
  const set = await get(statefulSets, namespace, `${name}-pooler`);
  assert.ok(set);
  const { template } = set.spec as { template: Pick<KubeObject, 'metadata' | 'spec'> };
  return room.client.create(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...template.metadata, namespace, name: `${name}-pooler-${ordinal}` },
    spec: template.spec,
  } as KubeObject);
}

/** Of 9 connections the first pool is to have 5, the second 4, whoever is older. */
const weight = (of: number) => ({ sizing: { weight: of } });

async function converge(namespace: string): Promise<void> {
  await furnish(room.client, namespace, weight(5));
  await eventually(
    'the workload has its pods',
    () => get(statefulSets, namespace, 'shop-pooler'),
    (set) => (set.spec as { replicas: number }).replicas === 2,
  );
}

/** How often the API server was asked for the pods of a pool, besides the watch. */
const liveLooks = () =>
  operator.metric('spillway_kube_request_duration_seconds_count', {
    method: 'GET',
    resource: 'pods',
  });

/** Makes the operator look again: a Secret that was changed is news of its pools. */
async function wake(namespace: string, times: string): Promise<void> {
  const patch = { metadata: { annotations: { looked: times } } };
  await room.client.patch(secrets, { namespace, name: 'app' }, patch);
  await operator.quiet();
}

test('only what is taken back, or given to who runs, costs a live look', async () => {
  const namespace = 'looks';
  const before = await liveLooks();
  await converge(namespace);
  await controllerSees(namespace, 'shop');
  await operator.quiet();
  assert.equal(await liveLooks(), before, 'a new pool has nothing to take back');
  await wake(namespace, 'once');
  assert.equal(await liveLooks(), before, 'nor has one that is as it is to be');

  await room.client.create(connectionPools, pool(namespace, 'web', weight(4)));
  await rows(namespace, { shop: 9, web: 0 });
  await operator.quiet();
  assert.equal(
    await liveLooks(),
    before,
    'nothing is proven yet: nobody has seen the new template',
  );
  await wake(namespace, 'twice');
  assert.equal(await liveLooks(), before, 'who waits for somebody asks nobody');

  await controllerSees(namespace, 'shop');
  await rows(namespace, { shop: 5, web: 4 });
  await eventually(
    'web has taken its share',
    () => get(connectionPools, namespace, 'web'),
    (live) => statusOf(live).allotment?.connections === 4,
  );
  assert.ok((await liveLooks()) > before, 'what was taken back was proven');
  await controllerSees(namespace, 'shop');
  await operator.quiet();
  const settled = await liveLooks();
  await wake(namespace, 'thrice');
  assert.equal(await liveLooks(), settled, 'and nothing more is asked when all is as it is to be');
});

test('files say which pool and which epoch they are of, and the ConfigMap records it', async () => {
  const namespace = 'looks';
  const { uid = '' } = (await get(connectionPools, namespace, 'shop'))?.metadata ?? {};
  const map = await get(configMaps, namespace, 'shop-pooler');
  const keys = Object.keys((map?.data ?? {}) as object).map((key) =>
    parseFileKey({ name: 'shop', uid }, key),
  );
  const epoch = Math.max(...keys.map((key) => key?.epoch ?? Number.NaN));
  assert.ok(epoch > 0, 'a lowering has made a new epoch');
  assert.equal(map?.metadata.annotations?.[EPOCH_ANNOTATION], String(epoch));
  const set = await get(statefulSets, namespace, 'shop-pooler');
  assert.ok(set);
  const { template } = set.spec as {
    template: { spec: { containers: { args: string[] }[] } };
  };
  assert.match(
    template.spec.containers[0]?.args[0] ?? '',
    new RegExp(`\\.${uid}\\.${epoch}\\.ini$`),
  );
});

test('a pool gets in parts what is free while another one cannot give back', async () => {
  const namespace = 'parts';
  await converge(namespace);
  await room.client.create(serviceAccounts, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace, name: 'default' },
  });
  // It has 5 and says nothing: nobody knows whether it has let go.
  await makePod(namespace, 'shop', 0);
  await controllerSees(namespace, 'shop');
  await operator.quiet();
  await room.client.create(connectionPools, pool(namespace, 'web', weight(4)));
  await eventually(
    'the template asks for files that say less',
    () => get(statefulSets, namespace, 'shop-pooler'),
    (set) => (set.metadata.generation ?? 0) > 1,
  );
  await controllerSees(namespace, 'shop');
  // The pod that is not there gives back 2 of its 4; two are free, and web is to have four.
  await rows(namespace, { shop: 7, web: 0 });
  const since = performance.now();
  await rows(namespace, { shop: 7, web: 2 });
  assert.ok(performance.now() - since > 7000, 'it waits for its whole share first');
  await eventually(
    'web has taken its part',
    () => get(connectionPools, namespace, 'web'),
    (live) => statusOf(live).allotment?.connections === 2,
  );
});

test('a pod that has no file and can be given none is replaced', async () => {
  const namespace = 'parts';
  const pod = await get(pods, namespace, 'shop-pooler-0');
  assert.ok(pod, 'the pod of the test before');
  // Its file is lost, and what it runs with nobody knows.
  await room.client.delete(configMaps, { namespace, name: 'shop-pooler' });
  await eventually(
    'the pod is told to go',
    async () => {
      const { items } = await room.client.list(events, { namespace });
      return items.find((event) => event.reason === 'PodStranded');
    },
    (event) => /shop-pooler-0 has no file/.test(String(event.message ?? event.note)),
  );
  await eventually('the pod is gone', async () => {
    const live = await get(pods, namespace, 'shop-pooler-0');
    return live === undefined || live.metadata.uid !== pod.metadata.uid ? pod : undefined;
  });
  const { uid = '' } = (await get(connectionPools, namespace, 'shop'))?.metadata ?? {};
  await eventually(
    'its successor has a file',
    () => get(configMaps, namespace, 'shop-pooler'),
    (map) =>
      Object.keys((map.data ?? {}) as object).some(
        (key) => parseFileKey({ name: 'shop', uid }, key)?.ordinal === 0,
      ),
  );
  // What it held is given back, and the other pool gets the rest of its share.
  await rows(namespace, { shop: 5, web: 4 }, () => controllerSees(namespace, 'shop'));
});
