// What changes of a pool cost applications with real drivers: no transaction. docs/guide/zero-loss.md has the figures.
import { after, before, test } from 'node:test';
import { cases } from './drivers/cases.ts';
import { checkCase, checkRows } from './drivers/check.ts';
import { nodePostgres, psycopg } from './drivers/drivers.ts';
import { errorsOf, measure, type Result, tableOf } from './drivers/measure.ts';
import { takeCluster } from './operator.ts';

const drivers = [nodePostgres, { ...psycopg, ways: ['hold', 'reconnect'] as const }];

let giveBack: (() => Promise<void>) | undefined;
let result: Result;
before(async () => {
  giveBack = await takeCluster();
  result = await measure(drivers, cases, true);
  console.log(tableOf(result));
  console.log(errorsOf(result));
});
after(() => giveBack?.());

for (const { name } of cases) {
  test(`no transaction is lost by: ${name}`, () => {
    for (const one of result.cases.filter(({ case: { name: done } }) => done === name)) {
      checkCase(one);
    }
  });
}

test('every transaction that was confirmed is there, once', () => checkRows(result));
