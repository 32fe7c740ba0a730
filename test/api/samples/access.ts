// Samples of the rules about databases, users, TLS and sizes.
import { pool, statefulSet } from '../objects.ts';
import { databases, listed, type Sample, user, users } from './sample.ts';

export const accessSamples: readonly Sample[] = [
  {
    says: 'users is needed, because neither an endpoint nor a StatefulSet',
    at: 'spec',
    refused: pool({ users: undefined, databases: listed }),
    accepted: pool({ databases: listed }),
  },
  {
    says: 'users is needed, because neither an endpoint nor a StatefulSet',
    at: 'spec',
    refused: pool({ users: undefined, postgres: statefulSet() }),
    accepted: pool({ postgres: statefulSet() }),
  },
  {
    says: '"*" stands for every database and must be the only entry',
    at: 'spec.databases',
    refused: databases({ name: '*' }, { name: 'shop' }),
    accepted: databases({ name: 'books' }, { name: 'shop' }),
  },
  {
    says: '"*" has no dbname, weight, max, mode or user of its own',
    at: 'spec.databases',
    refused: databases({ name: '*', dbname: 'shop' }),
    accepted: databases({ name: 'x', dbname: 'shop' }),
  },
  ...[{ weight: 2 }, { max: 9 }, { mode: 'session' }, { user: 'shop' }].map((own) => ({
    says: '"*" has no dbname, weight, max, mode or user of its own',
    at: 'spec.databases',
    refused: databases({ name: '*', ...own }),
    accepted: databases({ name: 'x', ...own }, { name: 'y', weight: 1000 }),
  })),
  {
    says: 'user must be one of users',
    at: 'spec',
    refused: databases({ name: 'x', user: 'nobody' }),
    accepted: databases({ name: 'x', user: 'shop' }),
  },
  {
    says: 'max must be at least the number of pods',
    at: 'spec',
    refused: pool({ databases: [{ name: 'x', max: 2 }], pooler: { replicas: 3 } }),
    accepted: pool({ databases: [{ name: 'x', max: 3 }], pooler: { replicas: 3 } }),
  },
  {
    says: 'max must be at least the number of pods',
    at: 'spec',
    refused: pool({ databases: [{ name: 'x', max: 4 }], pooler: { workload: 'Deployment' } }),
    accepted: pool({ databases: [{ name: 'x', max: 5 }], pooler: { workload: 'Deployment' } }),
  },
  {
    says: 'max must be at least the number of pods',
    at: 'spec',
    refused: pool({
      databases: [{ name: 'x', max: 3 }],
      pooler: { autoscaling: { maxReplicas: 4 } },
    }),
    accepted: pool({
      databases: [{ name: 'x', max: 4 }],
      pooler: { autoscaling: { maxReplicas: 4 } },
    }),
  },
  {
    says: 'max must be at least the number of pods',
    at: 'spec',
    refused: pool({ databases: [{ name: 'x', max: 5 }], pooler: { replicas: 3, processes: 2 } }),
    accepted: pool({ databases: [{ name: 'x', max: 6 }], pooler: { replicas: 3, processes: 2 } }),
  },
  {
    says: 'max must be at least the number of pods',
    at: 'spec',
    refused: pool({
      databases: [{ name: 'x', max: 7 }],
      pooler: { processes: 2, autoscaling: { maxReplicas: 4 } },
    }),
    accepted: pool({
      databases: [{ name: 'x', max: 8 }],
      pooler: { processes: 2, autoscaling: { maxReplicas: 4 } },
    }),
  },
  {
    says: 'sizing.min is more than every max in databases together',
    at: 'spec',
    refused: pool({
      databases: [
        { name: 'x', max: 4 },
        { name: 'y', max: 2 },
      ],
      sizing: { min: 7 },
    }),
    accepted: pool({ databases: [{ name: 'x', max: 4 }, { name: 'y' }], sizing: { min: 7 } }),
  },
  {
    says: '"*" is not a database of the server',
    at: 'spec.databases[0].dbname',
    refused: databases({ name: 'x', dbname: '*' }),
    accepted: databases({ name: 'x', dbname: 'y' }),
  },
  {
    says: '"pgbouncer" is the name of the admin console',
    at: 'spec.databases[0].name',
    refused: databases({ name: 'pgbouncer' }),
    accepted: databases({ name: 'bouncer', dbname: 'pgbouncer' }),
  },
  ...["o'reilly", 'a"b', 'a\nb', 'a\u0000b', 'a\u0085b', 'a\tb'].flatMap((name) => [
    {
      says: 'must not have quotes or control characters',
      at: 'spec.databases[0].name',
      refused: databases({ name }),
      accepted: databases({ name: 'o reilly' }),
    },
    {
      says: 'must not have quotes or control characters',
      at: 'spec.databases[0].dbname',
      refused: databases({ name: 'x', dbname: name }),
      accepted: databases({ name: 'x', dbname: '=;#[]' }),
    },
    {
      says: 'must not have quotes or control characters',
      at: 'spec.users[0].name',
      refused: user(name),
      accepted: user('o.reilly@example.com'),
    },
  ]),
  {
    says: 'must have at most 63 bytes',
    at: 'spec.users[0].name',
    refused: user('ä'.repeat(32)),
    accepted: user('ä'.repeat(31)),
  },
  {
    says: 'must not begin with "%"',
    at: 'spec.databases[0].name',
    refused: databases({ name: '%include /etc/passwd' }),
    accepted: databases({ name: 'include%' }),
  },
  {
    says: 'must not begin or end with a blank',
    at: 'spec.users[0].name',
    refused: user('shop '),
    accepted: user('sh op'),
  },
  {
    says: 'names that begin with "spillway-" are used by Spillway itself',
    at: 'spec.users[0].name',
    refused: user('spillway-admin'),
    accepted: user('spillway'),
  },
  {
    says: '"pgbouncer" is a user that the admin console has for itself',
    at: 'spec.users[0].name',
    refused: user('pgbouncer'),
    accepted: user('pgbouncer2'),
  },
  {
    says: '"*" is not a role',
    at: 'spec.users[0].name',
    refused: user('*'),
    accepted: user('**'),
  },
  {
    says: 'must be a name of Kubernetes',
    at: 'spec.users[0].secretRef.name',
    refused: pool({ users: [{ name: 'a', secretRef: { name: 'A' } }] }),
    accepted: pool({ users: [{ name: 'a', secretRef: { name: 'a' } }] }),
  },
  ...['..', '.', '../x', 'a/b'].map((key) => ({
    says: 'must be a key of a Secret',
    at: 'spec.users[0].secretRef.key',
    refused: pool({ users: [{ name: 'a', secretRef: { name: 'a', key } }] }),
    accepted: pool({ users: [{ name: 'a', secretRef: { name: 'a', key: '.pgpass' } }] }),
  })),
  {
    says: 'tls.server.caRef is needed for verify-ca',
    at: 'spec.tls.server',
    refused: pool({ tls: { server: { mode: 'verify-ca' } } }),
    accepted: pool({ tls: { server: { mode: 'verify-ca', caRef: { name: 'ca' } } } }),
  },
  {
    says: 'tls.server.caRef is checked only with mode verify-ca',
    at: 'spec.tls.server',
    refused: pool({ tls: { server: { caRef: { name: 'ca' } } } }),
    accepted: pool({ tls: { server: { mode: 'verify-full', caRef: { name: 'ca' } } } }),
  },
];

