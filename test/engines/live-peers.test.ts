// Cancel requests that come to another process than their query, as a Service leads them to any pod.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Peer } from '../../operator/engines/engine.ts';
import { type Postgres, startPostgres } from '../cluster/processes.ts';
import { holderConfig, type Pooler, startPooler } from './pooler.ts';
import { startSleepers } from './sleepers.ts';

const web = { name: 'web', secret: 'w' };
let postgres: Postgres;
/** Gets the cancel requests. */
let near: Pooler;
/** Has the queries. */
let far: Pooler;
before(async () => {
  postgres = await startPostgres({
    users: [{ name: web.name, password: web.secret }],
    databases: ['a'],
  });
  const config = (peerId: number, peers: readonly Peer[]) =>
    holderConfig(postgres, {
      databases: [{ name: 'a' }],
      users: [web],
      caps: [{ name: 'a', connections: 20 }],
      peerId,
      peers,
    });
  far = await startPooler(config(2, []), [web]);
  near = await startPooler(config(1, [{ id: 2, host: '127.0.0.1', port: far.port }]), [web]);
});
after(async () => {
  await near?.stop();
  await far?.stop();
  await postgres?.stop();
});

/** How many of `count` queries at one process end when they are cancelled at the other, a cancel each `gapMs`. */
async function cancelled(count: number, gapMs: number): Promise<number> {
  const sleepers = await startSleepers(postgres, web, { port: far.port, count, seconds: 6 });
  const codes = await sleepers.cancelAt(near.port, gapMs);
  return codes.filter((code) => code === '57014').length;
}

test('cancel requests one after the other all reach their queries at another process', async () => {
  assert.equal(await cancelled(10, 100), 10);
});

// The fact behind what docs/guide/zero-loss.md says of bursts: while a connection to a peer is being made, further
// requests for it wait, and nobody makes a connection for them. When a later PgBouncer has mended it, this test fails.
test('of cancel requests that come to one process in the same millisecond not all are forwarded', async () => {
  const arrived = await cancelled(20, 0);
  assert.ok(arrived >= 1 && arrived < 20, `${arrived} of 20`);
});
