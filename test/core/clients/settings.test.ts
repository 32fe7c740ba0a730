// Ready settings: what each library is told, and how the pool's own settings change it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ConnectionPoolSpecInput,
  connectionPoolSpec,
} from '../../../operator/api/connection-pool.ts';
import { libraries } from '../../../operator/core/clients/libraries/index.ts';
import { advice, applicationSettings } from '../../../operator/core/clients/settings.ts';

function settings(spec: Partial<ConnectionPoolSpecInput> = {}, poolSize?: number) {
  const parsed = connectionPoolSpec.parse({
    postgres: { endpoint: { host: 'db.example.com', cores: 8 } },
    users: [{ name: 'shop', secretRef: { name: 'shop-app' } }],
    databases: [{ name: 'orders' }],
    ...spec,
  });
  const counted = {
    kind: 'Deployment',
    name: 'web',
    pods: 2,
    source: '',
    poolSize: 20,
    connections: 40,
    recommendedPoolSize: poolSize ?? 0,
    advice: '',
  };
  const clients = poolSize === undefined ? undefined : { connections: 40, workloads: [counted] };
  const to = { host: 'shop.ns.svc', port: 5432 };
  const [first, ...more] = applicationSettings(parsed, to, 17, clients);
  assert.ok(first !== undefined);
  assert.deepEqual(more, []);
  return first;
}

const rendered = (name: string, ...of: Parameters<typeof settings>) =>
  libraries.find((library) => library.name === name)?.render(settings(...of)) ?? '';

test('there are settings for six libraries, and each names host, port, database, user and size', () => {
  assert.deepEqual(
    libraries.map((library) => library.name),
    ['HikariCP', 'SQLAlchemy', 'Django', 'pgxpool', 'psycopg_pool', 'node-postgres'],
  );
  for (const { name, render } of libraries) {
    const text = render(settings({}, 7));
    for (const part of ['shop.ns.svc', '5432', 'orders', 'shop', '7']) {
      assert.ok(text.includes(part), `${name} says ${part}: ${text}`);
    }
    assert.doesNotMatch(text, /undefined|NaN/);
  }
});

test('the size is that of the workload, else the smallest', () => {
  assert.equal(settings({}, 8).poolSize, 8);
  assert.equal(settings({}, 8).sizeOf, 'for Deployment web');
  assert.equal(settings().poolSize, 5);
});

const cases: Readonly<
  Record<string, readonly [string, Partial<ConnectionPoolSpecInput>, RegExp, RegExp?]>
> = {
  'HikariCP prepares by the protocol': ['HikariCP', {}, /prepareThreshold=5/],
  'HikariCP does not when PgBouncer keeps no statements': [
    'HikariCP',
    { parameters: { max_prepared_statements: '0' } },
    /prepareThreshold=0/,
  ],
  'HikariCP waits no longer than PgBouncer would let it': [
    'HikariCP',
    { parameters: { query_wait_timeout: '12.5' } },
    /connectionTimeout=12000$/m,
  ],
  'a wait without an end is bounded by the application': [
    'HikariCP',
    { parameters: { query_wait_timeout: '0' } },
    /connectionTimeout=30000$/m,
  ],
  'idle connections are closed before PgBouncer does it': [
    'HikariCP',
    { parameters: { client_idle_timeout: '100' } },
    /idleTimeout=80000$/m,
  ],
  'SQLAlchemy has no overflow': ['SQLAlchemy', {}, /max_overflow=0/],
  'SQLAlchemy prepares nothing in transaction mode': [
    'SQLAlchemy',
    {},
    /"prepare_threshold": None/,
  ],
  'SQLAlchemy may in session mode': [
    'SQLAlchemy',
    { mode: 'session' },
    /pool_size/,
    /prepare_threshold/,
  ],
  'Django has no server-side cursors in transaction mode': [
    'Django',
    {},
    /"DISABLE_SERVER_SIDE_CURSORS": True/,
  ],
  'Django has them in session mode': [
    'Django',
    { mode: 'session' },
    /"CONN_MAX_AGE": 0/,
    /CURSORS/,
  ],
  'pgxpool names no statement in transaction mode': [
    'pgxpool',
    {},
    /default_query_exec_mode=cache_describe/,
  ],
  'pgxpool may in session mode': ['pgxpool', { mode: 'session' }, /pool_max_conns/, /exec_mode/],
  'psycopg_pool waits as long as the others': ['psycopg_pool', {}, /timeout=30,/],
  'node-postgres is warned of named queries when PgBouncer keeps none': [
    'node-postgres',
    { parameters: { max_prepared_statements: '0' } },
    /No query with a name/,
  ],
  'node-postgres has no such warning otherwise': [
    'node-postgres',
    {},
    /max: 5/,
    /No query with a name/,
  ],
};
for (const [sentence, [library, spec, says, not]] of Object.entries(cases)) {
  test(sentence, () => {
    const text = rendered(library, spec);
    assert.match(text, says);
    if (not !== undefined) assert.doesNotMatch(text, not);
  });
}

test('where TLS is required every library asks for it, and else none does', () => {
  const tls = { client: { mode: 'require', secretRef: { name: 'cert' } } } as const;
  for (const { name, render } of libraries) {
    assert.match(render(settings({ tls })), /sslmode|ssl:/, name);
    assert.doesNotMatch(render(settings()), /sslmode|ssl:/, name);
  }
});

test('names that mean something to a URL or a string are written so that they do not', () => {
  const users = [{ name: 'o"reilly/@x', secretRef: { name: 'a' } }];
  const parsed = { users: [{ ...users[0], name: 'a b/@x\\' }], databases: [{ name: 'a b/c' }] };
  assert.match(
    rendered('pgxpool', parsed as never),
    /\/\/a%20b%2F%40x%5C@shop\.ns\.svc:5432\/a%20b%2Fc\?/,
  );
  assert.match(rendered('SQLAlchemy', parsed as never), /username="a b\/@x\\\\"/);
  assert.match(rendered('HikariCP', parsed as never), /^username=a b\/@x\\\\$/m);
});

test('each mode has its advice', () => {
  assert.match(advice(settings())[0] ?? '', /^Transaction mode: no state outside of a transaction/);
  assert.match(
    advice(settings({ mode: 'statement' }))[0] ?? '',
    /^Statement mode: no transactions/,
  );
  assert.match(advice(settings({ mode: 'session' }))[0] ?? '', /^Session mode: every connection/);
});
