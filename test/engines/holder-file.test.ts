import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EngineError, type HolderConfig } from '../../operator/engines/engine.ts';
import { capsAreExact } from '../../operator/engines/pgbouncer/exactness.ts';
import { renderHolderFile } from '../../operator/engines/pgbouncer/holder-file.ts';
import { parseIni } from '../../operator/engines/pgbouncer/ini.ts';
import { markOf, readContent, readHolderFile } from '../../operator/engines/pgbouncer/read-file.ts';
import { anyConfig } from './generate.ts';

const base: HolderConfig = {
  generation: 7,
  listenPort: 6432,
  mode: 'transaction',
  target: { host: 'db.shop.svc', port: 5432 },
  databases: [{ name: 'shop' }, { name: 'audit', dbname: "it's", mode: 'session' }],
  users: [{ name: 'web' }, { name: 'batch', mode: 'session' }],
  axis: 'database',
  caps: [
    { name: 'shop', connections: 5 },
    { name: 'audit', connections: 1 },
  ],
  maxClientConnections: 1000,
  peerId: 1,
  peers: [
    { id: 2, host: 'shop-1.pods', port: 6432 },
    { id: 1, host: 'shop-0.pods', port: 6432 },
  ],
  admin: { adminUser: 'spillway-admin', statsUser: 'spillway-stats' },
  authFile: '/etc/spillway/users.txt',
  serverTls: { mode: 'verify-full', caFile: '/etc/tls/ca.crt' },
  parameters: { query_wait_timeout: '30' },
};

test('a file has its sections in the order that survives a fault, and the mark last', () => {
  const text = renderHolderFile(base);
  assert.equal(
    text.slice(0, text.indexOf('job_name')),
    `; Written by Spillway, which writes it again: change the ConnectionPool instead.
[databases]
'audit' = host=db.shop.svc port=5432 dbname='it''s' pool_size=1 max_db_connections=1 pool_mode=session
'shop' = host=db.shop.svc port=5432 dbname=shop pool_size=4 max_db_connections=5

[users]
'batch' = pool_mode=session
'web' =

[peers]
1 = host=shop-0.pods port=6432 pool_size=20
2 = host=shop-1.pods port=6432 pool_size=20

[pgbouncer]
admin_users = spillway-admin
stats_users = spillway-stats
auth_type = scram-sha-256
auth_file = /etc/spillway/users.txt
default_pool_size = 1
max_db_connections = 1
reserve_pool_size = 0
`,
  );
  assert.match(text, /\nquery_wait_timeout = 30\n(.+\n)*syslog_ident = spillway-7-[0-9a-f]{16}\n$/);
});

test('with every database the users carry the caps, and "*" has no size', () => {
  const text = renderHolderFile({
    ...base,
    databases: 'any',
    axis: 'user',
    caps: [{ name: 'web', connections: 4 }],
  });
  assert.match(text, /\n\* = host=db\.shop\.svc port=5432\n/);
  assert.match(text, /\n'web' = pool_size=4 max_user_connections=4\n/);
  assert.match(text, /\nmax_user_connections = 1\n/);
  // A user without a cap gets no line, and a file without caps opens no database at all.
  assert.doesNotMatch(text, /batch/);
  const none = renderHolderFile({ ...base, databases: 'any', axis: 'user', caps: [] });
  assert.doesNotMatch(none, /\n\* =/);
});

test('a pool may take what the sharers of its cap leave, at least one and at most all', () => {
  const sizes = (parts: Partial<HolderConfig>) =>
    [...renderHolderFile({ ...base, ...parts }).matchAll(/\bpool_size=(\d+) max/g)].map((m) =>
      Number(m[1]),
    );
  const caps = [{ name: 'shop', connections: 9 }];
  const users = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name }));
  assert.deepEqual(sizes({ caps, users: [] }), [9]);
  assert.deepEqual(sizes({ caps, users: users.slice(0, 1) }), [9]);
  assert.deepEqual(sizes({ caps, users: users.slice(0, 2) }), [8]);
  assert.deepEqual(sizes({ caps, users }), [7]);
  assert.deepEqual(sizes({ caps, users, sharers: 1 }), [9]);
  assert.deepEqual(sizes({ caps, users, sharers: 5 }), [5]);
  assert.deepEqual(sizes({ caps, users, sharers: 50 }), [1]);
  const any = {
    databases: 'any',
    axis: 'user',
    users,
    caps: [{ name: 'a', connections: 9 }],
  } as const;
  assert.deepEqual(sizes(any), [9]);
  assert.deepEqual(sizes({ ...any, sharers: 3 }), [7]);
});

test('a user may override a default of ours, once', () => {
  const text = renderHolderFile({ ...base, parameters: { server_login_retry: '5' } });
  assert.deepEqual(text.match(/server_login_retry.*/g), ['server_login_retry = 5']);
});

