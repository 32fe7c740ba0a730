// The simulator's process against the model of the engine, which test/engines holds against the real PgBouncer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { renderHolderFile } from '../../../operator/engines/pgbouncer/holder-file.ts';
import { parseIni } from '../../../operator/engines/pgbouncer/ini.ts';
import * as model from '../../../operator/engines/pgbouncer/semantics.ts';
import { type FileContent, makeFile } from './objects.ts';
import {
  openAll,
  type Process,
  potential,
  reconnect,
  release,
  reload,
  startProcess,
} from './processes.ts';

/** What a file of the simulator is as text. */
function textOf({ generation, caps }: FileContent): string {
  return renderHolderFile({
    generation,
    listenPort: 6432,
    mode: 'transaction',
    target: { host: 'db', port: 5432 },
    databases: caps.map(({ name }) => ({ name })),
    users: [],
    axis: 'database',
    caps,
    maxClientConnections: 10,
    peerId: 1,
    peers: [],
    admin: { adminUser: 'adm', statsUser: 'sts' },
    authFile: '/u',
    serverTls: { mode: 'disable' },
    parameters: {},
  });
}

/** Where the text is cut so that as much of it is read as of the file with so many `lines`. */
function readable(file: FileContent, lines: number): number {
  const all = parseIni(textOf(file)).lines;
  const entries = Math.min(lines, file.caps.length);
  // Up to the header of the settings, or all of them but the mark, which is the last.
  return lines > file.caps.length ? all.length - 1 : 1 + entries;
}

const many = 100;

/** Both at once. A client that has ended a transaction begins the next one: nothing is idle but for a moment. */
class Pair {
  readonly #mine: Process;
  #model: model.Process;
  /** Entries that were taken out while they had connections: the model closes these at once, the simulator later. */
  readonly #late = new Set<string>();

  constructor(file: FileContent) {
    this.#mine = startProcess(file);
    const started = model.start(textOf(file));
    assert.ok(started);
    this.#model = started;
  }

  reload(file: FileContent, lines: number | undefined): void {
    reload(this.#mine, file, lines);
    const cut = lines === undefined ? undefined : readable(file, lines);
    this.#model = model.reload(this.#model, textOf(file), cut);
    for (const name of this.#mine.open.keys()) {
      if (!this.#model.entries.has(name)) this.#late.add(name);
    }
  }

  open(): void {
    openAll(this.#mine);
    for (const name of this.#model.entries.keys()) {
      this.#model = model.demand(this.#model, name, many);
      this.#model = model.abandon(this.#model, name, many);
    }
  }

  reconnect(): void {
    reconnect(this.#mine);
    this.#model = model.reconnect(this.#model);
  }

  release(idle: boolean): void {
    release(this.#mine, idle);
    for (const name of this.#model.entries.keys()) {
      this.#model = model.endTransactions(this.#model, name, many);
      const left = this.#model.entries.get(name)?.idle ?? 0;
      this.#model = idle
        ? model.closeIdle(this.#model, name, many)
        : model.demand(this.#model, name, left);
    }
    for (const name of this.#late) if (!this.#mine.open.has(name)) this.#late.delete(name);
  }

  compare(): void {
    assert.equal(this.#mine.generation, this.#model.generation ?? 0, 'the mark');
    const caps = [...this.#model.entries].map(([name, { cap }]) => [name, cap] as const);
    const sorted = (list: Iterable<readonly [string, number]>) => [...list].sort();
    assert.deepEqual(sorted(this.#mine.caps), sorted(caps), 'the caps');
    const names = new Set([...this.#mine.open.keys(), ...this.#model.entries.keys()]);
    for (const name of names) {
      const { busy = 0, idle = 0 } = this.#model.entries.get(name) ?? {};
      const open = this.#mine.open.get(name) ?? 0;
      if (this.#late.has(name)) assert.ok(open >= busy + idle, `${name} is forgotten`);
      else assert.equal(open, busy + idle, `connections of ${name}`);
    }
    const mine = potential(this.#mine, undefined);
    if (this.#late.size === 0) assert.equal(mine, model.potential(this.#model));
    else assert.ok(mine >= model.potential(this.#model));
  }
}

const caps = fc
  .uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 })
  .chain((names) =>
    fc.tuple(
      ...names
        .sort()
        .map((name) =>
          fc.record({ name: fc.constant(name), connections: fc.integer({ min: 1, max: 6 }) }),
        ),
    ),
  );
const step = fc.oneof(
  fc.record({
    do: fc.constant('reload' as const),
    caps,
    lines: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
  }),
  fc.record({ do: fc.constantFrom('open' as const, 'reconnect' as const) }),
  fc.record({ do: fc.constant('release' as const), idle: fc.boolean() }),
);

test('the same steps leave the simulator’s process and the model of the engine with the same connections, caps and mark', () => {
  fc.assert(
    fc.property(caps, fc.array(step, { maxLength: 25 }), (first, steps) => {
      let generation = 1;
      const pair = new Pair(makeFile({ generation, text: 0, caps: first }));
      pair.compare();
      for (const one of steps) {
        if (one.do === 'reload') {
          pair.reload(makeFile({ generation: ++generation, text: 0, caps: one.caps }), one.lines);
        } else if (one.do === 'open') pair.open();
        else if (one.do === 'reconnect') pair.reconnect();
        else if (one.do === 'release') pair.release(one.idle);
        pair.compare();
      }
    }),
    { numRuns: 500 },
  );
});

test('a reload that fails in the settings loses the mark and keeps the caps', () => {
  const process = startProcess(
    makeFile({ generation: 1, text: 0, caps: [{ name: 'a', connections: 3 }] }),
  );
  const next = makeFile({ generation: 2, text: 0, caps: [{ name: 'a', connections: 2 }] });
  reload(process, next, 1);
  assert.deepEqual([process.generation, process.caps.get('a')], [1, 2]);
  reload(process, next, 2);
  assert.deepEqual([process.generation, process.caps.get('a')], [0, 2]);
  reload(process, next);
  assert.equal(process.generation, 2);
});
