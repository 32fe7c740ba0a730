// Processes that share a port, as those of one pod do: each is reached, each keeps its own caps, and cancel requests
// find their query whichever process they come to.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { peerIdOf, socketOf } from '../../operator/core/pool/names.ts';
import { ConsoleError, type HolderConfig, type Peer } from '../../operator/engines/engine.ts';
import { console as admin } from '../../operator/engines/pgbouncer/console.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import { type Postgres, reservePort, startPostgres } from '../cluster/processes.ts';
import { holderConfig, type Pooler, startPooler } from './pooler.ts';
import { startSleepers } from './sleepers.ts';

const web = { name: 'web', secret: 'w' };
const POD_PORTS: number[] = [];
let postgres: Postgres;
/** By pod, then by process. */
const pods: Pooler[][] = [];

/** As a pod's files are rendered: siblings by their sockets, processes of the other pod by its port. */
function configOf(pod: number, process: number): HolderConfig {
  const peers: Peer[] = [0, 1].flatMap((other) =>
    [0, 1].map((n) => ({
      id: peerIdOf(other, n),
      host: other === pod && n !== process ? socketOf(n) : '127.0.0.1',
      port: POD_PORTS[other] ?? 0,
    })),
  );
  return holderConfig(postgres, {
    generation: 10 * pod + process + 1,
    databases: [{ name: 'a' }],
    users: [web],
    caps: [{ name: 'a', connections: 4 + process }],
    peerId: peerIdOf(pod, process),
    socket: socketOf(process),
    peers,
  });
}

before(async () => {
  postgres = await startPostgres({
    users: [{ name: web.name, password: web.secret }],
    databases: ['a'],
  });
  POD_PORTS.push(await reservePort(), await reservePort());
  for (const pod of [0, 1]) {
    const own: Pooler[] = [];
    pods.push(own);
    for (const process of [0, 1])
      own.push(await startPooler(configOf(pod, process), [web], {}, POD_PORTS[pod]));
  }
});
after(async () => {
  for (const one of pods.flat()) await one.stop();
  await postgres?.stop();
});

function poolerAt(pod: number, process: number): Pooler {
  const found = pods[pod]?.[process];
  assert.ok(found);
  return found;
}

test('each process of a port is reached by its peer id, and says its own mark', async () => {
  for (const process of [0, 1]) {
    const { address } = poolerAt(0, process);
    for (let i = 0; i < 20; i++) {
      const seen = await admin.observe(address);
      assert.equal(seen.parameters.peer_id, String(peerIdOf(0, process)));
      assert.equal(seen.parameters.so_reuseport, '1');
      const text = pgbouncer.renderHolderFile({
        ...configOf(0, process),
        listenPort: address.port,
      });
      assert.equal(seen.mark?.text, pgbouncer.markOf(text)?.text);
    }
  }
});

test('what is done at one process is not done at its sibling', async () => {
  const { address } = poolerAt(0, 1);
  await admin.pause(address);
  for (let i = 0; i < 5; i++) {
    assert.equal((await admin.observe(address)).paused, true);
    assert.equal((await admin.observe(poolerAt(0, 0).address)).paused, false);
  }
  await admin.resume(address);
  assert.equal((await admin.observe(address)).paused, false);
});

test('a process that is not among those of the port is said to be away', async () => {
  const { address } = poolerAt(0, 0);
  const call = admin.observe({ ...address, process: { peerId: 999, of: 2 } });
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof ConsoleError);
    assert.equal(error.code, 'Unreachable');
    assert.match(error.message, /peer_id 999 does not answer/);
    return true;
  });
});

test('a process is reached although its sibling hangs', async () => {
  poolerAt(0, 1).signal('SIGSTOP');
  try {
    const { address } = poolerAt(0, 0);
    let reached = 0;
    // Half of the tries come to the one that hangs; all four of one call do in one of sixteen.
    for (let i = 0; i < 3; i++) {
      const seen = await admin.observe({ ...address, timeoutMs: 2000 }).catch(() => undefined);
      if (seen === undefined) continue;
      assert.equal(seen.parameters.peer_id, String(peerIdOf(0, 0)));
      reached += 1;
    }
    assert.ok(reached >= 1, 'never in three calls');
  } finally {
    poolerAt(0, 1).signal('SIGCONT');
  }
});

/** Queries at both processes of one pod, each cancelled by a request that comes to the other pod's port. */
async function cancelled(count: number, from: number, to: number): Promise<[string[], number[]]> {
  const port = POD_PORTS[to] ?? 0;
  const sleepers = await startSleepers(postgres, web, { port, count, seconds: 8 });
  const spread: number[] = [];
  for (const process of [0, 1]) {
    const { clients: there } = await admin.observe(poolerAt(to, process).address);
    spread.push(there.active + there.waiting);
  }
  return [await sleepers.cancelAt(POD_PORTS[from] ?? 0, 100), spread];
}

/** So many that all of them at one process are one in some hundreds, and then the test says so. */
const QUERIES = 4;

for (const [from, to, how] of [
  [0, 1, 'to another pod'],
  [1, 1, 'to the same pod'],
] as const) {
  test(`cancel requests that come ${how} find their queries, at whichever process these are`, async () => {
    const seen = [0, 0];
    for (let round = 0; round < 4; round++) {
      const [codes, spread] = await cancelled(QUERIES, from, to);
      assert.deepEqual(
        codes,
        Array.from({ length: QUERIES }, () => '57014'),
      );
      for (const process of [0, 1]) seen[process] = (seen[process] ?? 0) + (spread[process] ?? 0);
    }
    assert.ok(
      seen.every((queries) => queries > 0),
      `both processes had queries: ${seen}`,
    );
  });
}

// PgBouncer lets a user "pgbouncer" administer it over a Unix socket without a password, if his process has its uid.
test('over the socket only a process of the same uid comes to the console without a password', () => {
  const port = String(POD_PORTS[0]);
  const script = `
import socket, struct, sys, os
os.setuid(int(sys.argv[2]))
s = socket.socket(socket.AF_UNIX)
s.connect("\\0spillway-0/.s.PGSQL." + sys.argv[1])
body = struct.pack("!i", 196608) + b"user\\0" + sys.argv[3].encode() + b"\\0database\\0" + sys.argv[4].encode() + b"\\0\\0"
s.sendall(struct.pack("!i", len(body) + 4) + body)
head = s.recv(5)
kind = head[:1].decode()
code = struct.unpack("!i", s.recv(4))[0] if kind == "R" else -1
print(kind, code)
`;
  const login = (uid: number, user: string, database: string) => {
    const done = spawnSync('python3', ['-c', script, port, String(uid), user, database]);
    assert.equal(done.status, 0, String(done.stderr));
    return String(done.stdout).trim();
  };
  const OTHER = 65_533;
  const OWN = 65_532;
  // R 10 asks for SCRAM, R 0 lets in, E refuses.
  assert.equal(login(OTHER, 'web', 'a'), 'R 10');
  assert.equal(login(OWN, 'web', 'a'), 'R 10');
  assert.notEqual(login(OTHER, 'pgbouncer', 'pgbouncer'), 'R 0');
  assert.notEqual(login(OTHER, 'spillway-admin', 'pgbouncer'), 'R 0');
  assert.notEqual(login(OWN, 'spillway-admin', 'pgbouncer'), 'R 0');
  assert.equal(login(OWN, 'pgbouncer', 'pgbouncer'), 'R 0');
});
