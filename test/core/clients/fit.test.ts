// max_client_conn, and what does not fit: each reason with what brings it about and what does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FitInput, longestWait, misfits } from '../../../operator/core/clients/fit.ts';
import {
  clientLimit,
  filesBesides,
  type LimitInput,
  processClients,
} from '../../../operator/core/clients/limit.ts';

const limit: LimitInput = { incomplete: false, besides: 57 };
const limits: Readonly<Record<string, readonly [LimitInput, number, RegExp]>> = {
  'without workloads it is the default': [limit, 1000, /^the default$/],
  "the user's number stands": [{ ...limit, max: 300, connections: 900 }, 300, /^spec.clients.max$/],
  'a quarter more, rounded up to hundreds': [
    { ...limit, connections: 340 },
    500,
    /^340 connections of the workloads, 85 more/,
  ],
  'at least 20 more': [{ ...limit, connections: 80 }, 100, /20 more/],
  'and no number at all is never less than one step': [{ ...limit, connections: 0 }, 100, /^0/],
  'never more than the schema of the API takes': [
    { ...limit, connections: 500_000 },
    100_000,
    /rounded up/,
  ],
  'what was computed before stays while a workload is missing': [
    { ...limit, connections: 10, incomplete: true, before: 700 },
    700,
    /not all workloads are there/,
  ],
  'and grows all the same': [
    { ...limit, connections: 800, incomplete: true, before: 700 },
    1000,
    /^800/,
  ],
  'once all are there it may fall': [{ ...limit, connections: 10, before: 700 }, 100, /^10/],
  'no more than the files that a pod may open': [
    { ...limit, connections: 5000, fileLimit: 1024 },
    967,
    /^spec.clients.fileLimit 1024 less 57/,
  ],
};
for (const [sentence, [input, max, source]] of Object.entries(limits)) {
  test(`max_client_conn: ${sentence}`, () => {
    const answer = clientLimit(input);
    assert.equal(answer.max, max);
    assert.match(answer.source, source);
  });
}

test('a process accepts its part of the clients of its pod, and four deviations of a throw of the dice more', () => {
  const rows = [
    [1000, 1, 1000],
    [1000, 2, 564],
    [1000, 4, 305],
    [1000, 8, 167],
    [100, 2, 70],
    [4, 2, 4],
    [1, 8, 1],
  ];
  for (const [max = 0, processes = 0, expected] of rows)
    assert.equal(processClients(max, processes), expected, `${max} over ${processes}`);
});

test('a known limit of files is that of each process, so that a pod with several accepts more', () => {
  const input = { incomplete: false, connections: 3000, besides: 100, fileLimit: 1024 };
  assert.equal(clientLimit(input).max, 924);
  const { max } = clientLimit({ ...input, processes: 4 });
  assert.ok(max > 3 * 924 && processClients(max, 4) <= 924, `${max}`);
  assert.ok(processClients(max + 1, 4) > 924);
});

test('the files of a pod besides its clients are those of servers, cancels and peers', () => {
  assert.equal(filesBesides(9, 2), 10 + 3 * 9 + 20);
  assert.equal(filesBesides(0, 0), 10);
});

const workload = (pods: number, more: object = {}) => ({
  entry: { kind: 'Deployment', name: 'web', poolSize: 5, ...more } as const,
  name: 'web',
  pods,
  source: '',
});
const fits: FitInput = {
  mode: 'transaction',
  workloads: [workload(20)],
  connections: 100,
  share: 17,
  pods: 2,
  maxClientConn: 200,
  filesBesides: 57,
  queryWaitTimeout: 120,
};

const cases: Readonly<Record<string, readonly [Partial<FitInput>, readonly string[]]>> = {
  'all is well': [{}, []],
  'nothing connects': [{ connections: 0, share: 0, maxClientConn: 1, pods: 0 }, []],
  'more than all pods accept': [{ connections: 401 }, ['MoreThanAccepted']],
  'more than the pods accept when one is lost': [{ connections: 400 }, ['NotWithoutAPod']],
  'one pod has no other to fall back on': [{ pods: 1, connections: 200 }, []],
  'more clients than files': [{ fileLimit: 256 }, ['FileLimitTooSmall']],
  'files that just suffice': [{ fileLimit: 257 }, []],
  'more files than some nodes give': [{ maxClientConn: 968 }, ['FileLimitNotKnown']],
  'as many files as every node gives': [{ maxClientConn: 967 }, []],
  'files that are known to suffice': [{ maxClientConn: 5000, fileLimit: 1048576 }, []],
  'a longer wait than PgBouncer allows': [
    { connections: 20_418, maxClientConn: 25_000, fileLimit: 65_536 },
    ['WaitsTooLong'],
  ],
  'a wait that PgBouncer just allows': [
    { connections: 20_417, maxClientConn: 25_000, fileLimit: 65_536 },
    [],
  ],
  'a wait without an end': [
    { connections: 20_418, maxClientConn: 25_000, fileLimit: 65_536, queryWaitTimeout: 0 },
    [],
  ],
  'a short timeout': [{ queryWaitTimeout: 0.4 }, ['WaitsTooLong']],
  'sessions that do not all get a server': [{ mode: 'session' }, ['SessionsDoNotFit']],
  'sessions that do': [{ mode: 'session', connections: 17 }, []],
  "a pod's own pool below its floor": [
    { workloads: [workload(1, { tasks: 5, connectionsPerTask: 2 })] },
    ['TasksBlockEachOther'],
  ],
  "a pod's own pool at its floor": [
    { workloads: [workload(1, { tasks: 4, connectionsPerTask: 2 })] },
    [],
  ],
  'more tasks of all pods than the pool has connections for': [
    { workloads: [workload(9, { tasks: 2, connectionsPerTask: 2 })] },
    ['TasksBlockEachOther'],
  ],
  'tasks of all pods that the pool just has connections for': [
    { workloads: [workload(8, { tasks: 2, connectionsPerTask: 2 })] },
    [],
  ],
  'the worst comes first': [
    { connections: 30_000, fileLimit: 256 },
    ['MoreThanAccepted', 'FileLimitTooSmall', 'WaitsTooLong'],
  ],
};
for (const [sentence, [change, reasons]] of Object.entries(cases)) {
  test(`what does not fit: ${sentence}`, () => {
    assert.deepEqual(
      misfits({ ...fits, ...change }).map((fault) => fault.reason),
      reasons,
    );
  });
}

test('the wait of the last client is that of a queue that is served one after the other', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(400), (share, connections) => {
      // Every round of one second, `share` transactions end and the next ones begin.
      let waiting = Math.max(0, connections - share);
      let rounds = 0;
      for (; waiting > 0; rounds++) waiting -= share;
      const wait = longestWait(connections, share, 1);
      assert.ok(Math.ceil(wait) === rounds, `${wait} s, ${rounds} rounds`);
    }),
  );
});

test('a limit that is computed accepts all of the workloads on each pod, and no check says otherwise', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 80_000 }),
      fc.integer({ min: 1, max: 10 }),
      (connections, pods) => {
        const besides = filesBesides(10, pods);
        const { max } = clientLimit({ incomplete: false, connections, besides });
        assert.ok(max > connections);
        const reasons = misfits({ ...fits, connections, pods, maxClientConn: max }).map(
          (f) => f.reason,
        );
        assert.ok(
          !reasons.some((r) => ['MoreThanAccepted', 'NotWithoutAPod'].includes(r)),
          `${reasons}`,
        );
      },
    ),
  );
});
