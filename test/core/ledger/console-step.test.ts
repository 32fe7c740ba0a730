// What a running process is asked to do next.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConsoleStep,
  nextConsoleStep,
  type ProcessState,
} from '../../../operator/core/ledger/console-step.ts';

const caps = [
  { name: 'a', connections: 2 },
  { name: 'b', connections: 3 },
];
const sessions = (a: number, b: number) => [
  { name: 'a', connections: a, closing: 0 },
  { name: 'b', connections: b, closing: 0 },
];
/** Of which so many of b end as soon as they are released. */
const closing = (a: number, b: number, ofB: number) =>
  sessions(a, b).map((one) => ({ ...one, closing: one.name === 'b' ? ofB : 0 }));
type Running = Partial<ProcessState['running']>;

const steps: Readonly<Record<string, readonly [Running, ConsoleStep, ProcessState['axis']?]>> = {
  'it runs with its file and holds no more': [{}, { kind: 'done' }],
  'it runs with an older file': [{ revision: 'spillway-6-aa' }, { kind: 'reload' }],
  'it runs with a file of a higher generation, which is not its own': [
    { revision: 'spillway-9-aa' },
    { kind: 'reload' },
  ],
  'it runs with another file of the same generation': [
    { revision: 'spillway-7-bb' },
    { kind: 'reload' },
  ],
  'it shows no mark of ours': [{ revision: undefined }, { kind: 'reload' }],
  'it has not read its list of users': [{ userMarks: ['older'] }, { kind: 'reload' }],
  'it holds more than one of its caps': [
    { sessions: sessions(2, 4) },
    { kind: 'reconnect', databases: ['b'] },
  ],
  'it holds something of an entry that left its file': [
    { sessions: [...sessions(1, 1), { name: 'gone', connections: 1, closing: 0 }] },
    { kind: 'reconnect', databases: ['gone'] },
  ],
  'what it holds too much of ends by itself: to be told again would only meet logins': [
    { sessions: closing(2, 5, 5) },
    { kind: 'wait' },
  ],
  'one of an earlier shrink still closes, and this one has not been told': [
    { sessions: closing(2, 5, 1) },
    { kind: 'reconnect', databases: ['b'] },
  ],
  'one entry was told, another was not': [
    { sessions: closing(3, 5, 5) },
    { kind: 'reconnect', databases: ['a'] },
  ],
  'users are the axis, and all that is too much ends by itself': [
    { sessions: closing(1, 4, 4) },
    { kind: 'wait' },
    'user',
  ],
  'users are the axis, and PgBouncer reconnects databases': [
    { sessions: sessions(3, 1) },
    { kind: 'reconnect', databases: 'all' },
    'user',
  ],
  'it holds more, but has not read its file yet': [
    { revision: 'spillway-6-aa', sessions: sessions(9, 9) },
    { kind: 'reload' },
  ],
};

for (const [sentence, [running, step, axis = 'database']] of Object.entries(steps)) {
  test(sentence, () => {
    const state: ProcessState = {
      axis,
      file: { revision: 'spillway-7-aa', caps },
      userMark: 'mark',
      running: {
        revision: 'spillway-7-aa',
        userMarks: ['older', 'mark'],
        sessions: sessions(2, 3),
        ...running,
      },
    };
    assert.deepEqual(nextConsoleStep(state), step);
  });
}
