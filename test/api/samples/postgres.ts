// Samples of the rules about the name of a pool and its Postgres.
import { pool, statefulSet } from '../objects.ts';
import { endpoint, host, type Sample } from './sample.ts';

const longName = `s${'x'.repeat(44)}`;
export const nameSamples: readonly Sample[] = [
  'Shop',
  '1shop',
  'shop.db',
  `${longName}x`,
  'shop-',
].map((name) => ({
  says: 'metadata.name must have at most 45 lower-case letters',
  at: 'metadata.name',
  refused: pool({}, { name }),
  accepted: pool({}, { name: longName }),
}));

export const postgresSamples: readonly Sample[] = [
  {
    says: 'postgres must name exactly one of clusterRef',
    at: 'spec.postgres',
    refused: pool({ postgres: { endpoint: undefined } }),
    accepted: pool(),
  },
  {
    says: 'postgres must name exactly one of clusterRef',
    at: 'spec.postgres',
    refused: pool({ postgres: { ...statefulSet(), endpoint: { host: 'db', cores: 1 } } }),
    accepted: pool({ postgres: statefulSet() }),
  },
  {
    says: 'postgres.role must be primary with an endpoint',
    at: 'spec.postgres.role',
    refused: pool({ postgres: { role: 'replicas' } }),
    accepted: pool({ postgres: { ...statefulSet(), role: 'replicas' } }),
  },
  {
    says: 'no Postgres cluster that Spillway knows',
    at: 'spec.postgres.clusterRef',
    refused: pool({ postgres: statefulSet({ kind: 'Deployment' }) }),
    accepted: pool({ postgres: statefulSet() }),
  },
  {
    says: 'must be an API group',
    at: 'spec.postgres.clusterRef.apiGroup',
    refused: pool({ postgres: statefulSet({ apiGroup: 'apps/v1' }) }),
    accepted: pool({ postgres: statefulSet() }),
  },
  {
    says: 'must be a kind',
    at: 'spec.postgres.clusterRef.kind',
    refused: pool({ postgres: statefulSet({ kind: 'Stateful Set' }) }),
    accepted: pool({ postgres: statefulSet() }),
  },
  {
    says: 'must be a name of Kubernetes',
    at: 'spec.postgres.clusterRef.name',
    refused: pool({ postgres: statefulSet({ name: 'Shop_DB' }) }),
    accepted: pool({ postgres: statefulSet({ name: 'shop.db' }) }),
  },
  {
    says: 'must be a DNS label',
    at: 'spec.postgres.clusterRef.namespace',
    refused: pool({ postgres: statefulSet({ namespace: 'a.b' }) }),
    accepted: pool({ postgres: statefulSet({ namespace: 'a-b' }) }),
  },
  ...[
    ['db.example.com:5432', 'db.example.com'],
    ['10.0.0.1:5432', '10.0.0.1'],
    ['postgres://db', 'db'],
    ['a.example.com,b.example.com', 'a.example.com.'],
    ['/var/run/postgresql', 'a-1.b-2.c'],
    ['10.0.0.256', '10.0.0.255'],
    ['10.0.1', '10.0.1.a'],
    ['db_1.example.com\nauth_type = any', '9a.b0.example'],
    [':1:2', '2001:db8::1:2'],
    ['1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8'],
    ['::1::', '::ffff'],
    ['-db', 'd-b'],
  ].map(([refused = '', accepted = '']) => ({
    says: 'must be one DNS name or IP address',
    at: 'spec.postgres.endpoint.host',
    refused: host(refused),
    accepted: host(accepted),
  })),
  ...[
    ['LOCALHOST', 'localhost.example.com'],
    ['127.0.0.1', '126.0.0.1'],
    ['0.0.0.0', '1.0.0.0'],
    ['::1', '::2'],
    ['0:0:0:0:0:0:0:1', '0:0:0:0:0:0:1:1'],
    ['::FFFF:7f00:1', '::ffff:a00:1'],
    ['0:0:0:0:0:ffff:7fff::', '0:0:0:0:ffff:7fff::'],
    ['::0:ffff:0:0', '::ffff:0:1'],
    ['0:0:0:0:0:ffff::', '0:0:0:0:ffff::'],
  ].map(([refused = '', accepted = '']) => ({
    says: 'must not be a loopback address',
    at: 'spec.postgres.endpoint.host',
    refused: host(refused),
    accepted: host(accepted),
  })),
  ...['0', 0, '0.000', '0m'].map((cores) => ({
    says: 'must be more than 0',
    at: 'spec.postgres.endpoint.cores',
    refused: endpoint({ cores }),
    accepted: endpoint({ cores: '0.5' }),
  })),
  {
    says: 'reservedConnections must be less than maxConnections',
    at: 'spec.postgres.endpoint.reservedConnections',
    refused: endpoint({ maxConnections: 20, reservedConnections: 20 }),
    accepted: endpoint({ maxConnections: 20, reservedConnections: 19 }),
  },
  {
    says: "is the name of the pool's own Service",
    at: 'spec.postgres.endpoint.host',
    refused: host('Shop'),
    accepted: host('shop.other'),
  },
  {
    says: "is the pool's own workload",
    at: 'spec.postgres.clusterRef.name',
    refused: pool({ postgres: statefulSet({ name: 'shop-pooler' }) }),
    accepted: pool({ postgres: statefulSet({ name: 'shop-pooler', namespace: 'other' }) }),
  },
];
