import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HolderConfig } from '../../operator/engines/engine.ts';
import { change, pendingRestart } from '../../operator/engines/pgbouncer/change.ts';
import { renderHolderFile } from '../../operator/engines/pgbouncer/holder-file.ts';
import { observation } from './observation.ts';

const base: HolderConfig = {
  generation: 1,
  listenPort: 6432,
  mode: 'transaction',
  target: { host: 'db', port: 5432 },
  databases: [{ name: 'a' }, { name: 'b' }],
  users: [{ name: 'u' }, { name: 'v' }],
  axis: 'database',
  caps: [
    { name: 'a', connections: 8 },
    { name: 'b', connections: 4 },
  ],
  maxClientConnections: 100,
  peerId: 1,
  peers: [],
  admin: { adminUser: 'adm', statsUser: 'sts' },
  authFile: '/u',
  serverTls: { mode: 'disable' },
  parameters: {},
};
const users: Partial<HolderConfig> = {
  databases: 'any',
  axis: 'user',
  caps: [
    { name: 'u', connections: 8 },
    { name: 'v', connections: 4 },
  ],
};
const between = (from: Partial<HolderConfig>, to: Partial<HolderConfig>) =>
  change(
    renderHolderFile({ ...base, ...from }),
    renderHolderFile({ ...base, ...from, generation: 2, ...to }),
  );

test('the same file is no change, and a new generation alone is a reload', () => {
  const text = renderHolderFile(base);
  assert.equal(change(text, text).kind, 'none');
  const next = between({}, {});
  assert.deepEqual([next.kind, next.restart, next.reconnect, next.shrinks], ['reload', [], [], []]);
});

test('a larger cap is a reload, a smaller one a reload and a reconnect of that database', () => {
  const larger = between(
    {},
    {
      caps: [
        { name: 'a', connections: 9 },
        { name: 'b', connections: 4 },
      ],
    },
  );
  assert.deepEqual([larger.kind, larger.reconnect, larger.shrinks], ['reload', [], []]);
  const smaller = between(
    {},
    {
      caps: [
        { name: 'a', connections: 9 },
        { name: 'b', connections: 2 },
      ],
    },
  );
  assert.deepEqual([smaller.kind, smaller.reconnect], ['reload', ['b']]);
  assert.deepEqual(smaller.shrinks, [{ name: 'b', from: 4, to: 2 }]);
});

test('a database that goes away is named, because its clients are cut', () => {
  const gone = between({}, { caps: [{ name: 'a', connections: 8 }] });
  assert.deepEqual([gone.kind, gone.removed, gone.reconnect], ['reload', ['b'], []]);
  assert.deepEqual(gone.shrinks, [{ name: 'b', from: 4, to: 0 }]);
});

test("a user's smaller cap reconnects every database, since all may hold his connections", () => {
  const smaller = between(users, {
    caps: [
      { name: 'u', connections: 8 },
      { name: 'v', connections: 1 },
    ],
  });
  assert.deepEqual([smaller.kind, smaller.reconnect], ['reload', 'all']);
  const gone = between(users, { caps: [{ name: 'u', connections: 8 }] });
  assert.deepEqual([gone.kind, gone.reconnect, gone.removed], ['reload', 'all', []]);
});

test('a smaller part of a cap for each sharer is a reconnect, although no cap shrinks', () => {
  const shared = between({}, { sharers: 4 });
  assert.deepEqual([shared.kind, shared.reconnect, shared.shrinks], ['reload', ['a', 'b'], []]);
  assert.deepEqual(between(users, { sharers: 2 }).reconnect, 'all');
  assert.deepEqual(between({ ...users, sharers: 2 }, { sharers: 1 }).reconnect, []);
});

test('between "*" and listed databases no running process may read the new file', () => {
  for (const [from, to] of [
    [{}, users],
    [users, { databases: base.databases, axis: base.axis, caps: base.caps }],
  ] as const) {
    const next = between(from, to);
    assert.deepEqual([next.kind, next.cold, next.restart], ['restart', true, ['job_name']]);
  }
});

test('parameters that a reload ignores, or cannot take back, need a restart', () => {
  const set = (parameters: Record<string, string>) => ({ parameters });
  assert.deepEqual(between({}, set({ pkt_buf: '8192' })).restart, ['pkt_buf']);
  const tracked = set({ track_extra_parameters: 'search_path' });
  assert.deepEqual(between(tracked, set({})).restart, ['track_extra_parameters']);
  assert.deepEqual(between({}, { listenPort: 6433 }).restart, ['listen_port']);
  assert.deepEqual(between(set({ listen_backlog: '9' }), set({})).restart, ['listen_backlog']);
  assert.deepEqual(between({}, set({ verbose: '1' })).kind, 'reload');
  const suites = set({ server_tls13_ciphers: 'TLS_AES_128_GCM_SHA256' });
  assert.equal(between({}, suites).kind, 'reload');
  assert.deepEqual(between(suites, set({})).restart, ['server_tls13_ciphers']);
  assert.equal(between({}, { mode: 'session', target: { host: 'other', port: 1 } }).kind, 'reload');
});

test('a file that cannot be read says nothing, so everything is to be done', () => {
  const next = change('garbage', renderHolderFile(base));
  assert.deepEqual([next.kind, next.reconnect], ['restart', 'all']);
});

test('what still waits for a restart is seen in the running process, at any later time', () => {
  const text = renderHolderFile({ ...base, parameters: { pkt_buf: '8192' } });
  const running = (parameters: Record<string, string>) =>
    pendingRestart(
      observation({
        parameters: {
          job_name: 'spillway-database',
          listen_port: '6432',
          listen_backlog: '128',
          auth_user: '',
          verbose: '0',
          ...parameters,
        },
      }),
      text,
    );
  assert.deepEqual(running({ pkt_buf: '8192' }), []);
  assert.deepEqual(running({ pkt_buf: '4096' }), ['pkt_buf']);
  assert.deepEqual(running({ pkt_buf: '8192', job_name: 'spillway-user' }), ['job_name']);
  assert.deepEqual(running({ pkt_buf: '8192', track_extra_parameters: 'search_path' }), [
    'track_extra_parameters',
  ]);
  assert.deepEqual(running({ pkt_buf: '8192', auth_user: 'old' }), ['auth_user']);
  assert.deepEqual(running({ pkt_buf: '8192', listen_backlog: '9' }), ['listen_backlog']);
});
