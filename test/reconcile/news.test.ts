// Which changes of conditions become events.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition } from '../../operator/api/conditions.ts';
import { eventsOf } from '../../operator/reconcile/news.ts';

function conditions(...words: string[]): Condition[] {
  return words.map((word) => {
    const [type = '', status = '', reason = ''] = word.split(' ');
    return {
      type,
      status: status as Condition['status'],
      reason,
      message: reason,
      observedGeneration: 1,
      lastTransitionTime: '2026-01-01T00:00:00Z',
    };
  });
}

const cases: Readonly<Record<string, [string[] | undefined, string[], string[]]>> = {
  'a new pool on its way is no news': [
    undefined,
    ['Ready False PodsNotReady', 'Reconciling True PodsNotReady', 'SpecAccepted True Accepted'],
    [],
  ],
  'what is in the way of a new pool is told once': [
    undefined,
    ['Ready False SecretDoesNotExist', 'CredentialsFound False SecretDoesNotExist'],
    ['Warning SecretDoesNotExist'],
  ],
  'what was in the way and has gone is told': [
    ['CredentialsFound False SecretDoesNotExist'],
    ['CredentialsFound True Found'],
    ['Normal Found'],
  ],
  'a pool that serves is told': [
    ['Ready False PodsNotReady', 'PodsReady False PodsNotReady'],
    ['Ready True Ready', 'PodsReady True Ready'],
    ['Normal Ready'],
  ],
  'the same conditions again are no news': [
    ['PodsReady False ErrImagePull'],
    ['PodsReady False ErrImagePull'],
    [],
  ],
  'a pool that gives back for another one is no news, and none when it has': [
    ['WithinBudget True Exact'],
    ['Ready False GivingBack', 'WithinBudget False GivingBack'],
    [],
  ],
  'a pool or a budget that gives back because there is less is told as a warning': [
    ['WithinBudget False GivingBack'],
    ['Ready False BudgetShrank', 'WithinBudget False BudgetShrank'],
    ['Warning BudgetShrank'],
  ],
  'and that it has given back': [
    ['WithinBudget False BudgetShrank'],
    ['Ready True Shared', 'WithinBudget True Within'],
    ['Normal Shared', 'Normal Within'],
  ],
  'a budget that is deleted under its pools is told, once': [
    ['Ready True Shared'],
    ['Ready False BeingDeleted', 'WithinBudget True Within'],
    ['Warning BeingDeleted'],
  ],
  'another reason is news': [
    ['PodsReady False PodsNotReady'],
    ['PodsReady False ErrImagePull'],
    ['Warning ErrImagePull'],
  ],
};

for (const [sentence, [before, after, told]] of Object.entries(cases)) {
  test(sentence, () => {
    const events = eventsOf(before && conditions(...before), conditions(...after));
    assert.deepEqual(
      events.map((event) => `${event.type} ${event.reason}`),
      told,
    );
  });
}
