// From a pool's objects to what the ledger decides from.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeGrant } from '../../../operator/core/ledger/grant.ts';
import { EPOCH_ANNOTATION } from '../../../operator/core/pool/labels.ts';
import { configMap } from '../../../operator/core/pool/objects/config-map.ts';
import {
  newestEpoch,
  processAddress,
  readFileEpoch,
  readHolders,
  readWorkload,
} from '../../../operator/core/pool/read.ts';
import type { PoolView } from '../../../operator/core/pool/view.ts';
import { pgbouncer } from '../../../operator/engines/pgbouncer/index.ts';
import type { RawObject } from '../../../operator/postgres/adapter.ts';
import { view } from './fixture.ts';

const { uid } = view().identity;
const written = (more: Partial<PoolView>) =>
  configMap(view({ view: more }), pgbouncer) as unknown as RawObject;
const objects = (map: RawObject | undefined) => ({
  name: 'shop',
  uid,
  grants: [],
  pods: [],
  consoles: new Map(),
  configMap: map,
});
const filesOf = (map: RawObject) =>
  Object.fromEntries(
    readHolders(objects(map), 'user', pgbouncer).map(({ name, file }) => [name, file]),
  );

test('the epoch of the files is kept when the last of them has gone', () => {
  assert.equal(readFileEpoch(objects(written({ epoch: 7 }))), 7);
  assert.equal(readFileEpoch(objects(written({ epoch: 7, holders: [] }))), 7);
  assert.equal(readFileEpoch(objects(undefined)), 0);
});

test('of the recorded epoch and those of the keys the newest counts', () => {
  assert.equal(newestEpoch(3, [2, 5]), 5);
  assert.equal(newestEpoch(5, [2, 3]), 5);
  assert.equal(newestEpoch(undefined, [2]), 2);
  assert.equal(newestEpoch(undefined, []), 0);
});

test('a record that somebody has changed or taken away is not believed; the keys are', () => {
  const map = written({ epoch: 7 });
  for (const text of ['x', '-1', '07', '7.5', '']) {
    const metadata = { ...map.metadata, annotations: { [EPOCH_ANNOTATION]: text } };
    assert.equal(readFileEpoch(objects({ ...map, metadata })), 7, text);
  }
  assert.equal(readFileEpoch(objects({ ...map, metadata: {} })), 7);
});

test('a file of another pool that had the name before is not a file of this one', () => {
  const map = written({ identity: { ...view().identity, uid: 'another' }, epoch: 7 });
  assert.deepEqual(filesOf(map), {});
});

test('a holder runs with its file when it shows the mark that all of its texts have', () => {
  const map = written({ epoch: 7 });
  const [name = '', text = ''] = Object.entries(map.data as Record<string, string>)[0] ?? [];
  const mark = pgbouncer.markOf(text)?.text;
  assert.ok(mark);
  const first = filesOf(map)['shop-pooler-0-0'];
  assert.equal(first !== 'unreadable' && first?.revision, mark);
  // The same caps under an older epoch in another text: no process can have read both.
  const other = written({
    epoch: 7,
    holders: view().holders.map((h) => ({ ...h, grant: makeGrant(h.grant.caps, 2) })),
  });
  const older = name.replace('.7.ini', '.3.ini');
  const data = { ...(map.data as object), [older]: (other.data as Record<string, string>)[name] };
  const mixed = filesOf({ ...map, data })['shop-pooler-0-0'];
  assert.deepEqual(mixed !== 'unreadable' && [mixed?.generation, mixed?.revision], [1, undefined]);
});

const containersOf = (count: number) =>
  Array.from({ length: count }, (_, process) => ({
    name: process === 0 ? 'pgbouncer' : `pgbouncer-${process}`,
    args: [`/etc/spillway/config/$(POD_NAME)-${process}.${uid}.3.ini`],
  })).concat([{ name: 'mesh', args: ['proxy', '--config', '/etc/mesh/a-7.ini'] }]);
const podWith = (count: number, running: readonly string[] = []): RawObject => ({
  metadata: { name: 'shop-pooler-0', uid: 'u0' },
  spec: { containers: containersOf(count) },
  status: {
    podIP: '10.0.0.9',
    containerStatuses: containersOf(count).map(({ name }) => ({
      name,
      state: running.includes(name) ? { running: {} } : { waiting: {} },
    })),
  },
});

test('a pod is the pod of the processes that it was made with, and of no other', () => {
  const pods = [podWith(2)];
  const grants = [0, 1, 2].map((process) => ({
    holder: `shop-pooler-0-${process}`,
    connections: 2,
    generation: 1,
  }));
  const holders = readHolders({ ...objects(undefined), grants, pods }, 'user', pgbouncer);
  assert.deepEqual(
    holders.map(({ process, pod }) => [process, pod?.processes]),
    [
      [0, 2],
      [1, 2],
      [2, undefined],
    ],
  );
});

test('a template has as many processes as containers that read a file of their own', () => {
  const set = (count: number) => ({
    spec: { template: { spec: { containers: containersOf(count) } } },
  });
  for (const count of [1, 2, 3]) assert.equal(readWorkload(set(count))?.processes, count);
});

test('a process is asked when its own container runs', () => {
  const pod = podWith(2, ['pgbouncer', 'mesh']);
  assert.equal(processAddress(pod, 0), '10.0.0.9');
  assert.equal(processAddress(pod, 1), undefined);
  const [first, second] = readHolders({ ...objects(undefined), pods: [pod] }, 'user', pgbouncer);
  assert.deepEqual([first?.asked, second?.asked], [false, true]);
});
