// Samples of the rules about ConnectionBudgets.
import { budget, endpointBudget } from '../objects.ts';
import type { Sample } from './sample.ts';

const sum = (spec: object) => endpointBudget(spec as Record<string, unknown>);
export const budgetSamples: readonly Sample[] = [
  {
    says: 'metadata.name must be the kind in lower case',
    at: 'metadata.name',
    refused: budget({}, { name: 'shop-db' }),
    accepted: budget(),
  },
  {
    says: 'metadata.name of the budget of an endpoint',
    at: 'metadata.name',
    refused: endpointBudget({}, { name: 'endpoint-db.example.com' }),
    accepted: endpointBudget(),
  },
  {
    says: 'postgres must name exactly one of clusterRef',
    at: 'spec.postgres',
    refused: budget({ postgres: { clusterRef: undefined } }),
    accepted: budget(),
  },
  {
    says: 'postgres.clusterRef.namespace must not be set',
    at: 'spec.postgres.clusterRef',
    refused: budget({ postgres: { clusterRef: { namespace: 'other' } } }),
    accepted: budget(),
  },
  {
    says: 'must be a DNS label',
    at: 'spec.reserved[0].name',
    refused: budget({ reserved: [{ name: 'Admin', connections: 1 }] }),
    accepted: budget({ reserved: [{ name: 'admin', connections: 0 }] }),
  },
  {
    says: 'must be more than 0',
    at: 'spec.coresFactor',
    refused: budget({ coresFactor: 0 }),
    accepted: budget({ coresFactor: 3 }),
  },
  {
    says: 'must be the name of a namespace',
    at: 'spec.namespaces[0].name',
    refused: budget({ namespaces: [{ name: 'shop-*' }] }),
    accepted: budget({ namespaces: [{ name: 'shop', max: 8 }, { name: '*' }] }),
  },
  {
    says: 'total and share cannot both be set',
    at: 'spec.share',
    refused: budget({ total: 40, share: 50 }),
    accepted: budget({ share: 50 }),
  },
  ...[
    // 100 connections, 3 reserved, a slack of 10 by default.
    [{ total: 88 }, { total: 87 }],
    [
      { total: 88, slack: 10 },
      { total: 88, slack: 9 },
    ],
    [
      { reserved: [{ name: 'admin', connections: 87 }] },
      { reserved: [{ name: 'admin', connections: 86 }] },
    ],
    [{ slack: 97 }, { slack: 96 }],
    // A share is bounded by what is left, of which there has to be something.
    [
      { share: 100, slack: 97 },
      { share: 100, slack: 96 },
    ],
    [
      { share: 50, postgres: { endpoint: { maxConnections: 8 } } },
      { share: 50, postgres: { endpoint: { maxConnections: 9 } } },
    ],
    [
      { total: 1, postgres: { endpoint: { maxConnections: 8 } } },
      { postgres: { endpoint: { maxConnections: 8 } } },
    ],
    [
      // 11 percent of 101 is 11 when rounded up.
      { total: 88, postgres: { endpoint: { maxConnections: 101 } } },
      { total: 87, postgres: { endpoint: { maxConnections: 101 } } },
    ],
  ].map(([refused = {}, accepted = {}]) => ({
    says: 'total, reserved and slack',
    at: 'spec',
    refused: sum(refused),
    accepted: sum(accepted),
  })),
];
