// Who may log in to a pool whose spec lists nobody, and who may know their passwords.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConnectionPoolSpec,
  connectionPoolSpec,
} from '../../../operator/api/connection-pool.ts';
import { accessOf, sharedFault } from '../../../operator/core/pool/access.ts';
import type { ApplicationUser, ServerFacts } from '../../../operator/postgres/adapter.ts';
import { view } from './fixture.ts';

function specOf(users?: unknown): ConnectionPoolSpec {
  return connectionPoolSpec.parse({
    postgres: { clusterRef: { apiGroup: 'postgresql.cnpg.io', kind: 'Cluster', name: 'db' } },
    ...(users === undefined ? {} : { users }),
  });
}

function factsWith(...users: readonly ApplicationUser[]): ServerFacts {
  return { ...view().server, users };
}

const owner = (name: string, namespace = 'data'): ApplicationUser => ({
  name,
  namespace,
  secret: `db-${name}`,
  key: 'password',
});

test('without a list the users are those of the cluster, by name', () => {
  const access = accessOf(specOf(), 'data', factsWith(owner('web'), owner('app')));
  assert.deepEqual(access.spec.users, [
    { name: 'app', secretRef: { name: 'db-app', key: 'password' } },
    { name: 'web', secretRef: { name: 'db-web', key: 'password' } },
  ]);
  assert.equal(access.found, true);
  assert.equal(access.fault, undefined);
  assert.deepEqual(
    access.users.map(({ name, namespace, secret, key }) => [name, namespace, secret, key]),
    [
      ['app', 'data', 'db-app', 'password'],
      ['web', 'data', 'db-web', 'password'],
    ],
  );
});

test('a list in the spec wins, whatever the cluster says', () => {
  const spec = specOf([{ name: 'mine', secretRef: { name: 'my-secret' } }]);
  const access = accessOf(spec, 'shop', factsWith(owner('app')));
  assert.equal(access.spec, spec);
  assert.deepEqual(
    access.users.map(({ name, namespace, secret }) => [name, namespace, secret]),
    [['mine', 'shop', 'my-secret']],
  );
  assert.equal(sharedFault(access, 'shop', undefined, 'data/cluster-db'), undefined);
});

test('while the Postgres is not found nobody knows the users, and that is no fault', () => {
  const access = accessOf(specOf(), 'data', undefined);
  assert.equal(access.spec.users, undefined);
  assert.equal(access.fault, undefined);
});

test('a cluster that names no user, or too many, is a fault that says what to do', () => {
  const many = Array.from({ length: 65 }, (_, i) => owner(`user${i}`));
  const reason = (...users: readonly ApplicationUser[]) => {
    const { fault, spec } = accessOf(specOf(), 'data', factsWith(...users));
    assert.equal(spec.users, undefined);
    assert.match(fault?.message ?? '', /list them in spec\.users/);
    return fault?.reason;
  };
  assert.equal(reason(), 'UsersUnknown');
  assert.equal(reason(...many), 'TooManyUsers');
  assert.equal(accessOf(specOf(), 'data', factsWith(...many.slice(1))).users.length, 64);
});

test('a user that could not be listed in a spec is not taken from a cluster either', () => {
  const odd = ['"quoted"', 'two\nlines', 'spillway-admin', '*', 'pgbouncer', ''].map((name) => ({
    ...owner('app'),
    name,
  }));
  const access = accessOf(specOf(), 'data', factsWith(...odd, owner('app')));
  assert.deepEqual(
    access.users.map(({ name }) => name),
    ['app'],
  );
});

test('passwords are for the namespace of the cluster, and for those that its owner lists by name', () => {
  const reason = (pool: string, namespaces?: string[]) => {
    const access = accessOf(specOf(), pool, factsWith(owner('app')));
    const named = namespaces?.map((name) => ({ name }));
    const budget = named === undefined ? undefined : { namespaces: named };
    return sharedFault(access, pool, budget, 'data/cluster-db')?.reason;
  };
  assert.equal(reason('data'), undefined);
  assert.equal(reason('data', []), undefined);
  assert.equal(reason('shop'), 'UsersNotShared');
  assert.equal(reason('shop', ['*']), 'UsersNotShared');
  assert.equal(reason('shop', ['other']), 'UsersNotShared');
  assert.equal(reason('shop', ['other', 'shop']), undefined);
});
