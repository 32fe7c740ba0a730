// The plan of a whole budget: what of one server waits for another one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionBudgetSpec } from '../../operator/api/connection-budget.ts';
import type { Gone } from '../../operator/core/ledger/claims.ts';
import {
  type BudgetPool,
  planBudget,
  type Role,
  whyKept,
} from '../../operator/core/plan-budget.ts';
import { view } from './pool/fixture.ts';

const { server, spec } = view();
const postgres = { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'shop-db' } };
const budget = connectionBudgetSpec.parse({ postgres });
const poolOf = (name: string, role: Role): BudgetPool => ({
  uid: `uid-${name}`,
  namespace: 'shop',
  name,
  createdAt: '2026-01-01T00:00:00Z',
  spec: { ...spec, postgres: { ...spec.postgres, role } },
  entries: 1,
  role,
  charge: 0,
});

test('a row whose pool is not in view says why it stays', () => {
  const row = {
    ...{ server: 'primary', uid: 'u', namespace: 'shop', name: 'gone', serial: 1 },
    ...{ connections: 17, target: 17 },
  };
  const why = (gone: Gone | undefined) => {
    const planned = planBudget({
      spec: budget,
      status: { allotments: [row] },
      pools: [poolOf('write', 'primary')],
      servers: new Map([['primary', { ok: true, facts: server }]] as const),
      gone: () => gone,
      inParts: new Set(),
      mayRaise: true,
    });
    return planned.allotments.map((r) => [r.name, r.connections, r.uid === 'u' ? r.why : '']);
  };
  assert.deepEqual(why(undefined), [
    ['gone', 17, whyKept(undefined)],
    ['write', 0, ''],
  ]);
  assert.match(whyKept(undefined), /until the API server says/);
  assert.deepEqual(why('objects'), [
    ['gone', 17, 'the pool is gone; something of it is still there'],
    ['write', 0, ''],
  ]);
  assert.deepEqual(why('pods'), [['write', 17, '']]);
});

const plan = (heldBack: readonly Role[]) =>
  planBudget({
    spec: budget,
    status: undefined,
    pools: [poolOf('write', 'primary'), poolOf('read', 'replicas')],
    servers: new Map([
      ['primary', { ok: true, facts: server }],
      ['replicas', { ok: true, facts: server }],
    ] as const),
    gone: () => undefined,
    inParts: new Set(),
    mayRaise: true,
    heldBack: new Set(heldBack),
  });

test('while old read sessions may be on the new primary, its pools get nothing more, and read pools do', () => {
  const given = (held: readonly Role[]) =>
    plan(held).allotments.map((row) => [row.name, row.connections, row.target]);
  assert.deepEqual(given([]), [
    ['write', 17, 17],
    ['read', 17, 17],
  ]);
  assert.deepEqual(given(['primary']), [
    ['write', 0, 17],
    ['read', 17, 17],
  ]);
  assert.deepEqual(
    plan(['primary']).waiting.map(({ uid }) => uid),
    ['uid-write'],
  );
});

const words: Readonly<Record<string, readonly [object, number, string]>> = {
  'the cores': [{}, 17, '8 cores × 2 + 1 = 17; max_connections 100 − 3 reserved − 10 slack = 87'],
  "the owner's total": [
    { total: 40 },
    40,
    'the owner says 40; max_connections 100 − 3 reserved − 10 slack = 87',
  ],
  "the owner's share": [
    { share: 50 },
    50,
    'the owner says 50 % of max_connections 100 = 50; max_connections 100 − 3 reserved − 10 slack = 87',
  ],
  'what is set aside, by name': [
    {
      reserved: [
        { name: 'admin', connections: 10 },
        { name: 'cron', connections: 0 },
        { name: 'migrations', connections: 75 },
      ],
      slack: 2,
    },
    10,
    'max_connections 100 − 3 reserved − 10 admin − 75 migrations − 2 slack = 10, less than 8 cores × 2 + 1 = 17',
  ],
  'the guard, which is less than the share': [
    { share: 90 },
    87,
    "max_connections 100 − 3 reserved − 10 slack = 87, less than the owner's 90 % of max_connections 100 = 90",
  ],
};
for (const [what, [said, connections, explanation]] of Object.entries(words)) {
  test(`the budget says what decides it: ${what}`, () => {
    const [one] = planBudget({
      spec: connectionBudgetSpec.parse({ postgres, ...said }),
      status: undefined,
      pools: [poolOf('shop', 'primary')],
      servers: new Map([['primary', { ok: true, facts: server }]] as const),
      gone: () => undefined,
      inParts: new Set(),
      mayRaise: true,
    }).servers;
    assert.deepEqual([one?.budget, one?.explanation], [connections, explanation]);
  });
}

test('the status of a budget has each number with its source: who has set aside how much, and how pools share', () => {
  const reserved = [
    { name: 'admin', connections: 10 },
    { name: 'migrations', connections: 5 },
  ];
  const [one] = planBudget({
    spec: connectionBudgetSpec.parse({ postgres, reserved, spindles: 4 }),
    status: undefined,
    pools: [poolOf('shop', 'primary'), poolOf('web', 'primary')],
    servers: new Map([['primary', { ok: true, facts: server }]] as const),
    gone: () => undefined,
    inParts: new Set(),
    mayRaise: true,
  }).servers;
  assert.deepEqual(
    one?.sources?.map(({ field, value, source }) => `${field} ${value}: ${source}`),
    [
      'cores 8: limits.cpu',
      "coresFactor 2: the default, of PostgreSQL's own formula",
      'spindles 4: spec.spindles',
      'optimum 20: cores × coresFactor + spindles, rounded down',
      "maxConnections 100: PostgreSQL's default",
      "reserved 18: 3 of the server (PostgreSQL's default); set aside: 10 for admin, 5 for migrations",
      'slack 10: the default: a tenth of maxConnections, at least 5',
      'budget 20: the optimum',
      'pools 2: in transaction or statement mode: 2 pools 1:1',
    ],
  );
});