const ownSecret = (name: string) => pool({ users: [{ name: 'a', secretRef: { name } }] });
export const ownSecretSamples: readonly Sample[] = [
  {
    says: 'is one that Spillway makes for the pool itself',
    at: 'spec.users',
    refused: ownSecret('shop-pooler-console'),
    accepted: ownSecret('other-pooler-console'),
  },
];

export const sizingSamples: readonly Sample[] = [
  {
    says: 'sizing.min must not be greater than sizing.max',
    at: 'spec.sizing',
    refused: pool({ sizing: { min: 5, max: 4 } }),
    accepted: pool({ sizing: { min: 4, max: 4 } }),
  },
  {
    says: 'must be more than 0',
    at: 'spec.sizing.coresFactor',
    refused: pool({ sizing: { coresFactor: '0' } }),
    accepted: pool({ sizing: { coresFactor: '1500m' } }),
  },
  {
    says: 'sizing.max must be at least the number of databases',
    at: 'spec',
    refused: pool({ sizing: { max: 1 }, users: users('a', 'b') }),
    accepted: pool({ sizing: { max: 2 }, users: users('a', 'b') }),
  },
  {
    says: 'sizing.max must be at least the number of databases',
    at: 'spec',
    refused: pool({ sizing: { max: 2 }, pooler: { workload: 'Deployment' } }),
    accepted: pool({ sizing: { max: 3 }, pooler: { workload: 'Deployment' } }),
  },
  {
    says: 'pooler.autoscaling.maxReplicas is more than sizing.max allows',
    at: 'spec',
    refused: pool({
      sizing: { max: 8 },
      pooler: { workload: 'Deployment', autoscaling: { maxReplicas: 4 } },
    }),
    accepted: pool({
      sizing: { max: 9 },
      pooler: { workload: 'Deployment', autoscaling: { maxReplicas: 4 } },
    }),
  },
  {
    says: 'sizing.max must be at least the number of databases',
    at: 'spec',
    refused: pool({ sizing: { max: 1 }, databases: [{ name: 'a' }, { name: 'b' }] }),
    accepted: pool({ sizing: { max: 1 }, databases: [{ name: 'a' }], users: users('a', 'b') }),
  },
  {
    says: 'sizing.min is more than postgres.endpoint.maxConnections leaves',
    at: 'spec',
    refused: pool({ sizing: { min: 98 }, postgres: { endpoint: { maxConnections: 100 } } }),
    accepted: pool({ sizing: { min: 97 }, postgres: { endpoint: { maxConnections: 100 } } }),
  },
  {
    says: 'sizing.min is more than postgres.endpoint.maxConnections leaves',
    at: 'spec',
    refused: pool({
      sizing: { min: 91 },
      postgres: { endpoint: { maxConnections: 100, reservedConnections: 10 } },
    }),
    // How many there are is not said, but asked of the server.
    accepted: pool({ sizing: { min: 9000 } }),
  },
];
