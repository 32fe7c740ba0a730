// Who is in the list of users, where the caps are counted by user.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configMap } from '../../operator/core/pool/objects/config-map.ts';
import type { PoolObjects } from '../../operator/core/pool/read.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import type { RawObject } from '../../operator/postgres/adapter.ts';
import type { Context } from '../../operator/reconcile/context.ts';
import { usersToList } from '../../operator/reconcile/pool-users.ts';
import { view } from '../core/pool/fixture.ts';
import { observation } from '../engines/observation.ts';

const context = { engine: pgbouncer } as Context;
const caps = [
  { name: 'shop', connections: 2 },
  { name: 'back', connections: 2 },
];
const uid = 'pod-uid';
const mark = 'spillway-mark-2-0123456789abcdef';

/** One pod; `shop` is listed, `back` was locked out and is in the file again. */
function pool({
  written = caps,
  reads = true,
  started = true,
}: {
  readonly written?: typeof caps;
  readonly reads?: boolean;
  readonly started?: boolean;
} = {}): PoolObjects {
  const spec = { users: caps.map(({ name }) => ({ name, secretRef: { name: 'app' } })) };
  const files = configMap(
    view({ spec, caps: [written], view: { entries: caps.map(({ name }) => name) } }),
    pgbouncer,
  ) as unknown as RawObject;
  const [text = ''] = Object.values(files.data as Record<string, string>);
  const { identity } = view();
  const seen = observation({
    mark: reads ? pgbouncer.markOf(text) : undefined,
    userMarks: [mark],
    users: caps.map(({ name, connections }) => ({
      name,
      maxConnections: connections,
      currentConnections: 0,
      currentClients: 0,
    })),
  });
  const args = [`/etc/spillway/$(POD_NAME)-0.${identity.uid}.1.ini`];
  const pod = {
    metadata: { name: 'shop-pooler-0', namespace: 'shop', uid },
    spec: { containers: [{ name: 'pgbouncer', args }] },
    status: started
      ? { podIP: '10.0.0.1', containerStatuses: [{ name: 'pgbouncer', state: { running: {} } }] }
      : {},
  };
  return {
    name: identity.name,
    uid: identity.uid,
    grants: [],
    configMap: files,
    pods: [pod as unknown as RawObject],
    consoles: new Map([[uid, { podUid: uid, observation: seen }]]),
    userList: { text: '', mark, users: ['shop'], revoked: ['back'] },
  };
}

const users = caps.map(({ name }) => ({ name, password: 'x' }));
const listed = (objects: PoolObjects | undefined) =>
  objects && usersToList(context, objects, users, 'user').map(({ name }) => name);

test('one who was locked out is let in again once every process has read a file that bounds it', () => {
  assert.deepEqual(listed(pool()), ['shop', 'back']);
  assert.deepEqual(listed(pool({ reads: false })), ['shop'], 'no process has read the file yet');
  const waits = pool({ reads: false, started: false });
  assert.deepEqual(listed(waits), ['shop', 'back'], 'it reads both when it starts');
  const [first] = caps;
  assert.ok(first);
  assert.deepEqual(listed(pool({ written: [first] })), ['shop'], 'no file bounds it yet');
});

test('where databases are counted, all users are listed at once', () => {
  const names = usersToList(context, pool({ reads: false }), users, 'database');
  assert.deepEqual(names, users);
});
