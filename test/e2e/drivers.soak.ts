// The same as drivers.test.ts with every driver, each way; run by `make soak`.
import { after, before, test } from 'node:test';
import { cases } from './drivers/cases.ts';
import { checkCase, checkRows } from './drivers/check.ts';
import { nodePostgres, pgjdbc, pgx, psycopg } from './drivers/drivers.ts';
import { errorsOf, measure, type Result, tableOf } from './drivers/measure.ts';
import { takeCluster } from './operator.ts';

let giveBack: (() => Promise<void>) | undefined;
let result: Result;
before(async () => {
  giveBack = await takeCluster();
  result = await measure([nodePostgres, psycopg, pgx, pgjdbc], cases, true);
  console.log(tableOf(result));
  console.log(errorsOf(result));
});
after(() => giveBack?.());

test('no transaction is lost in any case, with any driver', () => {
  for (const one of result.cases) checkCase(one);
});

test('every transaction that was confirmed is there, once', () => checkRows(result));
