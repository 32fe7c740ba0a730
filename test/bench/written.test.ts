// Which writes an edit called for, from the API server's own record.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Written } from '../control-plane/audit.ts';
import type { PlainObject } from './plain-client.ts';
import { byKind, changedPools, uncalledFor } from './written.ts';

function write(resource: string, name: string, subresource = ''): Written {
  const times = { from: 0, to: 0, version: undefined };
  const verb = subresource === '' ? 'patch' : 'update';
  return { user: 'o', verb, resource, subresource, namespace: 'n', name, status: 200, ...times };
}

function pool(name: string, share: number, more: object = {}): PlainObject {
  const status = { sizing: { share, ...more }, grants: [{ holder: `${name}-0`, connections: 4 }] };
  return { apiVersion: '', kind: 'ConnectionPool', metadata: { name }, status };
}

test('a write belongs to the pool whose name its object has or begins with', () => {
  const writes = [
    write('connectionpools', 'a', 'status'),
    write('configmaps', 'a-pooler'),
    write('configmaps', 'b-pooler'),
    write('connectionpools', 'b', 'status'),
    // Not of the pool "a", but of one whose name only begins like it.
    write('configmaps', 'ab-pooler'),
    write('connectionbudgets', 'statefulset-postgres', 'status'),
  ];
  assert.deepEqual(uncalledFor(writes, ['a', 'b'], new Set(['a'])), writes.slice(2, 4));
});

test('what changed is told by numbers, not by words', () => {
  const before = [pool('a', 4), pool('b', 4), pool('c', 4)];
  const after = [pool('a', 8), pool('b', 4, { explanation: 'by weight' }), pool('d', 4)];
  assert.deepEqual([...changedPools(before, after)].sort(), ['a', 'c', 'd']);
});

test('kinds of writes are counted, the most frequent first', () => {
  const writes = [
    write('connectionpools', 'a', 'status'),
    write('configmaps', 'a-pooler'),
    write('configmaps', 'b-pooler'),
  ];
  assert.equal(byKind(writes), 'patch configmaps 2, update connectionpools/status 1');
});
