// What is read from the pods of a cluster: which is the primary, by the labels that its operator and Patroni put on it,
// and how many cores there are where nothing else says, by the nodes that they run on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PostgresAdapter, RawObject } from '../../operator/postgres/adapter.ts';
import { cloudNativePg } from '../../operator/postgres/cloudnativepg.ts';
import { crunchy, percona } from '../../operator/postgres/crunchy.ts';
import { keepPod } from '../../operator/postgres/pods.ts';
import { stackGres } from '../../operator/postgres/stackgres.ts';
import { statefulSet } from '../../operator/postgres/stateful-set.ts';
import { adapters, podsIn } from '../../operator/postgres/table.ts';
import { zalando } from '../../operator/postgres/zalando.ts';
import { change, factsOf } from './help.ts';
import {
  cloudNativePgSample,
  cpu,
  crunchySample,
  node,
  object,
  perconaSample,
  pod,
  stackGresSample,
  zalandoSample,
} from './objects.ts';

const crunchys = 'postgres-operator.crunchydata.com/';
const instance = { [`${crunchys}cluster`]: 'db', [`${crunchys}data`]: 'postgres' };
const spilo = { application: 'spilo', 'cluster-name': 'acid-db' };

/** Kind by kind: a cluster, the labels of its pods, and the label with the role. */
const kinds: readonly (readonly [PostgresAdapter, RawObject, Record<string, string>, string])[] = [
  [zalando, zalandoSample.bare, spilo, 'spilo-role'],
  [crunchy, crunchySample.bare, instance, `${crunchys}role`],
  [percona, perconaSample.bare, instance, `${crunchys}role`],
];

for (const [adapter, bare, labels, role] of kinds) {
  test(`${adapter.kind}: the primary is the pod that its label calls so`, () => {
    const primary = (...pods: RawObject[]) => factsOf(adapter, bare, 'primary', pods).primary;
    const one = (name: string, value: string, timeline?: number) =>
      pod(
        name,
        { ...labels, [role]: value },
        timeline === undefined ? {} : { member: { timeline } },
      );
    assert.equal(primary(), undefined);
    assert.equal(primary(pod('db-0', labels)), undefined, 'it has no role yet');
    assert.equal(primary(one('db-0', 'replica'), one('db-1', 'master')), 'db-1');
    assert.equal(primary(one('db-0', 'primary'), one('db-1', 'replica')), 'db-0');
    const [label = ''] = Object.keys(labels).filter((name) => /cluster/.test(name));
    const others = { ...labels, [label]: 'other', [role]: 'master' };
    assert.equal(primary(pod('x-0', others)), undefined, 'of another cluster');
    const elsewhere = one('db-0', 'master');
    const metadata = { ...elsewhere.metadata, namespace: 'other' };
    assert.equal(primary({ ...elsewhere, metadata }), undefined, 'of another namespace');
  });

  test(`${adapter.kind}: a label that a lost node left behind is older than a promotion`, () => {
    const primary = (...timelines: unknown[]) => {
      const pods = timelines.map((timeline, i) =>
        pod(`db-${i}`, { ...labels, [role]: 'master' }, { member: { timeline } }),
      );
      const kept = pods.map((one) => keepPod(adapter.pods ?? assert.fail(), one));
      const found = factsOf(adapter, bare, 'primary', pods).primary;
      assert.equal(factsOf(adapter, bare, 'primary', kept).primary, found, 'as a store keeps them');
      return found;
    };
    assert.equal(primary(4, 5), 'db-1');
    assert.equal(primary(10, 9), 'db-0');
    assert.equal(primary('x', 1), 'db-1');
    assert.equal(primary({}, null), 'db-0', 'at least always the same one');
  });
}

test('pods of the cluster that are no instances of it have no part in it', () => {
  const pooler = { ...instance, [`${crunchys}data`]: 'pgbackrest', [`${crunchys}role`]: 'master' };
  assert.equal(
    factsOf(crunchy, crunchySample.bare, 'primary', [pod('x', pooler)]).primary,
    undefined,
  );
});

test('what stands in an annotation of a pod is only data', () => {
  for (const status of ['', '{', 'null', '[]', '"x"', '{"timeline":{"toString":null}}']) {
    const leader = pod('db-0', { ...spilo, 'spilo-role': 'master' });
    const raw = { ...leader, metadata: { ...leader.metadata, annotations: { status } } };
    assert.equal(factsOf(zalando, zalandoSample.bare, 'primary', [raw]).primary, 'db-0');
  }
});

test('a store keeps of a pod only who it is, whose, its role and its node', () => {
  const member = { role: 'master', timeline: 7, xlog_location: 123456 };
  const labels = { ...spilo, 'spilo-role': 'master', team: 'large' };
  const raw = pod('db-0', labels, { node: 'n1', member, owner: 'acid-db' });
  const full: RawObject = {
    ...raw,
    metadata: { ...raw.metadata, uid: 'u', resourceVersion: '5', generation: 1 },
    spec: { ...(raw.spec as object), containers: [{ name: 'large' }] },
    status: { phase: 'large' },
  };
  assert.deepEqual(keepPod(zalando.pods ?? assert.fail(), full), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'db-0',
      namespace: 'data',
      uid: 'u',
      resourceVersion: '5',
      labels: { ...spilo, 'spilo-role': 'master' },
      ownerReferences: [{ kind: 'StatefulSet', name: 'acid-db', controller: true }],
      annotations: { status: '{"timeline":7}' },
    },
    spec: { nodeName: 'n1' },
  });
  // Where the write-ahead log of a replica is changes every few seconds, and is no news.
  const replica = pod('db-1', { ...spilo, 'spilo-role': 'replica' }, { member });
  assert.equal(keepPod(zalando.pods ?? assert.fail(), replica).metadata?.annotations, undefined);
});

