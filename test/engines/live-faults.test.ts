import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HolderConfig, Observation } from '../../operator/engines/engine.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import { parseIni } from '../../operator/engines/pgbouncer/ini.ts';
import { reload, start } from '../../operator/engines/pgbouncer/semantics.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import { holderConfig, type Pooler, startPooler, whoAmI } from './pooler.ts';

const web = { name: 'web', secret: 'w' };
const batch = { name: 'batch', secret: 'b' };
const everyone = [web, batch];

let postgres: Postgres;
before(async () => {
  postgres = await startPostgres({
    users: everyone.map(({ name, secret }) => ({ name, password: secret })),
    databases: ['a', 'b'],
  });
});
after(() => postgres?.stop());

const shapes: Record<'database' | 'user', Partial<HolderConfig>> = {
  database: {
    databases: [{ name: 'a' }, { name: 'b' }],
    axis: 'database',
    users: everyone,
    caps: [
      { name: 'a', connections: 5 },
      { name: 'b', connections: 3 },
    ],
  },
  user: {
    databases: 'any',
    axis: 'user',
    users: everyone,
    caps: [
      { name: 'web', connections: 5 },
      { name: 'batch', connections: 3 },
    ],
  },
};

async function withPooler(config: HolderConfig, use: (pooler: Pooler) => Promise<void>) {
  const pooler = await startPooler(config, everyone);
  try {
    await use(pooler);
  } finally {
    await pooler.stop();
  }
}

const capsOf = (seen: Observation, axis: 'database' | 'user') =>
  Object.fromEntries(
    pgbouncer.runningCapacity(seen, axis).caps.map(({ name, connections }) => [name, connections]),
  );

for (const axis of ['database', 'user'] as const) {
  test(`a fault at any line leaves no cap of a ${axis} above the larger of both files, and no new mark`, async () => {
    const config = holderConfig(postgres, shapes[axis]);
    await withPooler(config, async (pooler) => {
      const files = [1, 2].map((generation) =>
        pgbouncer.renderHolderFile({
          ...config,
          generation,
          listenPort: pooler.port,
          caps: (config.caps ?? []).map(({ name, connections }) => ({
            name,
            connections: generation === 1 ? connections : connections + 2,
          })),
        }),
      );
      const [first = '', second = ''] = files;
      await pooler.apply(first);
      const model = start(first);
      assert.ok(model);
      const lines = second.split('\n');
      // Just behind the header the console would not know its own admin any more: see the next test.
      const locked = lines.indexOf('[pgbouncer]') + 1;
      for (const [at, line] of lines.entries()) {
        if (line === '' || at === locked) continue;
        const broken = [...lines.slice(0, at), 'broken', ...lines.slice(at)].join('\n');
        pooler.write(broken);
        await assert.rejects(pooler.reload(), /RELOAD failed/);
        const seen = await pooler.observe();
        const running = capsOf(seen, axis);
        for (const { name, connections } of config.caps) {
          const cap = running[name] ?? 0;
          assert.ok(cap >= connections && cap <= connections + 2, `${name} ${cap} at ${line}`);
        }
        assert.notEqual(seen.mark?.generation, 2, line);
        // The model says the same, to the number.
        const modelled = reload(model, broken, parseIni(broken).lines.length);
        for (const [name, entry] of modelled.entries) assert.equal(running[name], entry.cap, line);
        assert.equal(seen.mark?.generation, modelled.generation, line);
        await pooler.apply(first);
      }
      const seen = await pooler.apply(second);
      assert.equal(seen.mark?.generation, 2);
      assert.deepEqual(
        capsOf(seen, axis),
        Object.fromEntries(config.caps.map(({ name, connections }) => [name, connections + 2])),
      );
    });
  });
}

test('no fault can stand between the header and the line that lets the operator in', () => {
  for (const axis of ['database', 'user'] as const) {
    const text = pgbouncer.renderHolderFile(holderConfig(postgres, shapes[axis]));
    assert.match(text, /\n\[pgbouncer\]\nadmin_users = [^\n]+\n/);
  }
});

