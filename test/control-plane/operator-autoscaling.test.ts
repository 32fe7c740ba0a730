// Autoscalers on a real API server with the real controllers: Spillway's own and those of a user. There is no metrics
// API here: what an autoscaler does without one is to hold its least and most pods.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Condition } from '../../operator/api/conditions.ts';
import {
  horizontalPodAutoscalers as autoscalers,
  deployments,
  type KubeObject,
  statefulSets,
} from '../../operator/kube/types.ts';
import { at } from '../../operator/postgres/raw.ts';
import { connectionPools } from '../../operator/reconcile/world.ts';
import { serviceAccount } from '../cluster/control-plane.ts';
import type { OperatorProcess } from './operator-process.ts';
import { condition, eventually, furnish, kubectl, openRoom, type Room } from './room.ts';

let room: Room;
let operator: OperatorProcess;
before(async () => {
  room = await openRoom({ withControllers: true });
  operator = await room.operator();
});
after(() => room?.close());

const readPool = (namespace: string) =>
  room.client.get(connectionPools, { namespace, name: 'shop' });
const readScaler = (namespace: string, name = 'shop-pooler') =>
  room.client.get(autoscalers, { namespace, name });
const replicasOf = (object: KubeObject | undefined) =>
  (object?.spec as { pooler: { replicas: number } } | undefined)?.pooler.replicas;
const change = (namespace: string, spec: object) =>
  room.client.patch(connectionPools, { namespace, name: 'shop' }, { spec });

/** A user's own autoscaler of the pool `shop`. */
function scaler(namespace: string, name: string, min: number): KubeObject {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { namespace, name, labels: { 'app.kubernetes.io/managed-by': 'spillway' } },
    spec: {
      scaleTargetRef: {
        apiVersion: 'spillway.dev/v1alpha1',
        kind: 'ConnectionPool',
        name: 'shop',
      },
      minReplicas: min,
      maxReplicas: 6,
    },
  };
}

function scaled(namespace: string, count: number): Promise<KubeObject> {
  return eventually(
    `${count} pods are asked for`,
    () => readPool(namespace),
    (live) => replicasOf(live) === count,
  );
}

test('the autoscaler scales the pool, nobody else writes its replicas, and it goes when it is taken out', async () => {
  const namespace = 'own-scaler';
  await furnish(room.client, namespace, {
    pooler: { autoscaling: { minReplicas: 3, maxReplicas: 5 } },
  });
  await scaled(namespace, 3);
  // Its controller scales first, and then says so.
  const made = await eventually(
    'it can scale',
    () => readScaler(namespace),
    (live) => {
      const { conditions = [] } = (live.status ?? {}) as { conditions?: Condition[] };
      return conditions.find((c) => c.type === 'AbleToScale')?.status === 'True';
    },
  );
  assert.equal(made.metadata.ownerReferences?.[0]?.kind, 'ConnectionPool');

  await operator.quiet();
  const writers = ((await readPool(namespace))?.metadata.managedFields ?? []) as {
    manager: string;
    fieldsV1: { 'f:spec'?: object };
  }[];
  const ofSpec = writers.filter((w) => w.fieldsV1['f:spec'] !== undefined);
  assert.deepEqual([...new Set(ofSpec.map((w) => w.manager))].sort(), [
    'kube-controller-manager',
    'tester',
  ]);
  await change(namespace, { pooler: { autoscaling: { minReplicas: 1 } } });
  await eventually(
    'the new least',
    () => readScaler(namespace),
    (s) => (s.spec as { minReplicas: number }).minReplicas === 1,
  );
  await change(namespace, { pooler: { autoscaling: null } });
  await gone(namespace, 'shop-pooler');
  assert.equal(replicasOf(await readPool(namespace)), 3);
  const quiet = await operator.quiet();
  assert.equal(quiet.by['DELETE horizontalpodautoscalers 200'], 1, JSON.stringify(quiet.by));
});

async function gone(namespace: string, name: string): Promise<void> {
  const all = async () => {
    const { items } = await room.client.list(autoscalers, { namespace });
    return { items } as unknown as KubeObject & { items: KubeObject[] };
  };
  await eventually('the autoscaler is gone', all, ({ items }) =>
    items.every((s) => s.metadata.name !== name),
  );
}

test('an autoscaler of the user scales the pool too, and stays, whatever its name and labels', async () => {
  const namespace = 'their-scaler';
  await furnish(room.client, namespace);
  await condition(room.client, namespace, 'ShareGranted', 'True');
  const scale = JSON.parse(
    await kubectl(room.plane, [
      'get',
      `--raw=/apis/spillway.dev/v1alpha1/namespaces/${namespace}/connectionpools/shop/scale`,
    ]),
  ) as { spec: object; status: { selector: string } };
  assert.deepEqual(scale.spec, { replicas: 2 });
  const { uid } = (await readPool(namespace))?.metadata ?? {};
  assert.ok(scale.status.selector.includes(`spillway.dev/pool-uid=${uid}`), scale.status.selector);

  await room.client.create(autoscalers, scaler(namespace, 'shop-pooler', 4));
  await scaled(namespace, 4);
  await room.client.delete(autoscalers, { namespace, name: 'shop-pooler' });
  await room.client.create(autoscalers, scaler(namespace, 'mine', 5));
  await scaled(namespace, 5);
  await operator.quiet();
  assert.notEqual(await readScaler(namespace, 'mine'), undefined);

  await room.client.create(autoscalers, scaler(namespace, 'shop-pooler', 5));
  await change(namespace, { pooler: { autoscaling: { maxReplicas: 6 } } });
  const why = await condition(room.client, namespace, 'ObjectsApplied', 'False', 'ObjectNotOurs');
  assert.ok(why.includes('HorizontalPodAutoscaler shop-pooler'), why);
  await change(namespace, { pooler: { autoscaling: null } });
  await condition(room.client, namespace, 'ObjectsApplied', 'True');
  await operator.quiet();
  assert.notEqual(await readScaler(namespace), undefined);
});

