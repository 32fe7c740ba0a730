// The Secret for applications: only where it is asked for, with what the Service Binding specification names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ConnectionPoolSpecInput } from '../../../operator/api/connection-pool.ts';
import {
  bindingFault,
  bindingSecrets,
  emptyBindingSecret,
  isBinding,
} from '../../../operator/core/pool/objects/binding-secret.ts';
import type { UserCredential } from '../../../operator/core/pool/view.ts';
import { view } from './fixture.ts';

type User = NonNullable<ConnectionPoolSpecInput['users']>[number];
const user = (name: string, binding?: User['binding']): User => ({
  name,
  secretRef: { name: `${name}-app` },
  ...(binding === undefined ? {} : { binding }),
});
const known = (...names: string[]): UserCredential[] =>
  names.map((name) => ({ name, password: `pw-${name}` }));

function dataOf(spec: Partial<ConnectionPoolSpecInput>, users: readonly UserCredential[]) {
  return bindingSecrets(view({ spec, view: { users } })).map((manifest) => ({
    name: manifest.metadata.name,
    type: manifest.type,
    ...Object.fromEntries(
      Object.entries(manifest.data as Record<string, string>).map(([key, value]) => [
        `.${key}`,
        Buffer.from(value, 'base64').toString('utf8'),
      ]),
    ),
  }));
}

const orders = [{ name: 'orders' }];

test('there is none without being asked for', () => {
  assert.deepEqual(dataOf({ users: [user('shop')] }, known('shop')), []);
});

test('each user who asks has one, with the one database that the pool lists', () => {
  const users = [
    user('a', { secretName: 'bind-a' }),
    user('b'),
    user('c', { secretName: 'bind-c' }),
  ];
  const [first, second] = dataOf({ users, databases: orders }, known('a', 'b', 'c'));
  assert.deepEqual(first, {
    name: 'bind-a',
    type: 'servicebinding.io/postgresql',
    '.type': 'postgresql',
    '.provider': 'spillway',
    '.host': 'shop.shop.svc.cluster.local',
    '.port': '5432',
    '.username': 'a',
    '.password': 'pw-a',
    '.database': 'orders',
    '.uri': 'postgresql://a:pw-a@shop.shop.svc.cluster.local:5432/orders',
  });
  assert.equal(second?.name, 'bind-c');
});

test('without one database there is neither a database nor a URI, unless the binding names it', () => {
  const any = dataOf({ users: [user('a', { secretName: 'x' })] }, known('a'))[0];
  assert.ok(any !== undefined && !('.database' in any) && !('.uri' in any));
  const databases = [{ name: 'a' }, { name: 'b' }];
  const two = dataOf({ databases, users: [user('a', { secretName: 'x' })] }, known('a'))[0];
  assert.ok(two !== undefined && !('.database' in two));
  const named = [user('a', { secretName: 'x', database: 'b' })];
  assert.match(JSON.stringify(dataOf({ databases, users: named }, known('a'))), /5432\/b"/);
});

test('where clients must use TLS the URI says so, and the port is that of the Service', () => {
  const users = [user('a', { secretName: 'x' })];
  const tls = { client: { mode: 'require', secretRef: { name: 'cert' } } } as const;
  const spec = { users, databases: orders, tls, pooler: { service: { port: 6000 } } };
  assert.match(JSON.stringify(dataOf(spec, known('a'))), /:6000\/orders\?sslmode=require"/);
});

test('a user whose password is not known keeps the Secret that is there', () => {
  assert.deepEqual(dataOf({ users: [user('a', { secretName: 'x' })] }, []), []);
});

test('what Postgres stores of a password is none to log in with', () => {
  for (const password of ['SCRAM-SHA-256$4096:c2FsdA==$a:b', `md5${'0'.repeat(32)}`]) {
    const users = [user('a', { secretName: 'x' })];
    const seen = view({ spec: { users }, view: { users: [{ name: 'a', password }] } });
    assert.deepEqual(bindingSecrets(seen), []);
    assert.equal(bindingFault(seen)?.reason, 'BindingNeedsPassword');
    assert.doesNotMatch(bindingFault(seen)?.message ?? '', /4096|0000/);
    const unasked = view({ spec: { users: [user('a')] }, view: { users: seen.users } });
    assert.equal(bindingFault(unasked), undefined);
  }
  assert.equal(
    bindingFault(view({ spec: { users: [user('shop', { secretName: 'x' })] } })),
    undefined,
  );
});

test('a URI gives back the very user, password and database, whatever they are', () => {
  const text = fc.string({ minLength: 1, unit: 'grapheme' }).filter((one) => one.isWellFormed());
  // As a path of its own "." means a folder to whoever reads a URL as one of the web, and a database to libpq.
  const path = text.filter((one) => one !== '.' && one !== '..');
  fc.assert(
    fc.property(text, text, path, (name, password, database) => {
      const seen = view();
      const spec = {
        ...seen.spec,
        users: [
          { name, secretRef: { name: 's', key: 'k' }, binding: { secretName: 'x', database } },
        ],
      };
      const [manifest] = bindingSecrets({ ...seen, spec, users: [{ name, password }] });
      if (/^SCRAM|^md5/.test(password)) return;
      const data = manifest?.data as Record<string, string>;
      const uri = new URL(Buffer.from(data.uri ?? '', 'base64').toString('utf8'));
      assert.deepEqual(
        [uri.username, uri.password, uri.pathname.slice(1)].map(decodeURIComponent),
        [name, password, database],
      );
    }),
  );
});

test('a Secret that was emptied is no binding any more', () => {
  const [manifest] = bindingSecrets(view({ spec: { users: [user('shop', { secretName: 'x' })] } }));
  assert.equal(isBinding(manifest?.data as Record<string, string>), true);
  const empty = emptyBindingSecret(view().identity, 'x');
  assert.equal(isBinding(empty.data as Record<string, string>), false);
  assert.deepEqual(empty.metadata, manifest?.metadata);
  assert.equal(isBinding({}), false);
});
