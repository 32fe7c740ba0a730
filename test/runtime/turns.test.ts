import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Turns } from '../../operator/runtime/turns.ts';

test('one at a time for each key, in the order in which they asked, and a failure holds up nobody', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const use = (name: string, fails = false) =>
    turns.take('a', async () => {
      seen.push(`${name} in`);
      await sleep(5);
      seen.push(`${name} out`);
      if (fails) throw new Error(name);
      return name;
    });
  const first = use('first', true);
  const second = use('second');
  await turns.take('b', async () => void seen.push('another key'));
  await assert.rejects(first, /first/);
  assert.equal(await second, 'second');
  assert.equal(await use('third'), 'third');
  assert.deepEqual(seen, [
    'first in',
    'another key',
    'first out',
    'second in',
    'second out',
    'third in',
    'third out',
  ]);
});
