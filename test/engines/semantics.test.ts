import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HolderConfig } from '../../operator/engines/engine.ts';
import { renderHolderFile } from '../../operator/engines/pgbouncer/holder-file.ts';
import { parseIni } from '../../operator/engines/pgbouncer/ini.ts';
import * as model from '../../operator/engines/pgbouncer/semantics.ts';

const file = (generation: number, a: number, mode: HolderConfig['mode'] = 'transaction', b = 1) =>
  renderHolderFile({
    generation,
    listenPort: 6432,
    mode,
    target: { host: 'db', port: 5432 },
    databases: [{ name: 'a' }, { name: 'b' }],
    users: [{ name: 'u' }],
    axis: 'database',
    caps: [{ name: 'a', connections: a }, ...(b > 0 ? [{ name: 'b', connections: b }] : [])],
    maxClientConnections: 10,
    peerId: 1,
    peers: [],
    admin: { adminUser: 'adm', statsUser: 'sts' },
    authFile: '/u',
    serverTls: { mode: 'disable' },
    parameters: {},
  });

function started(text: string): model.Process {
  const process = model.start(text);
  assert.ok(process);
  return process;
}
const a = (process: model.Process) => process.entries.get('a');

test('a process does not start with a file that it cannot read', () => {
  assert.equal(model.start('[databases]\nbroken'), undefined);
});

test('clients get connections up to the cap, the others wait', () => {
  const p = model.demand(started(file(1, 3)), 'a', 5);
  assert.deepEqual(a(p), { cap: 3, busy: 3, stale: 0, idle: 0, waiting: 2 });
  assert.equal(model.sessions(p), 3);
});

test('a smaller cap closes nothing, and a released connection goes to the next client', () => {
  let p = model.demand(started(file(1, 3)), 'a', 5);
  p = model.reload(p, file(2, 1));
  assert.equal(model.sessions(p), 3);
  p = model.endTransactions(p, 'a', 2);
  assert.deepEqual(a(p), { cap: 1, busy: 3, stale: 0, idle: 0, waiting: 0 });
  assert.equal(model.potential(p), 4);
});

test('after a reconnect connections close as they are released, down to the cap', () => {
  let p = model.demand(started(file(1, 3)), 'a', 5);
  p = model.reconnect(model.reload(p, file(2, 1)), 'a');
  assert.deepEqual(a(p), { cap: 1, busy: 3, stale: 3, idle: 0, waiting: 2 });
  p = model.endTransactions(p, 'a', 2);
  assert.deepEqual(a(p), { cap: 1, busy: 1, stale: 1, idle: 0, waiting: 2 });
  p = model.endTransactions(p, 'a', 1);
  assert.deepEqual(a(p), { cap: 1, busy: 1, stale: 0, idle: 0, waiting: 1 });
});

test('in session mode the end of a transaction releases nothing, a client that leaves does', () => {
  let p = model.demand(started(file(1, 3, 'session')), 'a', 3);
  p = model.reconnect(model.reload(p, file(2, 1, 'session')));
  assert.equal(model.sessions(model.endTransactions(p, 'a', 3)), 3);
  p = model.leave(p, 'a', 3);
  assert.equal(model.sessions(p), 0);
});

test('a database that leaves the file goes with its sessions, but not by a file cut short', () => {
  const p = model.demand(started(file(1, 3, 'transaction', 2)), 'b', 2);
  const without = file(2, 3, 'transaction', 0);
  assert.equal(model.sessions(model.reload(p, without)), 0);
  const cut = model.reload(p, without, parseIni(without).lines.length - 1);
  assert.equal(model.sessions(cut), 2);
  assert.equal(cut.generation, undefined);
});

test('equal states have equal keys, whatever the order of their entries', () => {
  const p = started(file(1, 3));
  const q = { ...p, entries: new Map([...p.entries].reverse()) };
  assert.equal(model.keyOf(p), model.keyOf(q));
  assert.notEqual(model.keyOf(p), model.keyOf(model.demand(p, 'a', 1)));
});

const step = fc.oneof(
  fc.record({
    kind: fc.constant('reload' as const),
    cap: fc.integer({ min: 1, max: 6 }),
    cut: fc.nat(40),
  }),
  fc.record({
    kind: fc.constantFrom('demand', 'end', 'leave', 'abandon', 'reconnect', 'close'),
    count: fc.integer({ min: 1, max: 6 }),
    staleFirst: fc.boolean(),
  }),
);

test('sessions stay below every cap since the count was last within one, and below the potential', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, session) => {
      const mode = session ? 'session' : 'transaction';
      let generation = 1;
      let p = started(file(1, 4, mode));
      // The charge of the ledger: the largest cap that may be in force, and what is open.
      let charge = 4;
      for (const s of steps) {
        const before = model.potential(p);
        if (s.kind === 'reload') {
          const text = file(++generation, s.cap, mode);
          p = model.reload(p, text, s.cut < 20 ? s.cut : undefined);
          charge = Math.max(charge, s.cap);
        } else {
          const { count, staleFirst } = s;
          if (s.kind === 'demand') p = model.demand(p, 'a', count);
          else if (s.kind === 'end') p = model.endTransactions(p, 'a', count, staleFirst);
          else if (s.kind === 'leave') p = model.leave(p, 'a', count, staleFirst);
          else if (s.kind === 'abandon') p = model.abandon(p, 'a', count);
          else if (s.kind === 'reconnect') p = model.reconnect(p, 'a');
          else p = model.closeIdle(p, 'a', count);
          // Only a file can raise what a process may come to hold.
          assert.ok(model.potential(p) <= before);
        }
        const entry = a(p);
        assert.ok(entry && entry.stale <= entry.busy && entry.busy >= 0 && entry.idle >= 0);
        const open = entry.busy + entry.idle;
        if (open <= entry.cap) charge = Math.max(entry.cap, open);
        assert.ok(open <= charge, JSON.stringify(entry));
        // Nobody waits while there is room.
        assert.ok(entry.waiting === 0 || (entry.idle === 0 && open >= entry.cap));
      }
    }),
  );
});
