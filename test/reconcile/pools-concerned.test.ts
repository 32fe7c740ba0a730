// Whom a new status of a budget wakes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  AllotmentRecord,
  ConnectionBudgetStatus,
  ServerRecord,
} from '../../operator/api/connection-budget.ts';
import { poolsConcerned } from '../../operator/reconcile/pools-concerned.ts';

const server = (more: Partial<ServerRecord> = {}): ServerRecord => ({
  name: 'primary',
  budget: 17,
  allotted: 17,
  free: 0,
  ...more,
});
const row = (name: string, more: Partial<AllotmentRecord> = {}): AllotmentRecord => ({
  server: 'primary',
  uid: `uid-${name}`,
  namespace: 'shop',
  name,
  connections: 8,
  target: 8,
  serial: 1,
  ...more,
});
const status = (servers: ServerRecord[], allotments: AllotmentRecord[]) => ({
  servers,
  allotments,
});
const before = status([server(), server({ name: 'replicas' })], [row('a'), row('b')]);

const cases: Readonly<Record<string, readonly [ConnectionBudgetStatus, string[], string[]]>> = {
  'the same again': [structuredClone(before), [], []],
  'a pool has another target': [
    status(before.servers, [row('a', { target: 9 }), row('b')]),
    [],
    ['shop/a'],
  ],
  'a pool has another serial, one is gone and one is new': [
    status(before.servers, [row('a', { serial: 2 }), row('c')]),
    [],
    ['shop/a', 'shop/b', 'shop/c'],
  ],
  'pools have given back': [
    status([server({ allotted: 9, free: 8 }), server({ name: 'replicas' })], before.allotments),
    [],
    [],
  ],
  'pools hold more than there is now': [
    status([server({ over: 8 }), server({ name: 'replicas' })], before.allotments),
    ['primary'],
    [],
  ],
  'there is a server more': [
    status([...before.servers, server({ name: 'x' })], []),
    ['x'],
    ['shop/a', 'shop/b'],
  ],
};

for (const [sentence, [after, roles, keys]] of Object.entries(cases)) {
  test(`woken when ${sentence}`, () => {
    const concerned = poolsConcerned(before, after);
    assert.deepEqual([...concerned.roles], roles);
    assert.deepEqual([...concerned.keys].sort(), keys);
  });
}

test('while pools give back, each step of it wakes those only whose rows change', () => {
  const over = (n: number) => status([server({ over: n })], before.allotments);
  assert.deepEqual([...poolsConcerned(over(8), over(3)).roles], []);
  assert.deepEqual([...poolsConcerned(over(3), status([server()], [])).roles], ['primary']);
});
