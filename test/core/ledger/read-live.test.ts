// When a plan needs more than the caches: what is taken back or given to a running process needs proof, and a pool that
// is new, settled or waits for somebody costs no request.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AllotmentRecord } from '../../../operator/api/connection-budget.ts';
import type { GrantRecord, PoolAllotment } from '../../../operator/api/connection-pool.ts';
import {
  type PoolLedgerInput,
  type PoolLedgerPlan,
  planPoolLedger,
} from '../../../operator/core/ledger/pool.ts';
import type { HolderState, WorkloadState } from '../../../operator/core/ledger/state.ts';
import { file, grantsOf, holder, nameOf, running, workload } from './pool.ts';

const row = (connections: number, serial: number, target = connections): AllotmentRecord => ({
  server: 'primary',
  uid: 'u',
  namespace: 'n',
  name: 'shop',
  connections,
  target,
  serial,
});

interface Words {
  readonly taken?: PoolAllotment;
  readonly row: AllotmentRecord;
  readonly holders?: readonly HolderState[];
  readonly workload?: WorkloadState;
  readonly fileEpoch?: number;
  readonly pods?: number;
  readonly live?: boolean;
  readonly mayRaise?: boolean;
}

function input(words: Words): PoolLedgerInput {
  const holders = words.holders ?? [];
  return {
    taken: words.taken,
    grants: holders.flatMap(({ name, grant }): GrantRecord[] =>
      grant === undefined ? [] : [{ holder: name, ...grant }],
    ),
    row: words.row,
    pods: words.pods ?? 1,
    entries: ['a'],
    reading: {
      holders,
      ...(words.workload === undefined ? {} : { workload: words.workload }),
      fileEpoch: words.fileEpoch ?? 0,
      live: words.live ?? false,
    },
    nameOf,
    mayRaise: words.mayRaise ?? true,
    inParts: false,
  };
}

/** From caches, and what the API server says is the same. */
function plans(words: Words): readonly [PoolLedgerPlan, PoolLedgerPlan] {
  return [planPoolLedger(input(words)), planPoolLedger(input({ ...words, live: true }))];
}

const taken = { connections: 8, serial: 1 };

test('a new pool comes to its pods without a live look', () => {
  const grant: readonly [number, number] = [4, 1];
  const text = file(1, { a: 4 });
  const each = (words: Parameters<typeof holder>[1]) => [holder(0, words), holder(1, words)];
  const way: readonly (readonly [string, Words])[] = [
    ['it has no row', { row: row(0, 0, 8), pods: 2 }],
    ['it has a row', { row: row(8, 1), pods: 2 }],
    ['it has taken it', { row: row(8, 1), taken, pods: 2 }],
    ['it has grants', { row: row(8, 1), taken, pods: 2, holders: each({ grant }) }],
    ['it has files', { row: row(8, 1), taken, pods: 2, holders: each({ grant, file: text }) }],
    [
      'it has a workload that nobody has seen',
      {
        row: row(8, 1),
        taken,
        pods: 2,
        holders: each({ grant, file: text }),
        workload: workload(2, 0, false),
      },
    ],
    [
      'its pods are there and were not asked yet',
      {
        row: row(8, 1),
        taken,
        pods: 2,
        holders: each({ grant, file: text, pod: 0 }).map((h) => ({ ...h, asked: false })),
        workload: workload(2),
      },
    ],
    [
      'its pods do not answer',
      {
        row: row(8, 1),
        taken,
        pods: 2,
        holders: each({ grant, file: text, pod: 0 }),
        workload: workload(2),
      },
    ],
    [
      'all is as it is to be',
      {
        row: row(8, 1),
        taken,
        pods: 2,
        holders: [running(0, { a: 4 }), running(1, { a: 4 })],
        workload: workload(2),
      },
    ],
  ];
  for (const [where, words] of way) {
    const [cached, live] = plans(words);
    assert.equal(cached.readLive, false, where);
    assert.deepEqual(cached.grants, live.grants, where);
    assert.deepEqual(cached.holders.files, live.holders.files, where);
  }
});

const shrunk = (words: Parameters<typeof holder>[1] = {}) => ({
  row: row(8, 1, 4),
  taken: { connections: 4, serial: 1 },
  holders: [holder(0, { grant: [8, 1], file: file(2, { a: 4 }), pod: 0, ...words })],
  workload: workload(1, 2),
  fileEpoch: 2,
});

test('a file is lowered from what caches show', () => {
  const holders = [running(0, { a: 8 })];
  const words = { ...shrunk(), holders, workload: workload(1), fileEpoch: 0 };
  const [cached] = plans(words);
  assert.equal(cached.readLive, false);
  assert.equal(cached.holders.files[0]?.grant.caps[0]?.connections, 4);
});

test('while a process has not followed, nobody is asked for more', () => {
  const [cached] = plans(shrunk({ said: [1, { a: 8 }, { a: 8 }] }));
  assert.equal(cached.readLive, false);
});

test('a grant is taken back only with what the API server says', () => {
  const [cached, live] = plans(shrunk({ said: [2, { a: 4 }, { a: 4 }] }));
  assert.equal(cached.readLive, true);
  assert.deepEqual(grantsOf(cached.holders), { 0: [8, 1] });
  assert.deepEqual(grantsOf(live.holders), { 0: [4, 1] });
  assert.equal(live.readLive, false);
});

test('a running process is given more only with what the API server says', () => {
  const words = { row: row(8, 2), taken: { connections: 8, serial: 2 } };
  const [cached, live] = plans({
    ...words,
    holders: [running(0, { a: 4 })],
    workload: workload(1),
  });
  assert.equal(cached.readLive, true);
  assert.deepEqual(grantsOf(cached.holders), { 0: [4, 1] });
  assert.deepEqual(grantsOf(live.holders), { 0: [8, 2] });
});

test('what the caches are good for is written first', () => {
  // It also has a raise to take.
  const words = { ...shrunk({ said: [2, { a: 4 }, { a: 4 }] }), row: row(6, 2) };
  const [cached] = plans(words);
  assert.equal(cached.changesLedger, true);
  assert.equal(cached.readLive, false);
});

test('a process that was not asked holds up raises, one that is about to end does not', () => {
  const other = { ...holder(1, { pod: 0 }), asked: false };
  const words = { row: row(8, 1), taken, pods: 2 };
  const [, waits] = plans({ ...words, holders: [other] });
  assert.deepEqual(waits.grants, []);
  const ending = { ...holder(1, { pod: 0, terminating: true }), asked: false };
  const [, given] = plans({ ...words, holders: [ending] });
  assert.deepEqual(grantsOf(given.holders), { 0: [4, 1] });
});
