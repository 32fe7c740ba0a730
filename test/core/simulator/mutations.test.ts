// The checker checked: each rule of the protocol is taken away once, and a sequence that breaks the ledger must be
// found. `focus` only says what happens mostly in these sequences, so that it is found soon. Rules that need a rare
// moment are in traces.test.ts, each with the story in which it decides.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explore, type Setting } from './explore.ts';
import type { Switches } from './switches.ts';

interface Mutation {
  readonly rule: string;
  readonly switches: Switches;
  readonly focus: readonly string[];
  readonly liveness?: Setting['liveness'];
}

const mutations: readonly Mutation[] = [
  {
    rule: 'the rows are written against the version that was read',
    switches: { ignoreVersions: 'budget' },
    focus: ['firstDoesAll', 'hasty', 'weight', 'budget'],
  },
  {
    rule: 'allotment and grants are written against the version that was read',
    switches: { ignoreVersions: 'pool' },
    focus: ['firstDoesAll', 'hasty', 'weight', 'pods'],
  },
  {
    rule: 'the files are written against the version that was read',
    switches: { ignoreVersions: 'map' },
    focus: ['firstDoesAll', 'secondSeesSome', 'secondPoolStep', 'secondLands', 'weight'],
  },
  {
    rule: 'a write carries the version that it was planned from, not a later one that came into view',
    switches: { lateVersions: true },
    focus: ['firstDoesAll', 'hasty', 'seePool', 'land', 'weight', 'pods'],
  },
  {
    rule: 'a pool takes the serial of its row once',
    switches: { ignoreSerial: true },
    focus: ['firstDoesAll', 'secondIsHasty', 'secondIsHasty', 'weight', 'budget'],
  },
  {
    rule: 'a volume older than the last lowering has no file for a new pod',
    switches: { noEpoch: true },
    focus: ['firstDoesAll', 'replacePod', 'weight', 'pods'],
  },
  {
    rule: 'a file of a pool is not that of its successor',
    switches: { sharedKeys: true },
    focus: ['firstDoesAll', 'firstDoesAll', 'recreate', 'replacePod'],
  },
  {
    rule: 'nothing is given before the process has proven that it holds less',
    switches: { raiseBeforeProof: true },
    focus: ['firstDoesAll', 'weight', 'pods'],
  },
  {
    rule: 'only the mark proves a reload, its answer does not',
    switches: { answerIsProof: true },
    focus: ['firstDoesAll', 'shrinkWhileLooking'],
  },
  {
    rule: 'sessions are counted after the mark was read',
    switches: { countFirst: true },
    focus: ['firstDoesAll', 'firstDoesAll', 'shrinkWhileLooking'],
  },
  {
    rule: 'what caches show of workload and pods proves nothing',
    switches: { cachesAreProof: true },
    focus: ['firstDoesAll', 'replacePod', 'secondIsHasty', 'pods'],
  },
  {
    rule: 'a pool is gone when the API server says so, and not when no cache shows it',
    switches: { unseenIsGone: true },
    focus: ['firstDoesAll', 'hasty', 'create'],
  },
  {
    rule: 'what was planned for an object that is not there is not written over one that is',
    switches: { createOver: true },
    focus: ['firstDoesAll', 'secondIsHasty', 'weight'],
  },
  {
    rule: 'a pod that is about to end holds what it holds until it is gone',
    switches: { endingIsGone: true },
    focus: ['firstDoesAll', 'evict', 'pods', 'weight'],
  },
  {
    rule: 'a process is gone when the pod that was made with it is, and not when the template has it no more',
    switches: { templateSaysAll: true },
    focus: ['firstDoesAll', 'firstDoesAll', 'processes', 'processes', 'loseNode'],
  },
  {
    rule: 'fewer replicas count when the controller has seen them',
    switches: { writtenIsSeen: true },
    focus: ['firstDoesAll', 'replacePod', 'weight', 'pods'],
  },
  {
    rule: 'a raise that was not taken is taken back with its serial',
    switches: { untakenIsReturned: true },
    focus: ['firstDoesAll', 'secondIsHasty', 'secondIsHasty', 'weight', 'budget'],
  },
  {
    rule: 'a file that says less has a mark of its own',
    switches: { oldMark: true },
    focus: ['firstDoesAll', 'weight', 'pods', 'budget'],
    liveness: 'nodesReturn',
  },
  {
    rule: 'what was withheld for long is given in parts',
    switches: { neverInParts: true },
    focus: ['firstDoesAll', 'loseNode', 'weight', 'pods', 'create'],
    liveness: 'nodesStayLost',
  },
  {
    rule: 'a pod without a file that can be given none is replaced',
    switches: { keepStranded: true },
    focus: ['firstDoesAll', 'evict', 'weight', 'pods', 'secondPoolStep', 'secondLands'],
    liveness: 'nodesReturn',
  },
  {
    rule: 'connections close only after RECONNECT',
    switches: { noReconnect: true },
    focus: ['firstDoesAll', 'weight'],
    liveness: 'nodesReturn',
  },
];

/** Ten times what any of them has needed. */
const ENOUGH = 10_000;
const seed = Number(process.env.SPILLWAY_SEED ?? 1);

for (const { rule, switches, focus, liveness } of mutations) {
  test(`it is noticed when this does not hold: ${rule}`, (t) => {
    const setting = { switches, focus, strict: true, liveness };
    const { finding, sequences, steps } = explore({
      seed,
      lengths: [60],
      setting,
      until: (done) => done >= ENOUGH,
    });
    assert.ok(
      finding !== undefined,
      `${sequences} sequences, ${steps} steps, and nothing was found`,
    );
    const expected = liveness === undefined ? /^(PROMISE|ROWS|GRANT)/ : /^UNSETTLED/;
    assert.match(finding.broken, expected);
    t.diagnostic(`${sequences} sequences, ${steps} steps: ${finding.broken}`);
  });
}
