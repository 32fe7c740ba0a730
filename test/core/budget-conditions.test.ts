// What a budget says of itself: a server that became too small is told apart from sharing anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AllotmentRecord } from '../../operator/api/connection-budget.ts';
import { connectionBudgetSpec } from '../../operator/api/connection-budget.ts';
import { budgetConditions } from '../../operator/core/budget-conditions.ts';
import { type BudgetPool, planBudget } from '../../operator/core/plan-budget.ts';
import { namespaceMax } from '../../operator/core/pool/attach.ts';
import { view } from './pool/fixture.ts';

const { server, spec } = view();
const postgres = { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'shop-db' } };

/** `name holds/target`: a pool that has taken its row, and whose processes can have all of it open. */
type Held = readonly [name: string, connections: number, gone?: 'gone'];

function plan(cores: number, held: readonly Held[], owner: object = {}) {
  const parsed = connectionBudgetSpec.parse({ postgres, ...owner });
  const max = namespaceMax('shop', 'shop', parsed);
  const rows = held.map(
    ([name, connections]): AllotmentRecord => ({
      server: 'primary',
      uid: `uid-${name}`,
      namespace: 'shop',
      name,
      connections,
      target: connections,
      serial: 1,
    }),
  );
  const pools = held.flatMap(([name, connections, gone]): BudgetPool[] =>
    gone === 'gone'
      ? []
      : [
          {
            uid: `uid-${name}`,
            namespace: 'shop',
            name,
            createdAt: '2026-01-01T00:00:00Z',
            spec,
            entries: 1,
            role: 'primary',
            ...(connections === 0 ? {} : { taken: { connections, serial: 1 } }),
            charge: connections,
            ...(max === undefined ? {} : { namespaceMax: max }),
          },
        ],
  );
  return planBudget({
    spec: parsed,
    status: { allotments: rows },
    pools,
    servers: new Map([
      [
        'primary',
        {
          ok: true,
          facts: { ...server, milliCores: { value: cores * 1000, source: 'limits.cpu' } },
        },
      ],
    ] as const),
    gone: () => 'objects',
    inParts: new Set(),
    mayRaise: true,
  });
}

const cases: Readonly<Record<string, readonly [ReturnType<typeof plan>, string[]]>> = {
  'all is shared': [
    plan(8, [['a', 17]]),
    ['Ready True Shared', 'WithinBudget True Within', 'Sufficient True EveryPoolServed'],
  ],
  'a pool joins, and waits for what others have still': [
    plan(8, [
      ['a', 17],
      ['b', 0],
    ]),
    ['Ready False Sharing', 'WithinBudget True Within', 'Sufficient True EveryPoolServed'],
  ],
  'the server has fewer cores than before': [
    plan(4, [['a', 17]]),
    [
      'Ready False BudgetShrank',
      'WithinBudget False BudgetShrank',
      'Sufficient True EveryPoolServed',
    ],
  ],
  'the owner says less than pools have': [
    plan(8, [['a', 17]], { total: 4 }),
    [
      'Ready False BudgetShrank',
      'WithinBudget False BudgetShrank',
      'Sufficient True EveryPoolServed',
    ],
  ],
  'what is left of a pool that is gone is more than there is, and nobody else is over': [
    plan(4, [
      ['a', 9],
      ['b', 8, 'gone'],
    ]),
    ['Ready False GivingBack', 'WithinBudget False GivingBack', 'Sufficient True EveryPoolServed'],
  ],
};

for (const [sentence, [planned, expected]] of Object.entries(cases)) {
  test(sentence, () => {
    const said = budgetConditions(planned).map((c) => `${c.type} ${c.status} ${c.reason}`);
    assert.deepEqual(said, expected);
  });
}

test('a budget that is deleted says who holds it, whatever else there is to say', () => {
  const all = plan(4, [
    ['b', 9],
    ['a', 8, 'gone'],
  ]);
  const [ready, within] = budgetConditions(all, true);
  assert.deepEqual([ready?.status, ready?.reason], ['False', 'BeingDeleted']);
  assert.match(ready?.message ?? '', /held until its pools are gone: shop\/a, shop\/b\./);
  assert.equal(within?.reason, 'GivingBack');
});

test('a budget that became too small says what there is now and why, what pools hold, and what is over', () => {
  const shrunk = plan(4, [
    ['a', 9],
    ['b', 8],
  ]);
  const { allotted, budget, free, over } = shrunk.servers[0] ?? {};
  assert.deepEqual([budget, allotted, free, over], [9, 17, 0, 8]);
  const [ready, within] = budgetConditions(shrunk);
  assert.equal(
    within?.message,
    'primary: the budget is 9 now (4 cores × 2 + 1 = 9; max_connections 100 − 3 reserved − 10 slack = 87), and pools hold 17 connections: they close 8 of them as clients release them',
  );
  assert.equal(ready?.message, within?.message);
  const rows = shrunk.allotments.map(({ connections, target }) => [connections, target]);
  assert.deepEqual(rows, [
    [9, 5],
    [8, 4],
  ]);
});

test('what no pool holds is free', () => {
  const numbers = (held: readonly Held[], owner: object) => {
    const { allotted, budget, free, over } = plan(8, held, owner).servers[0] ?? {};
    return [budget, allotted, free, over];
  };
  assert.deepEqual(numbers([['a', 17]], {}), [17, 17, 0, undefined]);
  const namespaces = [{ name: 'shop', max: 5 }];
  assert.deepEqual(numbers([['a', 5]], { namespaces }), [17, 5, 12, undefined]);
});