// KEDA itself is not here. What it does with a ScaledObject are these calls (its pkg/scaling/executor and controllers/keda),
// with the rights of its chart for scaledRefKinds: [{apiGroup: spillway.dev, kind: connectionpools}].
const kedaRights = [
  { apiGroups: ['spillway.dev'], resources: ['connectionpools'], verbs: ['get'] },
  {
    apiGroups: ['spillway.dev'],
    resources: ['connectionpools/scale'],
    verbs: ['get', 'list', 'patch', 'update', 'watch'],
  },
  {
    apiGroups: ['autoscaling'],
    resources: ['horizontalpodautoscalers'],
    verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  },
];

/** kubectl as KEDA's operator. */
async function keda(args: readonly string[], input?: string): Promise<string> {
  const kubeconfig = await room.plane.kubeconfigFor(...serviceAccount('keda', 'keda-operator'));
  return kubectl({ ...room.plane, kubeconfig }, args, input);
}

async function letKedaIn(): Promise<void> {
  const name = 'keda-operator';
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name } };
  const items = [
    { ...rbac, kind: 'ClusterRole', rules: kedaRights },
    {
      ...rbac,
      kind: 'ClusterRoleBinding',
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace: 'keda' }],
    },
  ];
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await kubectl(room.plane, ['apply', '--server-side', '--filename=-'], list);
}

interface Scale {
  metadata: { resourceVersion: string };
  spec: { replicas?: number };
  status: { replicas?: number; selector?: string };
}

for (const { workload, namespace, type } of [
  { workload: 'StatefulSet', namespace: 'keda-s', type: statefulSets },
  { workload: 'Deployment', namespace: 'keda-d', type: deployments },
]) {
  test(`what KEDA asks of a pool with a ${workload}: its scale, an autoscaler, and to 0 and back`, async () => {
    await letKedaIn();
    await furnish(room.client, namespace, { pooler: { workload } });
    await condition(room.client, namespace, 'ShareGranted', 'True');
    const path = `/apis/spillway.dev/v1alpha1/namespaces/${namespace}/connectionpools/shop/scale`;
    const getScale = async () => JSON.parse(await keda(['get', `--raw=${path}`])) as Scale;
    const putScale = async (replicas: number) => {
      const scale = await getScale();
      const body = JSON.stringify({ ...scale, spec: { ...scale.spec, replicas } });
      await keda(['replace', `--raw=${path}`, '--filename=-'], body);
    };
    const running = (count: number) =>
      eventually(
        `the ${workload} has ${count} pods`,
        () => room.client.get(type, { namespace, name: 'shop-pooler' }),
        (one) => at(one, 'spec', 'replicas') === count,
      );
    await running(2);

    // Whether the target can be scaled, and by which pods it is measured.
    const scale = await getScale();
    assert.equal(scale.spec.replicas, 2);
    assert.match(scale.status.selector ?? '', /spillway.dev\/pool-uid=/);
    await keda(['get', 'connectionpools.spillway.dev', 'shop', `--namespace=${namespace}`]);

    const made = {
      ...scaler(namespace, 'keda-hpa-shop', 1),
      spec: {
        ...(scaler(namespace, 'keda-hpa-shop', 1).spec as object),
        metrics: [
          {
            type: 'External',
            external: {
              metric: {
                name: 's0-prometheus',
                selector: { matchLabels: { 'scaledobject.keda.sh/name': 'shop' } },
              },
              target: { type: 'AverageValue', averageValue: '50' },
            },
          },
        ],
      },
    };
    await keda(['create', '--filename=-'], JSON.stringify(made));
    const judged = (type: string, reason: string) =>
      eventually(
        `the autoscaler says ${reason}`,
        () => readScaler(namespace, 'keda-hpa-shop'),
        ({ status }) =>
          ((status as { conditions?: Condition[] } | undefined)?.conditions ?? []).some(
            (c) => c.type === type && c.reason === reason,
          ),
      );
    await judged('AbleToScale', 'SucceededGetScale');

    // No trigger is active any more: KEDA writes the scale itself, and the autoscaler rests.
    await putScale(0);
    await running(0);
    await eventually(
      'nothing is granted',
      () => readPool(namespace),
      (pool) => (at(pool, 'status', 'grants') as unknown[] | undefined)?.length === 0,
    );
    await judged('ScalingActive', 'ScalingDisabled');
    await operator.quiet();
    // A Scale leaves out a 0.
    const rests = await getScale();
    assert.equal(rests.spec.replicas ?? 0, 0);
    assert.equal(rests.status.replicas ?? 0, 0);

    // A trigger is active: one pod by KEDA, the others by its autoscaler.
    await putScale(1);
    await running(1);
    const more = { spec: { minReplicas: 3 } };
    await keda([
      ...['patch', 'hpa', 'keda-hpa-shop', `--namespace=${namespace}`, '--type=merge'],
      ...['--patch', JSON.stringify(more)],
    ]);
    // The workload follows when its pod has proven a smaller file, for which there is no kubelet here.
    await scaled(namespace, 3);
    const refused = ['scale', 'statefulset', 'shop-pooler', `--namespace=${namespace}`];
    await assert.rejects(keda([...refused, '--replicas=5']), /forbidden/);
  });
}
