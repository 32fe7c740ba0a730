// Where the host of an endpoint leads to, as far as objects say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressesOf,
  clusterNames,
  type KnownServer,
  routeKeys,
  routeOf,
  type ServiceLookup,
  serverAt,
} from '../../../operator/core/identity/alias.ts';
import type { RawObject } from '../../../operator/postgres/adapter.ts';

const domain = 'cluster.local';

function service(namespace: string, name: string, spec: object): RawObject {
  return { apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec };
}

function lookup(...all: RawObject[]): ServiceLookup {
  return {
    byName: (namespace, name) =>
      all.find(({ metadata }) => metadata?.namespace === namespace && metadata.name === name),
    byAddress: (address) => all.find((one) => addressesOf(one).includes(address)),
  };
}

const names: Record<string, [host: string, ...expected: string[]]> = {
  'a name without a dot is one of the own namespace': ['db', '/db/shop'],
  'a short name': ['db.data', '/db/data'],
  'a name in svc': ['db.data.svc', '/db/data'],
  'the whole name, with a dot at its end, in any case': ['DB.data.svc.cluster.local.', '/db/data'],
  'a pod of a headless Service': ['db-0.db.data.svc.cluster.local', 'db-0/db/data'],
  'more labels than a name in svc can have': ['a.b.c.d.svc'],
  'a name that can only be outside': ['db.prod.eu.example.com'],
  'an address': ['10.96.0.1'],
  'an IPv6 address': ['fd00::1'],
};
for (const [sentence, [host, ...expected]] of Object.entries(names)) {
  test(`${sentence}: ${host}`, () => {
    const found = clusterNames(host, 'shop', domain).map(
      ({ pod = '', service: name, namespace }) => `${pod}/${name}/${namespace}`,
    );
    // What has the form of a name and is none is for the Services to tell.
    assert.deepEqual(host.startsWith('10.') ? [] : found, expected);
  });
}

const pg = service('data', 'pg', {
  clusterIP: '10.96.0.7',
  selector: { app: 'db', role: 'master' },
});
const ro = service('data', 'ro', { clusterIP: 'None', selector: { app: 'db', role: 'replica' } });
const far = service('data', 'far', { type: 'ExternalName', externalName: 'db.example.com' });
const near = service('shop', 'near', { type: 'ExternalName', externalName: 'pg.data.svc' });
const services = lookup(pg, ro, far, near);

test('a Service is followed to its pods, by name, by address, through an ExternalName', () => {
  const selector = { app: 'db', role: 'master' };
  for (const host of [
    'pg.data',
    'pg.data.svc.cluster.local',
    '10.96.0.7',
    'near',
    'near.shop.svc',
  ]) {
    const route = routeOf(host, 'shop', domain, services);
    assert.deepEqual(route?.pods, { namespace: 'data', selector }, host);
  }
});

test('what no object says anything about has no route, and a loop of names ends', () => {
  assert.equal(routeOf('db.example.com', 'shop', domain, services), undefined);
  assert.equal(routeOf('10.1.2.3', 'shop', domain, services), undefined);
  const a = service('x', 'a', { type: 'ExternalName', externalName: 'b.x.svc' });
  const b = service('x', 'b', { type: 'ExternalName', externalName: 'a.x.svc' });
  assert.equal(routeOf('a.x', 'x', domain, lookup(a, b))?.pods, undefined);
});

test('two endpoints meet where a name or the pods are the same, and nowhere else', () => {
  const keys = (host: string, namespace = 'shop') => {
    const route = routeOf(host, namespace, domain, services);
    return new Set(route === undefined ? [] : routeKeys(route));
  };
  const meet = (a: string, b: string) => [...keys(a)].some((key) => keys(b).has(key));
  assert.ok(meet('pg.data', 'near'));
  assert.ok(meet('pg.data.svc', '10.96.0.7'));
  assert.ok(!meet('pg.data', 'ro.data'));
  assert.ok(!meet('far.data', 'db.example.com'));
});

const known: KnownServer[] = [
  {
    role: 'primary',
    namespace: 'data',
    host: 'db-0.db.data.svc.cluster.local',
    podSelector: { app: 'db' },
  },
  {
    role: 'replicas',
    namespace: 'data',
    host: 'db-1.db.data.svc.cluster.local,db-2.db.data.svc.cluster.local',
    podSelector: { app: 'db' },
  },
  {
    role: 'primary',
    namespace: 'other',
    host: 'db.other.svc.cluster.local',
    podSelector: { app: 'db' },
  },
];

const places: Record<string, [host: string, expected: string | undefined]> = {
  'the very name of the primary': ['db-0.db.data', 'data primary name'],
  'the name of one of its replicas': ['db-2.db.data.svc', 'data replicas name'],
  'a Service in front of its pods': ['pg.data', 'data primary selector'],
  'a Service for replicas': ['ro.data.svc', 'data replicas selector'],
  'a Service elsewhere with the same labels is of the cluster there': [
    'all.other',
    'other primary selector',
  ],
  'a Service in front of other pods': ['web.data', undefined],
  'a Service without a selector': ['bare.data', undefined],
};
for (const [sentence, [host, expected]] of Object.entries(places)) {
  test(`${sentence}: ${expected ?? 'no cluster'}`, () => {
    const more = lookup(
      pg,
      ro,
      service('data', 'db', { clusterIP: 'None', selector: { app: 'db' } }),
      service('other', 'all', { selector: { app: 'db', x: 'y' } }),
      service('data', 'web', { selector: { app: 'web' } }),
      service('data', 'bare', {}),
    );
    const route = routeOf(host, 'shop', domain, more);
    const at = route && serverAt(route, domain, known);
    assert.equal(at && `${at.server.namespace} ${at.server.role} ${at.how}`, expected);
  });
}

test('no text makes it throw, and a route never says more than the objects do', () => {
  fc.assert(
    fc.property(fc.string(), fc.domain(), fc.boolean(), (text, name, plain) => {
      const route = routeOf(plain ? text : name, 'shop', domain, lookup());
      for (const { namespace, service: found } of route?.names ?? []) {
        assert.ok(namespace.length > 0 && found.length > 0);
      }
      assert.equal(route?.pods, undefined);
    }),
  );
});
