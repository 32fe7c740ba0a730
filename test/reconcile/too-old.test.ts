// From what a console says of its version to the ledger and to the words for people.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { charge, isConfirmed } from '../../operator/core/ledger/state.ts';
import { holderConfig } from '../../operator/core/pool/holder-config.ts';
import { fileKey } from '../../operator/core/pool/names.ts';
import { type PoolObjects, readHolders } from '../../operator/core/pool/read.ts';
import type { Observation } from '../../operator/engines/engine.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import type { RawObject } from '../../operator/postgres/adapter.ts';
import { tooOldPods } from '../../operator/reconcile/pool-progress.ts';
import { view } from '../core/pool/fixture.ts';
import { observation } from '../engines/observation.ts';

const pool = view();
const [holder] = pool.holders;
assert.ok(holder);
const text = pgbouncer.renderHolderFile(holderConfig(pool, holder));
const key = fileKey(holder.name, pool.identity.uid, 1);
const pod: RawObject = {
  metadata: { name: holder.pod, namespace: 'shop', uid: 'pod-0' },
  spec: { containers: [{ args: [`/etc/spillway/config/${key}`] }] },
};

/** All that a process says which runs with its file. */
const follows: Partial<Observation> = {
  mark: pgbouncer.markOf(text),
  users: [{ name: 'shop', maxConnections: 4, currentConnections: 4, currentClients: 9 }],
  sessions: { total: 4, cancelling: 0, byDatabase: { shop: 4 }, byUser: { shop: 4 } },
};

function recordOf(version: string) {
  const seen = observation({ ...follows, version });
  return new Map([
    ['pod-0', { podUid: 'pod-0', observation: seen, follows: true, lingering: [], at: 0 }],
  ]);
}

function stateOf(version: string) {
  const objects: PoolObjects = {
    name: pool.identity.name,
    uid: pool.identity.uid,
    grants: [{ holder: holder?.name ?? '', connections: 4, generation: 1 }],
    configMap: { data: { [key]: text } },
    pods: [pod],
    consoles: recordOf(version),
  };
  const [state] = readHolders(objects, 'user', pgbouncer);
  assert.ok(state);
  return state;
}

function wordsOf(version: string, pods: readonly RawObject[]) {
  return tooOldPods({ consoles: { records: recordOf(version) }, engine: pgbouncer }, pods);
}

test('a process that is too old counts for as much as any, and confirms nothing', () => {
  for (const version of ['1.25.2', '1.26.1', 'unknown']) {
    assert.equal(isConfirmed(stateOf(version)), true, version);
    assert.equal(charge(stateOf(version)), 4, version);
  }
  assert.equal(isConfirmed(stateOf('1.25.1')), false);
  assert.equal(charge(stateOf('1.25.1')), 4);
});

test('its pod is named with its version, unless it is about to go', () => {
  assert.deepEqual(wordsOf('1.25.1', [pod]), [
    { name: 'shop-pooler-0', version: '1.25.1', oldest: '1.25.2' },
  ]);
  assert.deepEqual(wordsOf('1.25.2', [pod]), []);
  const metadata = { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
  assert.deepEqual(wordsOf('1.25.1', [{ ...pod, metadata }]), []);
  assert.deepEqual(wordsOf('1.25.1', [{ metadata: { name: 'shop-pooler-1', uid: 'pod-1' } }]), []);
});
