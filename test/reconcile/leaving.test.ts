// Entries that leave and entries that come, from the files as they are: who has a place, and what is told of those
// whose clients are cut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LeavingEntry } from '../../operator/api/connection-pool.ts';
import type { ConnectionPool } from '../../operator/api/resources.ts';
import { configApplied } from '../../operator/core/pool/findings.ts';
import { labelsOf } from '../../operator/core/pool/labels.ts';
import { fileKey } from '../../operator/core/pool/names.ts';
import type { Observation } from '../../operator/engines/engine.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import type { Client } from '../../operator/kube/client.ts';
import type { EventText } from '../../operator/kube/events.ts';
import { leavingOf, tellCut } from '../../operator/reconcile/leaving.ts';
import { World } from '../../operator/reconcile/world.ts';
import { holderConfig } from '../engines/pooler.ts';

const identity = { name: 'shop', namespace: 'shop', uid: 'u1' };
const now = () => new Date().toISOString().replace(/\.[0-9]+Z$/, 'Z');
const text = pgbouncer.renderHolderFile(
  holderConfig(
    { host: 'db', port: 5432 },
    {
      databases: [{ name: 'a' }, { name: 'b' }],
      caps: ['a', 'b'].map((name) => ({ name, connections: 1 })),
    },
  ),
);

/** The spec has a and c, the files a and b. */
function plan(connections: number, leaving: LeavingEntry[], drainSeconds = 60) {
  const spec = {
    databases: [{ name: 'a' }, { name: 'c' }],
    pooler: { drainSeconds },
  } as ConnectionPool['spec'];
  const metadata = { ...identity, resourceVersion: '1', generation: 1 };
  const data = { [fileKey('shop-pooler-0-0', identity.uid, 1)]: text };
  return leavingOf(
    { engine: pgbouncer, now, drains: { clientsOfEntry: () => undefined } },
    {
      pool: { metadata, spec, status: { leaving } },
      objects: {
        name: 'shop',
        uid: identity.uid,
        grants: [],
        pods: [],
        consoles: new Map(),
        configMap: { apiVersion: 'v1', kind: 'ConfigMap', metadata: {}, data },
      },
      axis: 'database',
      entries: ['a', 'c'],
      connections,
      pods: 2,
    },
  );
}

test('with two connections for each pod a new database waits for the one that leaves, and the condition says until when', () => {
  const first = plan(4, []);
  assert.deepEqual(first.entries, ['a', 'b']);
  assert.deepEqual(first.plan.cut, []);
  const { since = '' } = first.plan.record[0] ?? {};
  const until = new Date(Date.parse(since) + 60_000).toISOString().replace('.000Z', 'Z');
  assert.deepEqual(first.waiting, { names: ['database c'], until });
  const { reason, message } = configApplied({
    asked: 2,
    target: 2,
    existing: 2,
    ready: 2,
    confirmed: 2,
    toReplace: 0,
    leaving: first.words,
    waiting: first.waiting,
  });
  assert.equal(reason, 'EntriesWait');
  assert.match(message, /: database c; .*database b \(not counted yet\).*Z at the latest$/);
  assert.ok(message.includes(until));
});

test('with three for each pod both are served, and when its time is over the old one is cut', () => {
  const roomy = plan(6, []);
  assert.deepEqual(roomy.entries, ['a', 'b', 'c']);
  assert.equal(roomy.waiting, undefined);
  const since = new Date(Date.now() - 61_000).toISOString();
  const over = plan(4, [{ kind: 'Database', name: 'b', since }]);
  assert.deepEqual(over.entries, ['a', 'c']);
  assert.equal(over.waiting, undefined);
  assert.deepEqual(
    over.plan.cut.map(({ name }) => name),
    ['b'],
  );
});

test('an event tells of clients that are cut with their entry, and none where nobody is cut', () => {
  const world = new World({ client: {} as Client, namespaces: [], operatorNamespace: 'system' });
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'shop-pooler-0',
      namespace: 'shop',
      uid: 'pod-0',
      resourceVersion: '1',
      labels: { ...labelsOf(identity) },
    },
  };
  world.pods.reflectors[0]?.store.replace([pod], '1');
  const pools = ['b', 'b', 'a'].map((database, index) => ({
    database,
    user: `u${index}`,
    clientsActive: 2,
    clientsWaiting: index,
  }));
  const records = new Map([
    [
      'pod-0',
      {
        podUid: 'pod-0',
        follows: true,
        lingering: [],
        at: 0,
        observation: { pools } as unknown as Observation,
      },
    ],
  ]);
  const tell = (clients: number | undefined) => {
    const told: EventText[] = [];
    tellCut(
      {
        world,
        consoles: { records },
        drains: { clientsOfEntry: () => clients },
        events: { record: (_, event) => told.push(event) },
      },
      { ...pod, kind: 'ConnectionPool', metadata: { ...pod.metadata, name: 'shop' } },
      { cut: [{ kind: 'Database', name: 'b', since: now() }] },
    );
    return told.map(({ type, reason, message }) => `${type} ${reason} ${message}`);
  };
  assert.match(tell(1).join(), /^Warning EntryCut database b went with 1 client left: /);
  assert.match(tell(undefined).join(), /^Warning EntryCut database b went with 5 clients left: /);
  assert.deepEqual(tell(0), []);
});
