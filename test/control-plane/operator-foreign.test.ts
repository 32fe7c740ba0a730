// An object of the name that the operator needs, made by somebody else, is never taken over.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  apiVersionOf,
  configMaps,
  events,
  type KubeObject,
  networkPolicies,
  podDisruptionBudgets,
  type ResourceType,
  secrets,
  serviceAccounts,
  services,
  statefulSets,
} from '../../operator/kube/types.ts';
import { connectionPools } from '../../operator/reconcile/world.ts';
import { until } from '../cluster/run.ts';
import type { OperatorProcess } from './operator-process.ts';
import { condition, furnish, openRoom, pool, postgres, type Room } from './room.ts';

let room: Room;
let operator: OperatorProcess;
before(async () => {
  room = await openRoom();
  operator = await room.operator();
});
after(() => room?.close());

const port = [{ port: 1 }];
/** What somebody else may have, under each name that a pool `shop` needs. */
const kinds: readonly (readonly [ResourceType, string, Record<string, unknown>])[] = [
  [serviceAccounts, 'shop-pooler', {}],
  [secrets, 'shop-pooler-console', {}],
  [secrets, 'shop-pooler-users', {}],
  [networkPolicies, 'shop-pooler', { spec: { podSelector: {} } }],
  [services, 'shop-pooler', { spec: { ports: port } }],
  [services, 'shop', { spec: { ports: port } }],
  [podDisruptionBudgets, 'shop-pooler', { spec: { maxUnavailable: 9 } }],
  [configMaps, 'shop-pooler', { data: { theirs: 'yes' } }],
  [statefulSets, 'shop-pooler', { spec: postgres('', 1).spec }],
];

// Side by side, because each waits for the operator's next look, which comes after half a minute.
describe("somebody else's object", { concurrency: true }, () => {
  for (const [type, name, body] of kinds) {
    test(`${type.kind} ${name} stays as it is, is named, and stops nothing for ever`, async () => {
      await stays(type, name, body);
    });
  }
});

async function stays(
  type: ResourceType,
  name: string,
  body: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { client } = room;
  const namespace = `foreign-${type.plural}-${name}`;
  await furnish(client, namespace, null);
  const object: KubeObject = {
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    metadata: { namespace, name, labels: { theirs: 'yes' } },
    ...body,
  };
  const made = await client.create(type, object);
  await client.create(connectionPools, pool(namespace));
  const message = await condition(client, namespace, 'ObjectsApplied', 'False', 'ObjectNotOurs');
  assert.match(message, new RegExp(`${type.kind} ${name} `));
  await condition(client, namespace, 'Ready', 'False', 'ObjectNotOurs');
  await condition(client, namespace, 'Stalled', 'True', 'ObjectNotOurs');
  await until('an event says so', 10, async () => {
    const { items } = await client.list(events, { namespace });
    return items.some((e) => e.reason === 'ObjectNotOurs' && e.type === 'Warning');
  });
  const now = await client.get(type, { namespace, name });
  assert.equal(now?.metadata.resourceVersion, made.metadata.resourceVersion);
  await client.delete(type, { namespace, name });
  await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied');
  const ours = await client.get(type, { namespace, name });
  assert.equal(ours?.metadata.labels?.['app.kubernetes.io/managed-by'], 'spillway');
}

test('what cannot succeed is not tried again and again', async () => {
  const { client } = room;
  const namespace = 'patience';
  await furnish(client, namespace, null);
  const object = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name: 'shop-pooler' },
  };
  await client.create(configMaps, object);
  await client.create(connectionPools, pool(namespace));
  await condition(client, namespace, 'ObjectsApplied', 'False', 'ObjectNotOurs');
  const before = await operator.quiet();
  const after = await operator.quiet();
  assert.deepEqual(after.by, before.by);
});

test('an object that only looks like ours, or is of an earlier pool, is not taken over either', async () => {
  const { client } = room;
  const namespace = 'looks-like-ours';
  await furnish(client, namespace, null);
  const labels = {
    'app.kubernetes.io/managed-by': 'spillway',
    'spillway.dev/pool': 'shop',
    'spillway.dev/pool-uid': 'an-earlier-one',
  };
  const object: KubeObject = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace, name: 'shop-pooler', labels },
    data: { theirs: 'yes' },
  };
  const made = await client.create(configMaps, object);
  await client.create(connectionPools, pool(namespace));
  await condition(client, namespace, 'ObjectsApplied', 'False', 'PredecessorNotGone');
  const now = await client.get(configMaps, { namespace, name: 'shop-pooler' });
  assert.equal(now?.metadata.resourceVersion, made.metadata.resourceVersion);
  await client.delete(configMaps, { namespace, name: 'shop-pooler' });
  await condition(client, namespace, 'ObjectsApplied', 'True', 'Applied', 'shop', 20);
});
