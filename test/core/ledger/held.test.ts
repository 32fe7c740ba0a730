// Who holds what a process is to give back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heldInWords } from '../../../operator/core/ledger/held.ts';
import { withinBudget } from '../../../operator/core/pool/findings.ts';
import type { Observation } from '../../../operator/engines/engine.ts';

function seen(counts: readonly (readonly [database: string, user: string, servers: number])[]) {
  const sum = (index: 0 | 1) => {
    const total: Record<string, number> = {};
    for (const one of counts) total[one[index]] = (total[one[index]] ?? 0) + one[2];
    return total;
  };
  return {
    sessions: { total: 0, cancelling: 0, byDatabase: sum(0), byUser: sum(1) },
    pools: counts.map(([database, user, serversActive]) => ({ database, user, serversActive })),
  } as unknown as Observation;
}
const cap = (name: string, connections: number) => ({ name, connections });

test('who holds no more than his file allows holds nothing back', () => {
  assert.equal(heldInWords(seen([['a', 'u', 2]]), 'database', [cap('a', 2)]), undefined);
});

test('each database that is over its cap is named, with the users who have its connections', () => {
  const look = seen([
    ['a', 'web', 1],
    ['a', 'batch', 3],
    ['b', 'web', 2],
  ]);
  assert.equal(
    heldInWords(look, 'database', [cap('a', 1), cap('b', 2)]),
    'holds 3 more than its file allows: database a (user batch 3, user web 1)',
  );
  assert.equal(
    heldInWords(look, 'user', [cap('web', 9)]),
    'holds 3 more than its file allows: user batch (database a 3)',
  );
});

test('many are counted instead of named', () => {
  const look = seen(Array.from({ length: 900 }, (_, index) => [`d${index}`, 'u', 1] as const));
  const words = heldInWords(look, 'database', []) ?? '';
  assert.match(words, /^holds 900 more than its file allows: database d0 .* and 895 more$/);
  const held = Array.from({ length: 40 }, (_, index) => `pod-${index} ${words}`);
  const { message } = withinBudget({ allotted: 1, charged: 9, unproven: ['pod-0'], held });
  assert.ok(message.length < 2000);
  assert.match(message, /not proven yet: pod-0; pod-0 holds 900 .* and 35 more$/);
});