test('a "*" that was read once stays until a restart, and the witness shows it', async () => {
  const config = holderConfig(postgres, shapes.user);
  await withPooler(config, async (pooler) => {
    const listed = pgbouncer.renderHolderFile({
      ...config,
      ...shapes.database,
      databases: [{ name: 'a' }],
      caps: [{ name: 'a', connections: 1 }],
      generation: 2,
      listenPort: pooler.port,
    });
    assert.equal(pgbouncer.change(pooler.text(), listed).cold, true);
    const seen = await pooler.apply(listed);
    // This is why `cold` says that the process must not read it: b is not in the file.
    assert.equal(await whoAmI(pooler.port, web, 'b'), 'web in b');
    assert.deepEqual(pgbouncer.pendingRestart(seen, listed), ['job_name']);
  });
});

test('a changed parameter that only a restart applies is seen as pending', async () => {
  const config = holderConfig(postgres, shapes.user);
  await withPooler(config, async (pooler) => {
    const text = pgbouncer.renderHolderFile({
      ...config,
      generation: 2,
      listenPort: pooler.port,
      parameters: { pkt_buf: '8192', query_wait_timeout: '7' },
    });
    const seen = await pooler.apply(text);
    assert.equal(seen.parameters.query_wait_timeout, '7');
    assert.deepEqual(pgbouncer.pendingRestart(seen, text), ['pkt_buf']);
  });
});

test('the user list proves itself by its mark, and marks of earlier lists stay listed', async () => {
  await withPooler(holderConfig(postgres, shapes.user), async (pooler) => {
    const [first] = (await pooler.observe()).userMarks;
    const mark = pooler.writeUsers([web, { name: 'batch', secret: 'new' }]);
    assert.deepEqual((await pooler.observe()).userMarks, [first]);
    await pooler.reload();
    assert.deepEqual(new Set((await pooler.observe()).userMarks), new Set([first, mark]));
    await assert.rejects(whoAmI(pooler.port, batch, 'a'), /SASL/);
  });
});

test('a list that comes again has to be read again: who was locked out meanwhile gets in, who was let in is locked out', async () => {
  const { name } = batch;
  await withPooler(holderConfig(postgres, shapes.user), async (pooler) => {
    for (let round = 0; round < 2; round++) {
      const without = pooler.writeUsers([web], [name]);
      assert.equal((await pooler.observe()).userMarks.includes(without), false);
      await pooler.reload();
      assert.ok((await pooler.observe()).userMarks.includes(without));
      await assert.rejects(whoAmI(pooler.port, batch, 'a'), /SASL/);
      const withIt = pooler.writeUsers([web, batch]);
      assert.equal((await pooler.observe()).userMarks.includes(withIt), false);
      await pooler.reload();
      assert.equal(await whoAmI(pooler.port, batch, 'a'), 'batch in a');
    }
  });
});

test('a user who only leaves the list still logs in, and a revoked one does not', async () => {
  await withPooler(holderConfig(postgres, shapes.user), async (pooler) => {
    assert.equal(await whoAmI(pooler.port, batch, 'a'), 'batch in a');
    pooler.writeUsers([web]);
    await pooler.reload();
    // The fact that makes the revocation necessary. When a later PgBouncer has mended it, this line
    // fails, and revocation can go once that version is the oldest that is supported.
    assert.equal(await whoAmI(pooler.port, batch, 'a'), 'batch in a');
    const left = pgbouncer.remembered(await pooler.observe(), ['web']);
    assert.deepEqual(left, ['batch']);
    pooler.writeUsers([web], left);
    await pooler.reload();
    await assert.rejects(whoAmI(pooler.port, batch, 'a'), /SASL authentication failed/);
    pooler.writeUsers(everyone);
    await pooler.reload();
    assert.equal(await whoAmI(pooler.port, batch, 'a'), 'batch in a');
  });
});

test("a user's line that goes away keeps its cap, which counts as long as he may log in", async () => {
  const config = holderConfig(postgres, shapes.user);
  await withPooler(config, async (pooler) => {
    const text = pgbouncer.renderHolderFile({
      ...config,
      users: [web],
      caps: [{ name: 'web', connections: 5 }],
      generation: 2,
      listenPort: pooler.port,
    });
    const seen = await pooler.apply(text);
    assert.equal(pgbouncer.runningCapacity(seen, 'user').connections, 8);
    assert.equal(
      pgbouncer.runningCapacity(seen, 'user', { names: ['batch'], gone: [] }).connections,
      5,
    );
  });
});