test('the same configuration gives the same bytes, whatever the order of its lists', () => {
  fc.assert(
    fc.property(anyConfig, (config) => {
      const other: HolderConfig = {
        ...config,
        databases: config.databases === 'any' ? 'any' : [...config.databases].reverse(),
        users: [...config.users].reverse(),
        caps: [...config.caps].reverse(),
        peers: [...config.peers].reverse(),
        parameters: Object.fromEntries(Object.entries(config.parameters).reverse()),
      };
      assert.equal(renderHolderFile(other), renderHolderFile(config));
    }),
  );
});

test('a file says what was meant, and nothing else: names, caps, sum, mark', () => {
  fc.assert(
    fc.property(anyConfig, (config) => {
      const text = renderHolderFile(config);
      const file = readHolderFile(text);
      assert.ok(!('error' in file), JSON.stringify(file));
      const sum = config.caps.reduce((total, { connections }) => total + connections, 0);
      assert.equal(file.connections, sum);
      assert.equal(file.axis, config.axis);
      assert.equal(file.mark.generation, config.generation);
      assert.ok(file.intact);
      const sorted = [...config.caps].sort((a, b) => (a.name < b.name ? -1 : 1));
      assert.deepEqual(file.caps, sorted);
      const { lines } = parseIni(text);
      assert.deepEqual(
        lines.filter(({ key }) => key === undefined).map(({ section }) => section),
        ['databases', 'users', 'peers', 'pgbouncer'],
      );
      assert.equal(lines.at(-1)?.key, 'syslog_ident');
    }),
  );
});

test('no size is ever 0, which would be unlimited', () => {
  fc.assert(
    fc.property(anyConfig, (config) => {
      const content = readContent(renderHolderFile(config));
      assert.ok(!('error' in content));
      const { databases, users, settings } = content;
      for (const words of [...databases.values(), ...users.values(), settings]) {
        for (const [key, value] of words) {
          const size = /^(pool_size|default_pool_size|max_(db|user)_connections)$/.test(key);
          if (size) assert.match(value, /^[1-9]\d*$/, key);
        }
      }
    }),
  );
});

test('only the generation differs between marks of equal content', () => {
  const [a, b] = [renderHolderFile(base), renderHolderFile({ ...base, generation: 8 })].map(markOf);
  const c = markOf(renderHolderFile({ ...base, mode: 'session' }));
  assert.equal(a?.hash, b?.hash);
  assert.notEqual(a?.text, b?.text);
  assert.notEqual(a?.hash, c?.hash);
});

test('a file that was cut short anywhere has no mark and is no file', () => {
  const text = renderHolderFile(base);
  for (let end = 0; end < text.length; end++) {
    assert.ok('error' in readHolderFile(text.slice(0, end)), `cut at ${end}`);
  }
});

test('what PgBouncer would refuse or understand otherwise is refused, with its field', () => {
  const web = { name: 'web' };
  const table: Record<string, readonly [Partial<HolderConfig>, string]> = {
    'a cap of 0': [{ caps: [{ name: 'shop', connections: 0 }] }, 'caps[0].connections'],
    'a broken cap': [{ caps: [{ name: 'shop', connections: 1.5 }] }, 'caps[0].connections'],
    'a cap of NaN': [{ caps: [{ name: 'shop', connections: Number.NaN }] }, 'caps[0].connections'],
    'a cap of nobody': [{ caps: [{ name: 'web', connections: 1 }] }, 'caps[0].name'],
    'a cap twice': [
      {
        caps: [
          { name: 'shop', connections: 1 },
          { name: 'shop', connections: 1 },
        ],
      },
      'caps[1].name',
    ],
    'the wrong axis': [{ axis: 'user', caps: [{ name: 'web', connections: 1 }] }, 'axis'],
    'a role that ends its line': [
      { databases: [{ name: 'a', user: 'b\nc' }], caps: [] },
      'databases[0].user',
    ],
    'a database twice': [
      { databases: [{ name: 'a' }, { name: 'a' }], caps: [] },
      'databases[1].name',
    ],
    'a star among names': [{ databases: [{ name: '*' }], caps: [] }, 'databases[0].name'],
    'the console as database': [
      { databases: [{ name: 'pgbouncer' }], caps: [] },
      'databases[0].name',
    ],
    'a newline in a name': [{ databases: [{ name: 'a\nb' }], caps: [] }, 'databases[0].name'],
    'a newline in dbname': [
      { databases: [{ name: 'a', dbname: 'a\n[x]' }], caps: [] },
      'databases[0].dbname',
    ],
    'a quote in a user': [{ users: [{ name: "o'brien" }] }, 'users[0].name'],
    'a user twice': [{ users: [web, web] }, 'users[1].name'],
    'a Unix socket': [{ target: { host: '/tmp', port: 1 } }, 'target.host'],
    'two words as host': [{ target: { host: 'a password=b', port: 1 } }, 'target.host'],
    'port 0': [{ target: { host: 'a', port: 0 } }, 'target.port'],
    'peer 0': [{ peerId: 0 }, 'peerId'],
    'a peer above the last': [{ peers: [{ id: 16_384, host: 'a', port: 1 }] }, 'peers[0].id'],
    'a peer host with more': [
      { peers: [{ id: 1, host: 'a pool_size=0', port: 1 }] },
      'peers[0].host',
    ],
    'no clients': [{ maxClientConnections: 0 }, 'maxClientConnections'],
    'no sharer': [{ sharers: 0 }, 'sharers'],
    'a negative generation': [{ generation: -1 }, 'generation'],
    'an injected path': [{ authFile: '/x\nadmin_users = me' }, 'authFile'],
    'two admins': [{ admin: { adminUser: 'a,b', statsUser: 'c' } }, 'admin.adminUser'],
    'admin is stats': [{ admin: { adminUser: 'a', statsUser: 'a' } }, 'admin.statsUser'],
    'verify without a CA': [{ serverTls: { mode: 'verify-ca' } }, 'serverTls.caFile'],
    'a managed parameter': [{ parameters: { pool_mode: 'session' } }, 'parameters.pool_mode'],
    'an injected parameter': [
      { parameters: { server_check_query: 'x\n%include /etc/passwd' } },
      'parameters.server_check_query',
    ],
    'an unknown parameter': [{ parameters: { x: '1' } }, 'parameters.x'],
    'an injected query': [{ lookup: { user: 'a', query: 'x\ny' } }, 'lookup.query'],
  };
  for (const [what, [parts, field]] of Object.entries(table)) {
    assert.throws(
      () => renderHolderFile({ ...base, ...parts }),
      (error) => error instanceof EngineError && error.field === field,
      what,
    );
  }
});

