// The objects of a pool with a Deployment: what differs from those with a StatefulSet.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionPoolSpec } from '../../../operator/api/connection-pool.ts';
import { makeGrant } from '../../../operator/core/ledger/grant.ts';
import { withinBudget } from '../../../operator/core/pool/findings.ts';
import { sharedIdentity } from '../../../operator/core/pool/holder-config.ts';
import {
  SERVING_LABEL,
  selectorOf,
  TEMPLATE_ANNOTATION,
} from '../../../operator/core/pool/labels.ts';
import type { Manifest } from '../../../operator/core/pool/manifest.ts';
import {
  fileKey,
  parseFileKey,
  parseSharedKey,
  sharedHolder,
} from '../../../operator/core/pool/names.ts';
import { holderOfPod } from '../../../operator/core/pool/read.ts';
import { type RenderedId, renderPool } from '../../../operator/core/pool/render.ts';
import type { PoolView } from '../../../operator/core/pool/view.ts';
import { podSizes } from '../../../operator/core/sizing/size-server.ts';
import { pgbouncer } from '../../../operator/engines/pgbouncer/index.ts';
import { at } from '../../../operator/postgres/raw.ts';
import { view } from './fixture.ts';

const spec = { pooler: { workload: 'Deployment' as const } };
const shared = (more: Partial<PoolView> = {}): PoolView =>
  view({
    spec,
    view: {
      holders: [
        {
          ...sharedIdentity('shop'),
          grant: makeGrant([{ name: 'shop', connections: 3 }], 4),
          olderEpochs: [],
        },
      ],
      replicas: 2,
      epoch: 7,
      rollout: { mayRoll: false },
      ...more,
    },
  });

function objects(input: PoolView): Map<RenderedId, Manifest> {
  const result = renderPool(input, pgbouncer);
  assert.ok(result.ok, result.ok ? '' : result.fault.message);
  assert.deepEqual(
    result.objects.filter((one) => one.capacity).map((one) => one.id),
    ['configMap', 'deployment'],
  );
  return new Map(result.objects.map((one) => [one.id, one.manifest]));
}

test('there is a Deployment in the place of the StatefulSet and its Service, and it comes last', () => {
  const all = objects(shared());
  assert.equal([...all.keys()].at(-1), 'deployment');
  assert.equal(all.has('statefulSet') || all.has('headlessService'), false);
  const made = all.get('deployment');
  assert.equal(made?.kind, 'Deployment');
  assert.deepEqual(at(made, 'spec', 'strategy'), {
    type: 'RollingUpdate',
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
  });
  const selector = selectorOf(shared().identity);
  assert.deepEqual(at(made, 'spec', 'selector', 'matchLabels'), selector);
  const labels = at(made, 'spec', 'template', 'metadata', 'labels') as object;
  assert.deepEqual({ ...labels, ...selector, [SERVING_LABEL]: 'true' }, labels);
});

test('all pods read one file, under a path that does not move with the epoch', () => {
  const { uid } = shared().identity;
  const key = `shop-pooler-shared.${uid}.0.ini`;
  for (const epoch of [7, 8]) {
    const all = objects(shared({ epoch }));
    assert.deepEqual(Object.keys(at(all.get('configMap'), 'data') as object), [key]);
    for (const id of ['configMap', 'deployment'] as const) {
      const recorded = at(all.get(id), 'metadata', 'annotations', 'spillway.dev/epoch');
      assert.equal(recorded, String(epoch));
    }
    const [container] = at(
      all.get('deployment'),
      'spec',
      'template',
      'spec',
      'containers',
    ) as object[];
    assert.deepEqual(at(container, 'args'), [`/etc/spillway/config/${key}`]);
    assert.equal(at(container, 'env'), undefined);
  }
  const template = (epoch: number) =>
    at(objects(shared({ epoch })).get('deployment'), 'spec', 'template');
  assert.deepEqual(template(7), template(8), 'a new epoch replaces no pod');
});

test('the file has no peers, and the Service keeps the cancels of a client with its queries', () => {
  const all = objects(shared());
  const [text = ''] = Object.values(at(all.get('configMap'), 'data') as Record<string, string>);
  assert.doesNotMatch(text, /peer_id|host=shop-pooler/);
  assert.match(text, /'shop' = pool_size=3 max_user_connections=3/);
  assert.equal(at(all.get('service'), 'spec', 'sessionAffinity'), 'ClientIP');
  const stateful = renderPool(view(), pgbouncer);
  assert.ok(stateful.ok);
  const service = stateful.objects.find((one) => one.id === 'service')?.manifest;
  assert.equal(at(service, 'spec', 'sessionAffinity'), undefined);
});

