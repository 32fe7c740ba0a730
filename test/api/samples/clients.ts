// Samples of the rules about the applications: workloads that are counted, and Secrets made for them.
import { pool, shopUser } from '../objects.ts';
import { listed, type Sample } from './sample.ts';

const web = { kind: 'Deployment', name: 'web', poolSize: 5 };
const workloads = (...list: object[]) => pool({ clients: { workloads: list } });
const selecting = (matchLabels: object) =>
  workloads({ kind: 'Deployment', selector: { matchLabels }, poolSize: 5 });
const bound = (binding: object, name = 'shop') => ({ ...shopUser, name, binding });
const binding = (...names: string[]) =>
  pool({ users: names.map((secretName, i) => bound({ secretName }, `user-${i}`)) });

export const clientSamples: readonly Sample[] = [
  {
    says: 'an entry must have exactly one of name and selector',
    at: 'spec.clients.workloads[0]',
    refused: workloads({ kind: 'Deployment', poolSize: 5 }),
    accepted: workloads(web),
  },
  {
    says: 'an entry must have exactly one of name and selector',
    at: 'spec.clients.workloads[0]',
    refused: workloads({ ...web, selector: { matchLabels: { app: 'web' } } }),
    accepted: selecting({ app: 'web' }),
  },
  {
    says: 'without a label every workload would be meant',
    at: 'spec.clients.workloads[0].selector.matchLabels',
    refused: selecting({}),
    accepted: selecting({ app: '' }),
  },
  {
    says: 'clients.workloads[].selector.matchLabels: every key must be a name',
    at: 'spec.clients.workloads[0].selector.matchLabels',
    refused: selecting({ 'a b': 'x' }),
    accepted: selecting({ 'example.com/a_b': 'x' }),
  },
  {
    says: 'must be a label value',
    at: 'spec.clients.workloads[0].selector.matchLabels.app',
    refused: selecting({ app: 'a b' }),
    accepted: selecting({ app: 'a.b' }),
  },
  {
    says: 'must be a name of Kubernetes',
    at: 'spec.clients.workloads[0].name',
    refused: workloads({ ...web, name: 'Web' }),
    accepted: workloads(web),
  },
  {
    says: 'connectionsPerTask says nothing without the number of tasks',
    at: 'spec.clients.workloads[0]',
    refused: workloads({ ...web, connectionsPerTask: 2 }),
    accepted: workloads({ ...web, connectionsPerTask: 2, tasks: 4 }),
  },
  {
    says: 'the same workload is there twice',
    at: 'spec.clients.workloads',
    refused: workloads(web, { ...web, poolSize: 6 }),
    accepted: workloads(web, { ...web, kind: 'StatefulSet' }, { ...web, name: 'web2' }),
  },
  {
    says: 'must be a name of Kubernetes',
    at: 'spec.users[0].binding.secretName',
    refused: binding('A'),
    accepted: binding('a'),
  },
  {
    says: 'two users cannot have the same binding.secretName',
    at: 'spec.users',
    refused: binding('a', 'a'),
    accepted: binding('a', 'b'),
  },
  {
    says: 'binding.secretName is a Secret that a secretRef names',
    at: 'spec.users',
    refused: binding(shopUser.secretRef.name),
    accepted: binding(`${shopUser.secretRef.name}-binding`),
  },
  {
    says: 'this Secret is one that Spillway makes for the pool itself',
    at: 'spec.users',
    refused: binding('shop-pooler-users'),
    accepted: binding('shop-pooler-user'),
  },
  {
    says: 'binding.database is none of the databases that the pool lists',
    at: 'spec',
    refused: pool({ databases: listed, users: [bound({ secretName: 'a', database: 'books' })] }),
    accepted: pool({ databases: listed, users: [bound({ secretName: 'a', database: 'shop' })] }),
  },
  {
    says: 'binding.database is none of the databases that the pool lists',
    at: 'spec',
    refused: pool({
      databases: [{ name: 'a' }],
      users: [bound({ secretName: 'a', database: 'any' })],
    }),
    accepted: pool({ users: [bound({ secretName: 'a', database: 'any' })] }),
  },
  {
    says: 'must be a database that applications use',
    at: 'spec.users[0].binding.database',
    refused: pool({ users: [bound({ secretName: 'a', database: '*' })] }),
    accepted: pool({ users: [bound({ secretName: 'a', database: 'any' })] }),
  },
  ...["o'reilly", 'a\nb'].map((database) => ({
    says: 'must not have quotes or control characters',
    at: 'spec.users[0].binding.database',
    refused: pool({ users: [bound({ secretName: 'a', database })] }),
    accepted: pool({ users: [bound({ secretName: 'a', database: 'o reilly' })] }),
  })),
];
