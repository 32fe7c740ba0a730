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
const budget = connectionBudgetSpec.parse({
  postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'shop-db' } },
});
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
