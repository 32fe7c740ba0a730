// Which pod of a cluster is the primary, by the labels that its operator and Patroni put on it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PostgresAdapter, RawObject } from '../../operator/postgres/adapter.ts';
import { crunchy, percona } from '../../operator/postgres/crunchy.ts';
import { keepPod } from '../../operator/postgres/pods.ts';
import { adapters, podsIn } from '../../operator/postgres/table.ts';
import { zalando } from '../../operator/postgres/zalando.ts';
import { factsOf } from './help.ts';
import { crunchySample, perconaSample, pod, zalandoSample } from './objects.ts';

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