test('two kinds that share a watch mean the same by it', () => {
  const bySelector = Map.groupBy(
    adapters.flatMap(({ pods }) => (pods === undefined ? [] : [pods])),
    ({ selector }) => selector,
  );
  for (const [first, ...others] of bySelector.values()) {
    for (const other of others) assert.deepEqual({ ...other }, { ...first });
  }
  const cluster = { apiGroup: 'none', kind: 'None', namespace: 'data', name: 'db' };
  assert.deepEqual(podsIn([pod('db-0', instance)], cluster), []);
});

const bareSet = object(statefulSet, {
  serviceName: 'db',
  template: { spec: { containers: [{ name: 'postgres' }] } },
});
const cnpg = { 'cnpg.io/cluster': 'db', 'cnpg.io/podRole': 'instance' };

/** A cluster of each kind that says nothing of cores, and a pod of it on a node, or on none. */
const unlimited: readonly (readonly [
  PostgresAdapter,
  RawObject,
  (name: string, on?: string) => RawObject,
])[] = [
  [cloudNativePg, cloudNativePgSample.bare, (n, on) => placed(n, cnpg, on)],
  [zalando, zalandoSample.bare, (n, on) => placed(n, spilo, on)],
  [crunchy, crunchySample.bare, (n, on) => placed(n, instance, on)],
  [percona, perconaSample.bare, (n, on) => placed(n, instance, on)],
  [statefulSet, bareSet, (n, on) => placed(n, {}, on, 'db')],
];

function placed(name: string, labels: Record<string, string>, on?: string, owner?: string) {
  return pod(name, labels, {
    ...(on === undefined ? {} : { node: on }),
    ...(owner === undefined ? {} : { owner }),
  });
}

for (const [adapter, bare, podOn] of unlimited) {
  test(`${adapter.kind} without a limit and a request has the cores of the smallest node that it runs on`, () => {
    const nodes = [node('a', '8'), node('b', '3920m'), node('c', 4), node('d', 1)];
    const cores = (...pods: RawObject[]) => factsOf(adapter, bare, 'primary', [...nodes, ...pods]);
    assert.deepEqual(cores(podOn('db-0', 'a')).milliCores, {
      value: 8000,
      source: 'allocatable cpu of node a',
    });
    const three = cores(podOn('db-0', 'a'), podOn('db-1', 'b'), podOn('db-2', 'c'));
    assert.deepEqual(three.milliCores, { value: 3920, source: 'allocatable cpu of node b' });
    assert.equal(three.coresUnknown, undefined);
    const waits = cores(podOn('db-0', 'a'), podOn('db-1'));
    assert.equal(waits.milliCores?.value, 8000, 'one that waits has no node yet');
    const kept = [podOn('db-0', 'a'), podOn('db-1', 'b')].map((one) =>
      keepPod(adapter.pods ?? assert.fail(), one),
    );
    assert.equal(cores(...kept).milliCores?.value, 3920, 'as a store keeps them');
  });

  test(`${adapter.kind}: why nobody knows its cores`, () => {
    const why = (...known: RawObject[]) => {
      const { milliCores, coresUnknown } = factsOf(adapter, bare, 'primary', known);
      assert.equal(milliCores, undefined);
      return coresUnknown;
    };
    const limit = 'Postgres has neither a cpu limit nor a cpu request, and';
    assert.equal(why(), `${limit} no pod of it has a node`);
    assert.equal(why(podOn('db-0'), node('a', '8')), `${limit} no pod of it has a node`);
    assert.match(why(podOn('db-0', 'a')) ?? '', /, and its node a cannot be read \(/);
    assert.match(why(podOn('db-0', 'a'), node('a', 'many')) ?? '', /node a cannot be read/);
  });
}

test('what an object says of its cores counts before its nodes', () => {
  const { full } = cloudNativePgSample;
  const known = [placed('db-0', cnpg, 'a'), node('a', '64')];
  assert.equal(factsOf(cloudNativePg, full, 'primary', known).milliCores?.value, 2500);
});

test('Crunchy: an instance set that says nothing may use its node, and the smallest counts all the same', () => {
  const sets = [{ name: 'a', resources: cpu('2') }, { name: 'b' }];
  const raw = change(crunchySample.bare, ['spec', 'instances'], sets);
  const cores = (size: string) =>
    factsOf(crunchy, raw, 'primary', [placed('db-0', instance, 'n'), node('n', size)]).milliCores;
  assert.deepEqual(cores('1500m'), { value: 1500, source: 'allocatable cpu of node n' });
  assert.equal(cores('8')?.value, 2000);
});

test('CloudNativePG: a pooler of the cluster is no instance', () => {
  const pooler = placed('db-pooler', { ...cnpg, 'cnpg.io/podRole': 'pooler' }, 'a');
  const known = [pooler, node('a', '1')];
  assert.equal(
    factsOf(cloudNativePg, cloudNativePgSample.bare, 'primary', known).milliCores,
    undefined,
  );
});

test('StackGres: a profile always has cores, so that no node says more', () => {
  const { full } = stackGresSample;
  const { milliCores, coresUnknown } = factsOf(stackGres, full, 'replicas', []);
  assert.equal(milliCores, undefined);
  assert.equal(coresUnknown, 'there is no SGInstanceProfile data/size-s with cores yet');
});
