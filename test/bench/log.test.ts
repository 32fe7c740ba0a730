// What is shown of the operator's log; its own logger writes the lines here, as both must agree on their form.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from '../../operator/runtime/log.ts';
import { tellingLines } from './log.ts';

function logged(write: (log: ReturnType<typeof createLog>) => void): string {
  const lines: string[] = [];
  write(createLog('trace', { write: (line: string) => void lines.push(line) }));
  return lines.join('');
}

test('of a log with warnings only these are shown, and what is no log line at all', () => {
  const log = logged((to) => {
    to.warn('first');
    to.info('leading');
    to.debug('a look');
    to.error({ err: 'refused' }, 'second');
  });
  const shown = tellingLines(`${log}Error: from Node itself\n`).split('\n');
  assert.equal(shown.length, 3);
  assert.match(shown[0] ?? '', /"msg":"first"/);
  assert.match(shown[1] ?? '', /"msg":"second"/);
  assert.equal(shown[2], 'Error: from Node itself');
});

test('of a log without any, its last lines are shown', () => {
  const log = logged((to) => {
    to.info('one');
    to.info('two');
  });
  assert.match(tellingLines(log, 1), /^\{.*"msg":"two"\}$/);
});