test('a new template is written paused, and goes on when there is room', () => {
  const template = at(objects(shared()).get('deployment'), 'spec', 'template');
  const mark = String(at(template, 'metadata', 'annotations', TEMPLATE_ANNOTATION));
  const paused = (live: { paused: boolean; template: string } | undefined, mayRoll: boolean) =>
    at(
      objects(shared({ rollout: { mayRoll, ...(live === undefined ? {} : { live }) } })).get(
        'deployment',
      ),
      'spec',
      'paused',
    );
  assert.equal(paused(undefined, false), undefined, 'there is none yet');
  assert.equal(paused({ paused: false, template: mark }, false), undefined);
  assert.equal(paused({ paused: false, template: 'another' }, true), true);
  assert.equal(paused({ paused: true, template: mark }, false), true);
  assert.equal(paused({ paused: true, template: mark }, true), false);
  const waiting = { rollout: { mayRoll: true, live: { paused: true, template: mark } } };
  const held = objects(shared({ ...waiting, paused: true })).get('deployment');
  assert.equal(at(held, 'spec', 'paused'), true, 'clients wait in its pods');
});

test('a pod says which file it reads', () => {
  const pod = (name: string, argument: string) => ({
    metadata: { name, labels: { 'spillway.dev/pool': 'shop' } },
    spec: { containers: [{ name: 'pgbouncer', args: [argument] }] },
  });
  const path = '/etc/spillway/config/';
  const { uid } = shared().identity;
  assert.equal(
    holderOfPod(
      pod('shop-pooler-6f9c-24567', `${path}${fileKey(sharedHolder('shop'), uid, 0)}`),
      0,
    ),
    'shop-pooler-shared',
  );
  assert.equal(
    holderOfPod(pod('shop-pooler-1', `${path}${fileKey('$(POD_NAME)-0', uid, 3)}`), 0),
    'shop-pooler-1-0',
  );
});

test('a key is read back as that of the one file, and never as that of a pod', () => {
  const id = { name: 'shop', uid: 'u' };
  const key = fileKey(sharedHolder('shop'), 'u', 0);
  assert.deepEqual(parseSharedKey(id, key), { holder: 'shop-pooler-shared', epoch: 0 });
  assert.equal(parseFileKey(id, key), undefined);
  for (const other of [
    'shop-pooler-shared.v.0.ini',
    'shop-pooler-shared.u.00.ini',
    'shop-pooler-shared.u.0.conf',
    'shop-pooler-0-0.u.0.ini',
    'web-pooler-shared.u.0.ini',
    'shop-pooler-shared.u.ini',
  ]) {
    assert.equal(parseSharedKey(id, other), undefined, other);
  }
});

test('each pod has the share divided by the most pods that there can be', () => {
  const parsed = connectionPoolSpec.parse({
    postgres: { endpoint: { host: 'db', cores: 8, maxConnections: 100 } },
    users: [{ name: 'shop', secretRef: { name: 'shop' } }],
    ...spec,
  });
  assert.deepEqual(podSizes(17, parsed, 1), [3, 3]);
  assert.deepEqual(podSizes(4, parsed, 1), [1]);
  assert.deepEqual(podSizes(2, parsed, 1), []);
  assert.deepEqual(podSizes(17, parsed, 3), [3, 3]);
  assert.deepEqual(podSizes(14, parsed, 3), [4]);
});

test('WithinBudget says Bounded and by what, or how many pods are more than that', () => {
  const base = { allotted: 17, unproven: [] };
  const said = withinBudget({ ...base, charged: 15, bound: { most: 5, each: 3, there: 2 } });
  assert.deepEqual([said.status, said.reason], ['True', 'Bounded']);
  assert.equal(said.message, 'At most 5 pods × 3 = 15 of 17 connections');
  const more = withinBudget({ ...base, charged: 18, bound: { most: 5, each: 3, there: 6 } });
  assert.deepEqual([more.status, more.reason, more.effect], ['False', 'MorePods', 'waiting']);
  assert.match(more.message, /^6 pods are there.* 5 were counted on, 3 connections each/);
  const over = withinBudget({ ...base, charged: 25, bound: { most: 5, each: 5, there: 2 } });
  assert.equal(over.reason, 'GivingBack');
});
