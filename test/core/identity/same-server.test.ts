// Which of two ConnectionBudgets of one server draws from the other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ObservedServer } from '../../../operator/api/connection-budget.ts';
import { linkOf, type NamedServer } from '../../../operator/core/identity/same-server.ts';

const observed = (systemIdentifier?: string, address?: string): ObservedServer => ({
  server: 'primary',
  maxConnections: 100,
  superuserReserved: 3,
  reserved: 0,
  version: '17.2',
  inRecovery: false,
  ...(systemIdentifier === undefined ? {} : { systemIdentifier }),
  ...(address === undefined ? {} : { address }),
  since: '2026-01-01T00:00:00Z',
});

const endpoint = (
  name: string,
  createdAt: string,
  parts: Partial<NamedServer> = {},
): NamedServer => ({
  namespace: 'system',
  name,
  role: 'primary',
  target: { endpoint: { host: `${name}.example.com`, port: 5432, cores: '8' } },
  createdAt,
  ...parts,
});
const cluster = (
  name: string,
  apiGroup: string,
  createdAt: string,
  parts: Partial<NamedServer> = {},
) => ({
  ...endpoint(name, createdAt, parts),
  target: { clusterRef: { apiGroup, kind: 'Cluster', name } },
});

const same = { observed: observed('7', '10.0.0.1:5432') };

test('a cluster object that is found behind the name counts before all else', () => {
  const target = { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'db' } };
  const found = {
    namespace: 'data',
    name: 'statefulset-db',
    role: 'replicas',
    target,
    why: 'w',
  } as const;
  const elder = endpoint('elder', '2025', same);
  assert.deepEqual(linkOf(endpoint('a', '2026', same), found, [elder]), {
    namespace: 'data',
    name: 'statefulset-db',
    server: 'replicas',
    reason: 'SameCluster',
    why: 'w',
  });
});

test('a budget is never a part of itself', () => {
  const own = cluster('db', 'apps', '2026', same);
  const found = { ...own, why: 'w' };
  assert.equal(linkOf(own, found, [own]), undefined);
});

test('the later one draws from the earlier one, whose server said the same', () => {
  const a = endpoint('a', '2026-01-02', same);
  const b = endpoint('b', '2026-01-01', same);
  assert.equal(linkOf(a, undefined, [b])?.name, 'b');
  assert.equal(linkOf(a, undefined, [b])?.reason, 'SameSystem');
  assert.equal(linkOf(b, undefined, [a]), undefined);
});

test('a cluster comes before a StatefulSet, and both before an endpoint, whatever their age', () => {
  const all = [
    endpoint('e', '2024', same),
    cluster('s', 'apps', '2025', same),
    cluster('c', 'postgresql.cnpg.io', '2026', same),
  ];
  const from = (i: number) => linkOf(all[i] as NamedServer, undefined, all)?.name;
  assert.deepEqual([from(0), from(1), from(2)], ['c', 'c', undefined]);
});

const different: Record<string, [ObservedServer | undefined, ObservedServer | undefined]> = {
  'a replica or a clone has the identifier and another address': [
    observed('7', '10.0.0.1:5432'),
    observed('7', '10.0.0.2:5432'),
  ],
  'a machine of another network has the address and another identifier': [
    observed('7', '10.0.0.1:5432'),
    observed('8', '10.0.0.1:5432'),
  ],
  'who does not say its identifier is nobody': [
    observed(undefined, '10.0.0.1:5432'),
    observed(undefined, '10.0.0.1:5432'),
  ],
  'who does not say its address is nobody': [observed('7'), observed('7')],
  'who was not asked is nobody': [undefined, undefined],
};
for (const [sentence, [a, b]] of Object.entries(different)) {
  test(sentence, () => {
    const with_ = (one: ObservedServer | undefined) => (one === undefined ? {} : { observed: one });
    const link = linkOf(endpoint('a', '2026', with_(a)), undefined, [
      endpoint('b', '2025', with_(b)),
    ]);
    assert.equal(link, undefined);
  });
}

test('two endpoints whose names lead to the same pods are one server', () => {
  const route = { names: [], pods: { namespace: 'data', selector: { app: 'db' } } };
  const link = linkOf(endpoint('a', '2026', { route }), undefined, [
    endpoint('b', '2025', { route }),
  ]);
  assert.equal(link?.reason, 'SameService');
});

test('whoever is given in whatever order: no two draw from each other, and all of one server end at one', () => {
  const server = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    kind: fc.constantFrom('endpoint', 'apps', 'postgresql.cnpg.io'),
    createdAt: fc.constantFrom('2024', '2025', '2026'),
    system: fc.constantFrom('7', '8', undefined),
  });
  fc.assert(
    fc.property(fc.uniqueArray(server, { selector: (s) => s.name, maxLength: 5 }), (specs) => {
      const all = specs.map(({ name, kind, createdAt, system }) => {
        const parts = system === undefined ? {} : { observed: observed(system, '10.0.0.1:1') };
        return kind === 'endpoint'
          ? endpoint(name, createdAt, parts)
          : cluster(name, kind, createdAt, parts);
      });
      const link = (one: NamedServer, others: readonly NamedServer[]) =>
        linkOf(one, undefined, others)?.name;
      for (const one of all) {
        assert.equal(link(one, all), link(one, all.toReversed()));
        const seen = [one.name];
        for (let at = link(one, all); at !== undefined; ) {
          assert.ok(!seen.includes(at), `a ring: ${seen.join(' → ')} → ${at}`);
          seen.push(at);
          const next = all.find(({ name }) => name === at) as NamedServer;
          at = link(next, all);
        }
        const root = seen.at(-1);
        const system = one.observed?.systemIdentifier;
        const peers = all.filter(
          (o) => system !== undefined && o.observed?.systemIdentifier === system,
        );
        if (peers.length > 1) {
          const roots = peers.filter((o) => link(o, all) === undefined).map((o) => o.name);
          assert.deepEqual(roots, [root]);
        }
      }
    }),
  );
});
