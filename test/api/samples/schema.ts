// Samples of what the schema itself refuses: types, bounds, choices, unknown fields. `says` is the offline message.
import { budget, pool, shopUser } from '../objects.ts';
import { endpoint, good, parameter, pooler, type Sample, user, users } from './sample.ts';

export const schemaSamples: readonly Sample[] = [
  {
    says: 'is required: set it',
    at: 'spec.postgres',
    refused: pool({ postgres: undefined }),
    accepted: pool(),
  },
  {
    says: 'must be one of transaction, session, statement: did you mean session?',
    at: 'spec.mode',
    refused: pool({ mode: 'sesion' }),
    accepted: pool({ mode: 'session' }),
  },
  {
    says: 'there is no such field: did you mean replicas?',
    at: 'spec.pooler.replica',
    refused: pooler({ replica: 3 }),
    accepted: pooler({ replicas: 3 }),
  },
  {
    says: 'must be at most 100: lower it',
    at: 'spec.pooler.replicas',
    refused: pooler({ replicas: 101 }),
    accepted: pooler({ replicas: 100 }),
  },
  {
    says: 'must be at most 8: lower it',
    at: 'spec.pooler.processes',
    refused: pooler({ processes: 9 }),
    accepted: pooler({ processes: 8 }),
  },
  {
    says: 'is required: set it',
    at: 'spec.clients.workloads[0].poolSize',
    refused: pool({ clients: { workloads: [{ kind: 'CronJob', name: 'nightly' }] } }),
    accepted: pool({ clients: { workloads: [{ kind: 'CronJob', name: 'nightly', poolSize: 1 }] } }),
  },
  {
    says: 'must be at most 100: lower it',
    at: 'spec.share',
    refused: budget({ share: 101 }),
    accepted: budget({ share: 100 }),
  },
  {
    says: 'must be at least 1: raise it',
    at: 'spec.share',
    refused: budget({ share: 0 }),
    accepted: budget({ share: 1 }),
  },
  {
    says: 'must be at least 256: raise it',
    at: 'spec.clients.fileLimit',
    refused: pool({ clients: { fileLimit: 255 } }),
    accepted: pool({ clients: { fileLimit: 256 } }),
  },
  {
    says: 'must be at least 30: raise it',
    at: 'spec.pooler.terminationGracePeriodSeconds',
    refused: pooler({ terminationGracePeriodSeconds: 29 }),
    accepted: pooler({ terminationGracePeriodSeconds: 30 }),
  },
  {
    says: 'must be a whole number: remove the quotes',
    at: 'spec.sizing.weight',
    refused: pool({ sizing: { weight: '2' } }),
    accepted: pool({ sizing: { weight: 2 } }),
  },
  {
    says: 'must be a whole number',
    at: 'spec.sizing.weight',
    refused: pool({ sizing: { weight: 1.5 } }),
    accepted: pool({ sizing: { weight: 1 } }),
  },
  {
    says: 'must be a string: put it in quotes, "30"',
    at: 'spec.parameters.query_timeout',
    refused: pool({ parameters: { query_timeout: 30 } }),
    accepted: good,
  },
  ...['8 cores', '1e3', '-1', '10000', '1.2345', true].map((cores) => ({
    says: 'must be a number from 0.001 to 9999',
    at: 'spec.postgres.endpoint.cores',
    refused: endpoint({ cores }),
    accepted: endpoint({ cores: '9999.999' }),
  })),
  {
    says: 'must have at least 1 entry',
    at: 'spec.users',
    refused: pool({ users: [] }),
    accepted: pool(),
  },
  {
    says: 'name must be unique',
    at: 'spec.users[1]',
    refused: pool({ users: users('a', 'a') }),
    accepted: pool({ users: users('a', 'A') }),
  },
  {
    says: 'name must be unique',
    at: 'spec.namespaces[1]',
    refused: budget({ namespaces: [{ name: 'a' }, { name: 'a', max: 1 }] }),
    accepted: budget({ namespaces: [{ name: 'a' }, { name: '*', max: 1 }] }),
  },
  {
    says: 'must have at most 1024 characters',
    at: 'spec.parameters.server_check_query',
    refused: parameter('server_check_query', 'x'.repeat(1025)),
    accepted: parameter('server_check_query', '𝕏'.repeat(1024)),
  },
  {
    says: 'must not be empty',
    at: 'spec.users[0].name',
    refused: user(''),
    accepted: user('x'),
  },
  {
    says: 'at most 64 entries',
    at: 'spec.pooler.podAnnotations',
    refused: pooler({ podAnnotations: manyKeys(65) }),
    accepted: pooler({ podAnnotations: manyKeys(64) }),
  },
  {
    says: 'must be a quantity',
    at: 'spec.pooler.resources.requests.cpu',
    refused: pooler({ resources: { requests: { cpu: 'much' } } }),
    accepted: pooler({ resources: { requests: { cpu: '0.1', 'example.com/gpu': 1 } } }),
  },
  {
    says: 'there is no such field: remove it (there are limits, requests)',
    at: 'spec.pooler.resources.foo',
    refused: pooler({ resources: { foo: { cpu: 1 } } }),
    accepted: pooler({ resources: { limits: { cpu: 1 } } }),
  },
  {
    says: 'there is no such field: remove it (there are limits, requests)',
    at: 'spec.pooler.resources.claims',
    refused: pooler({ resources: { claims: [{ name: 'gpu' }] } }),
    accepted: pooler({ resources: {} }),
  },
  {
    says: 'there is no such field: did you mean operator?',
    at: 'spec.pooler.tolerations[0].operater',
    refused: pooler({ tolerations: [{ key: 'a', operater: 'Exists' }] }),
    accepted: pooler({ tolerations: [{ key: 'a', operator: 'Exists' }] }),
  },
  {
    says: 'must be a whole number: remove the quotes',
    at: 'spec.pooler.tolerations[0].tolerationSeconds',
    refused: pooler({
      tolerations: [{ key: 'a', effect: 'NoExecute', tolerationSeconds: '5' }],
    }),
    accepted: pooler({ tolerations: [{ key: 'a', effect: 'NoExecute', tolerationSeconds: 5 }] }),
  },
  {
    says: 'there is no such field: remove it (there are nodeAffinity',
    at: 'spec.pooler.affinity.foo',
    refused: pooler({ affinity: { foo: 'bar' } }),
    accepted: pooler({ affinity: {} }),
  },
  ...['nodeAffinity', 'podAffinity', 'podAntiAffinity'].flatMap((kind) => [
    {
      says: 'must be a map of fields',
      at: `spec.pooler.affinity.${kind}`,
      refused: pooler({ affinity: { [kind]: 3 } }),
      accepted: pooler({ affinity: { [kind]: {} } }),
    },
    {
      says: 'there is no such field: did you mean requiredDuringSchedulingIgnoredDuringExecution?',
      at: `spec.pooler.affinity.${kind}.requiredDuringSchedulingIgnoreDuringExecution`,
      refused: pooler({
        affinity: { [kind]: { requiredDuringSchedulingIgnoreDuringExecution: {} } },
      }),
      accepted: pooler({ affinity: affinityOf(kind) }),
    },
  ]),
  {
    says: 'must be a list',
    at: 'spec.pooler.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution',
    refused: pooler({
      affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: {} } },
    }),
    accepted: pooler({ affinity: affinityOf('podAntiAffinity') }),
  },
  {
    says: 'must be a map of fields',
    at: 'spec.users[0]',
    refused: pool({ users: [null] }),
    accepted: pool({
      sizing: null,
      users: [{ ...shopUser, secretRef: { name: 'a', key: null } }],
      parameters: { query_timeout: null },
    }),
  },
];

/** As a pod has it. */
export function affinityOf(kind: string): object {
  const zone = { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['a'] };
  const near = {
    topologyKey: 'kubernetes.io/hostname',
    labelSelector: { matchLabels: { app: 'x' } },
  };
  if (kind !== 'nodeAffinity') {
    return {
      [kind]: {
        requiredDuringSchedulingIgnoredDuringExecution: [near],
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm: near }],
      },
    };
  }
  const term = { matchExpressions: [zone] };
  return {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] },
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: term }],
    },
  };
}

function manyKeys(n: number): object {
  return Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, '']));
}
