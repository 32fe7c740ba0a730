// The sentence that explains a size, word by word: people read it, and alert on nothing in it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ExplanationInput, explain } from '../../../operator/core/pool/explanation.ts';

const base: ExplanationInput = {
  milliCores: 8000,
  coresAssumed: false,
  milliCoresFactor: 2000,
  spindles: 1,
  optimum: 17,
  maxConnections: 100,
  reservedConnections: 3,
  setAside: 0,
  slack: 10,
  guard: 87,
  ceiling: 17,
  session: false,
  weight: 1,
  alike: [1],
  unlike: [],
  share: 8,
  podsAsked: 2,
  perPod: [4, 4],
  processesAsked: 1,
  processes: 1,
  axis: 'user',
  entries: 1,
};

const cases: readonly (readonly [string, Partial<ExplanationInput>, string])[] = [
  [
    'two pools that share a server',
    {},
    '8 cores × 2 + 1 = 17; 2 pools share it 1:1, 8 here; 2 pooler pods, 4 each',
  ],
  [
    'the only pool, with a connection left over',
    { alike: [], milliCores: 4000, optimum: 9, share: 9, perPod: [5, 4] },
    '4 cores × 2 + 1 = 9; 1 pool has it, 9 here; 2 pooler pods, 5 and 4',
  ],
  [
    'the max of a namespace',
    { namespaceMax: 4, share: 4, perPod: [2, 2] },
    '8 cores × 2 + 1 = 17; 2 pools share it 1:1, 4 here, as pools of its namespace may have 4 together; 2 pooler pods, 2 each',
  ],
  [
    'one pod',
    { alike: [], share: 17, podsAsked: 1, perPod: [17] },
    '8 cores × 2 + 1 = 17; 1 pool has it, 17 here; 1 pooler pod, 17',
  ],
  [
    'a Deployment',
    { alike: [], share: 17, perPod: [3, 3], podsAtOnce: 5 },
    '8 cores × 2 + 1 = 17; 1 pool has it, 17 here; 2 pooler pods of a Deployment, at most 5 at once, 3 each',
  ],
  [
    'a Deployment with several databases',
    { alike: [], share: 17, perPod: [3, 3], podsAtOnce: 5, entries: 2, axis: 'database' },
    '8 cores × 2 + 1 = 17; 1 pool has it, 17 here; 2 pooler pods of a Deployment, at most 5 at once, 3 each, divided over 2 databases',
  ],
  [
    'a Deployment with fewer pods than it asks for',
    { share: 4, perPod: [1], podsAtOnce: 3 },
    '8 cores × 2 + 1 = 17; 2 pools share it 1:1, 4 here; 1 pooler pod of a Deployment of the 2 asked for, since each of 5 would need 1 connection, at most 3 at once, 1 each',
  ],
  [
    'a Deployment without enough for one pod',
    { share: 0, perPod: [], podsAtOnce: 0, entries: 2 },
    '8 cores × 2 + 1 = 17; 2 pools share it 1:1, 0 here; no pooler pod can run: of a Deployment with 1 replica there can be 3 at once, and each needs one for each of its 2 users, which takes 6 connections',
  ],
  [
    'weights',
    { weight: 2, alike: [1, 1], perPod: [5, 4], share: 9 },
    '8 cores × 2 + 1 = 17; 3 pools share it 2:1:1, 9 here; 2 pooler pods, 5 and 4',
  ],
  [
    'many pools of one weight',
    { alike: Array.from({ length: 9 }, () => 1), share: 2, perPod: [1, 1] },
    '8 cores × 2 + 1 = 17; more than 4 pools share it by weight, 2 here for weight 1; 2 pooler pods, 1 each',
  ],
  [
    'a pool beside many in session mode',
    { alike: [], unlike: Array.from({ length: 9 }, () => 1), share: 17, perPod: [9, 8] },
    '8 cores × 2 + 1 = 17; 1 pool has it beside more than 4 pools in session mode, 17 here; 2 pooler pods, 9 and 8',
  ],
  [
    'many pools of many weights',
    { weight: 3, alike: [1, 1, 2, 2], share: 6, perPod: [3, 3] },
    '8 cores × 2 + 1 = 17; more than 4 pools share it by weight, 6 here for weight 3; 2 pooler pods, 3 each',
  ],
  [
    'fractions of a core',
    { milliCores: 2700, optimum: 6, alike: [], share: 6, perPod: [3, 3] },
    '2.7 cores × 2 + 1 = 6.4, rounded down to 6; 1 pool has it, 6 here; 2 pooler pods, 3 each',
  ],
  [
    'a server smaller than a connection',
    { milliCores: 100, spindles: 0, optimum: 1, alike: [], share: 1, podsAsked: 1, perPod: [1] },
    '0.1 cores × 2 + 0 = 0.2, at least 1; 1 pool has it, 1 here; 1 pooler pod, 1',
  ],
  [
    'cores that nobody knows',
    { milliCores: 1000, coresAssumed: true, optimum: 3, alike: [], share: 3, perPod: [2, 1] },
    'the cores are not known, so the fewest are assumed: 1 core × 2 + 1 = 3; 1 pool has it, 3 here; 2 pooler pods, 2 and 1',
  ],
  [
    'the guard',
    { maxConnections: 20, slack: 5, setAside: 2, guard: 10, ceiling: 10, share: 5, perPod: [3, 2] },
    '8 cores × 2 + 1 = 17, but max_connections 20 − 3 reserved − 2 set aside − 5 slack leaves 10; 2 pools share it 1:1, 5 here; 2 pooler pods, 3 and 2',
  ],
  [
    "the owner's total",
    { total: 40, ceiling: 40, alike: [], share: 40, perPod: [20, 20] },
    'the owner sets 40 (8 cores × 2 + 1 would be 17); 1 pool has it, 40 here; 2 pooler pods, 20 each',
  ],
  [
    "an owner's total above the guard",
    { total: 400, ceiling: 87, alike: [], share: 87, perPod: [44, 43] },
    'the owner sets 400 (8 cores × 2 + 1 would be 17), but max_connections 100 − 3 reserved − 10 slack leaves 87; 1 pool has it, 87 here; 2 pooler pods, 44 and 43',
  ],
  [
    "an owner's share",
    { sharePercent: 40, ceiling: 40, alike: [], share: 40, perPod: [20, 20] },
    'the owner sets 40 % of max_connections 100 = 40 (8 cores × 2 + 1 would be 17); 1 pool has it, 40 here; 2 pooler pods, 20 each',
  ],
  [
    "an owner's share above the guard",
    { sharePercent: 100, ceiling: 87, alike: [], share: 87, perPod: [44, 43] },
    'the owner sets 100 % of max_connections 100 = 100 (8 cores × 2 + 1 would be 17), but max_connections 100 − 3 reserved − 10 slack leaves 87; 1 pool has it, 87 here; 2 pooler pods, 44 and 43',
  ],
  [
    'session mode',
    { session: true, ceiling: 87, alike: [], share: 87, perPod: [44, 43] },
    'session mode holds a connection for each client, so the limit counts: max_connections 100 − 3 reserved − 10 slack = 87 (8 cores × 2 + 1 = 17 would work best); 1 pool has it, 87 here; 2 pooler pods, 44 and 43',
  ],
  [
    'a pool beside one in session mode',
    { alike: [], unlike: [1], share: 17, perPod: [9, 8] },
    '8 cores × 2 + 1 = 17; 1 pool has it beside 1 pool in session mode, 17 here; 2 pooler pods, 9 and 8',
  ],
  [
    'its max',
    { max: 6, share: 6, perPod: [3, 3] },
    '8 cores × 2 + 1 = 17; 2 pools share it 1:1, 6 here, its max; 2 pooler pods, 3 each',
  ],
  [
    'its min',
    { min: 12, share: 12, perPod: [6, 6] },
    '8 cores × 2 + 1 = 17; 2 pools share it 1:1, 12 here, its min; 2 pooler pods, 6 each',
  ],
  [
    'fewer pods than asked for',
    { alike: [], milliCores: 1000, optimum: 3, share: 3, podsAsked: 8, perPod: [1, 1, 1] },
    '1 core × 2 + 1 = 3; 1 pool has it, 3 here; 3 pooler pods of the 8 asked for, since each needs a connection, 1 each',
  ],
  [
    'several databases in each pod',
    { axis: 'database', entries: 3, share: 8, perPod: [4, 4] },
    '8 cores × 2 + 1 = 17; 2 pools share it 1:1, 8 here; 2 pooler pods, 4 each, divided over 3 databases',
  ],
  [
    'no pod at all',
    { axis: 'database', entries: 20, share: 0, perPod: [] },
    '8 cores × 2 + 1 = 17; 2 pools share it 1:1, 0 here; no pooler pod can run: one needs 20 connections, one for each of its 20 databases',
  ],
  [
    'no pods asked for',
    { podsAsked: 0, share: 0, perPod: [] },
    '8 cores × 2 + 1 = 17; no pods are asked for, so nothing is given to it; no pooler pods',
  ],
  [
    'many pods that do not come out even',
    { alike: [], share: 17, podsAsked: 5, perPod: [4, 4, 3, 3, 3] },
    '8 cores × 2 + 1 = 17; 1 pool has it, 17 here; 5 pooler pods, 2 with 4 and 3 with 3',
  ],
  [
    'several processes in each pod',
    { processesAsked: 2, processes: 2 },
    '8 cores × 2 + 1 = 17; 2 pools share it 1:1, 8 here; 2 pooler pods × 2 processes, 2 each',
  ],
  [
    'processes that do not come out even',
    { alike: [], share: 17, processesAsked: 2, processes: 2, perPod: [9, 8] },
    '8 cores × 2 + 1 = 17; 1 pool has it, 17 here; 2 pooler pods × 2 processes, 1 with 5 and 3 with 4',
  ],
  [
    'fewer pods, since each needs a connection for each of its processes',
    { share: 5, podsAsked: 3, processesAsked: 2, processes: 2, perPod: [3, 2] },
    '8 cores × 2 + 1 = 17; 2 pools share it 1:1, 5 here; 2 pooler pods × 2 processes of the 3 asked for, since each needs 2 connections, 1 with 2 and 3 with 1',
  ],
  [
    'fewer processes, where not even one pod could have all',
    { share: 3, podsAsked: 1, processesAsked: 4, processes: 3, perPod: [3] },
    '8 cores × 2 + 1 = 17; 2 pools share it 1:1, 3 here; 1 pooler pod × 3 processes (of the 4 asked for, since each needs a connection), 1 each',
  ],
  [
    'read replicas',
    { readReplicas: 2, alike: [], share: 17, perPod: [9, 8] },
    '8 cores × 2 + 1 = 17, for one of the 2 replicas, as all connections can land on it; 1 pool has it, 17 here; 2 pooler pods, 9 and 8',
  ],
];

for (const [what, change, sentence] of cases) {
  test(`the sentence for ${what}`, () => {
    assert.equal(explain({ ...base, ...change }), sentence);
  });
}