test('which axis counts exactly, or why none does', () => {
  const a = [{ name: 'a' }];
  const verdict = (...args: Parameters<typeof capsAreExact>) => {
    const result = capsAreExact(...args);
    return 'axis' in result ? result.axis : result.refusal.reason;
  };
  assert.equal(verdict(a, []), 'database');
  assert.equal(verdict(a, [], { user: 'u' }), 'database');
  assert.equal(verdict(a, [], { user: 'u', database: 'a' }), 'database');
  assert.equal(verdict(a, [], { user: 'u', database: 'b' }), 'LookupDatabaseNotListed');
  assert.equal(verdict('any', a), 'user');
  assert.equal(verdict('any', []), 'NoUsers');
  assert.equal(verdict('any', a, { user: 'u' }), 'UnboundedUsersAndDatabases');
  assert.equal(verdict([], a), 'NoDatabases');
  assert.equal(verdict([{ name: '*' }], a), 'AnyAmongListed');
});

test('reading a file never throws, and never calls a changed file intact', () => {
  const text = renderHolderFile(base);
  const mutation = fc.record({
    at: fc.nat(text.length),
    cut: fc.nat(40),
    put: fc.oneof(fc.string(), fc.constantFrom('\n', "'", '[', '%include x', 'max_db_connections')),
  });
  fc.assert(
    fc.property(mutation, ({ at, cut, put }) => {
      const changed = text.slice(0, at) + put + text.slice(at + cut);
      const file = readHolderFile(changed);
      if (!('error' in file)) assert.equal(file.intact, changed === text);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (garbage) => {
      assert.ok('error' in readHolderFile(garbage));
      readContent(garbage);
    }),
  );
});

test('a file without a bound is an error that names what is unbounded', () => {
  const text = renderHolderFile(base);
  const table: Record<string, readonly [string, RegExp]> = {
    'its line has no cap, and no general one holds': [
      text.replace(' max_db_connections=5', '').replace('\nmax_db_connections = 1', ''),
      /nothing bounds the database shop/,
    ],
    'a cap of 0': [
      text
        .replace(' max_db_connections=5', ' max_db_connections=0')
        .replace('\nmax_db_connections = 1', '\nmax_db_connections = 0'),
      /nothing bounds the database shop/,
    ],
    'a star with open users': [text.replace('[users]', '* = host=a\n[users]'), /users without/],
    'an include': [text.replace('[users]', '%include /x\n[users]'), /%include/],
    'another section': [text.replace('[peers]', '[x]'), /no section \[x\]/],
  };
  for (const [what, [changed, expected]] of Object.entries(table)) {
    const file = readHolderFile(changed);
    assert.ok('error' in file, what);
    assert.match(file.error, expected, what);
  }
});

test('a database without a cap of its own has the general one', () => {
  const file = readHolderFile(renderHolderFile(base).replace(' max_db_connections=5', ''));
  assert.ok(!('error' in file));
  assert.equal(file.caps.find(({ name }) => name === 'shop')?.connections, 1);
});
