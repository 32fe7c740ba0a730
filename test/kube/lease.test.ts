// Leader election: never two leaders, whatever the network, the clocks and the processes do.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { Client } from '../../operator/kube/client.ts';
import { Lease, type LeaseOptions, microTime } from '../../operator/kube/lease.ts';
import {
  checkTiming,
  decide,
  defaultLeaseTiming,
  type LeaseRecord,
  observe,
  type Seen,
} from '../../operator/kube/lease-state.ts';
import { Transport } from '../../operator/kube/transport.ts';
import { FaultServer } from './fault-server.ts';
import { eventually, seeded } from './help.ts';

const record = (holder: string, extra: Partial<LeaseRecord> = {}): LeaseRecord => ({
  holder,
  durationSeconds: 15,
  transitions: 0,
  resourceVersion: '1',
  ...extra,
});

const decisions: Record<string, { record: LeaseRecord | undefined; age: number; want: object }> = {
  'no lease is made': { record: undefined, age: 0, want: { do: 'create' } },
  'our own is renewed': { record: record('me'), age: 0, want: { do: 'renew' } },
  'our own is renewed when it is old too': { record: record('me'), age: 99, want: { do: 'renew' } },
  'one that was given back is taken': { record: record(''), age: 0, want: { do: 'take' } },
  "another's is waited for": { record: record('you'), age: 4, want: { do: 'wait', seconds: 11 } },
  "another's is taken when it is not renewed in time": {
    record: record('you'),
    age: 15,
    want: { do: 'take' },
  },
  'a longer duration of the holder counts': {
    record: record('you', { durationSeconds: 60 }),
    age: 20,
    want: { do: 'wait', seconds: 40 },
  },
  'a shorter duration of the holder does not count': {
    record: record('you', { durationSeconds: 1 }),
    age: 10,
    want: { do: 'wait', seconds: 5 },
  },
};
for (const [name, { record, age, want }] of Object.entries(decisions)) {
  test(name, () => {
    const seen: Seen = { record, changedAt: 1000 };
    assert.deepEqual(decide(seen, 'me', 1000 + age * 1000, defaultLeaseTiming), want);
  });
}

test('the time to expiry starts anew only where the lease has changed', () => {
  const first = observe(undefined, record('you'), 10);
  assert.equal(observe(first, record('you'), 500).changedAt, 10);
  assert.equal(observe(first, record('you', { resourceVersion: '2' }), 500).changedAt, 500);
});

test('times that do not fit together are refused with the fields', () => {
  assert.equal(checkTiming(defaultLeaseTiming), undefined);
  assert.match(checkTiming({ ...defaultLeaseTiming, renewDeadlineSeconds: 15 }) ?? '', /renewDead/);
  assert.match(checkTiming({ ...defaultLeaseTiming, retrySeconds: 9 }) ?? '', /retrySeconds/);
});

test('a time has six digits after its point', () => {
  assert.equal(microTime(1_700_000_000_123), '2023-11-14T22:13:20.123000Z');
});

/**
 * Processes with clocks of their own, requests and answers that take up to 8 s, processes that hang
 * for up to half a minute at any point: the loop of lease.ts in discrete time, on its own decisions.
 */
test('in no history of delays and hangs do two processes lead at the same moment', () => {
  const timing = defaultLeaseTiming;
  const deadline = timing.renewDeadlineSeconds * 1000;
  let takeovers = 0;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (seed) => {
      const random = seeded(seed);
      let lease: LeaseRecord | undefined;
      let version = 0;
      const agenda: { at: number; run: (now: number) => void }[] = [];
      const later = (at: number, run: (now: number) => void) => agenda.push({ at, run });
      const delay = () => (random() < 0.2 ? random() * 8000 : random() * 50);
      const hang = () => (random() < 0.05 ? random() * 30_000 : 0);
      const reigns: { who: string; from: number; to: number }[] = [];

      for (const who of ['a', 'b', 'c']) {
        const skew = random() * 1e6;
        let seen: Seen | undefined;
        let until = Number.NEGATIVE_INFINITY;
        const again = (now: number) =>
          later(now + hang() + timing.retrySeconds * 1000 * (1 + random() / 5), look);
        const look = (now: number) => {
          if (now < until) {
            act(now);
            return;
          }
          later(now + delay(), (served) => {
            const read = lease;
            later(served + delay() + hang(), (answered) => {
              seen = observe(seen, read, answered + skew);
              act(answered);
            });
          });
        };
        const act = (now: number) => {
          const decision = seen === undefined ? undefined : decide(seen, who, now + skew, timing);
          if (seen === undefined || decision === undefined || decision.do === 'wait') {
            again(now);
            return;
          }
          const based = seen.record?.resourceVersion;
          const sent = now;
          later(now + delay(), (served) => {
            const ok = lease?.resourceVersion === based;
            if (ok) lease = record(who, { resourceVersion: String(++version) });
            const written = lease;
            later(served + delay() + hang(), (answered) => {
              seen = observe(seen, written, answered + skew);
              if (!ok && written?.holder !== who) until = Number.NEGATIVE_INFINITY;
              if (ok && answered < sent + deadline) {
                until = sent + deadline;
                if (decision.do === 'take') takeovers++;
                reigns.push({ who, from: answered, to: until });
              }
              again(answered);
            });
          });
        };
        later(random() * 3000, look);
      }

      for (let n = 0; n < 400; n++) {
        agenda.sort((x, y) => x.at - y.at);
        const next = agenda.shift();
        if (next === undefined) break;
        next.run(next.at);
      }
      for (const one of reigns) {
        for (const other of reigns) {
          const both = one.from < other.to && other.from < one.to;
          assert.ok(one.who === other.who || !both, JSON.stringify([one, other]));
        }
      }
    }),
    { numRuns: 200 },
  );
  assert.ok(takeovers > 50, 'the histories must contain changes of the leader');
});

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startServer(): Promise<FaultServer> {
  const server = new FaultServer();
  await server.start();
  cleanups.push(() => server.stop());
  return server;
}

interface Candidate {
  lease: Lease;
  told: string[];
  errors: unknown[];
  /** Stops campaigning and renewing, without giving the lease back: as a crash does. */
  crash(): Promise<void>;
}

function candidate(
  server: FaultServer,
  identity: string,
  extra: Partial<LeaseOptions> = {},
  onStarted: () => void = () => undefined,
): Candidate {
  const transport = new Transport(server.source);
  const errors: unknown[] = [];
  const told: string[] = [];
  const lease = new Lease({
    client: new Client(transport),
    namespace: 'ns',
    name: 'spillway',
    identity,
    timing: { durationSeconds: 0.6, renewDeadlineSeconds: 0.4, retrySeconds: 0.03 },
    onError: (error) => errors.push(error),
    ...extra,
  });
  const abort = new AbortController();
  const running = lease.run(abort.signal, {
    onStarted: () => {
      told.push('started');
      onStarted();
    },
    onStopped: (reason) => told.push(reason),
  });
  const crash = async () => {
    abort.abort();
    await running;
    await transport.close();
  };
  cleanups.push(crash);
  return { lease, told, errors, crash };
}

test('one of two leads, and the other takes over when the first is gone', async () => {
  const server = await startServer();
  const a = candidate(server, 'a');
  await eventually(() => assert.ok(a.lease.leading));
  const holders: string[] = [];
  const b = candidate(server, 'b', { onHolder: (holder) => holders.push(holder) });
  await eventually(() => assert.equal(b.lease.holder, 'a'));
  assert.equal(b.lease.leading, false);
  await a.crash();
  await eventually(() => assert.ok(b.lease.leading));
  assert.deepEqual(holders, ['a', 'b']);
});

test('a lease that is given back is taken without waiting for its end', async () => {
  const server = await startServer();
  const timing = { durationSeconds: 3600, renewDeadlineSeconds: 1800, retrySeconds: 0.02 };
  const transport = new Transport(server.source);
  cleanups.push(() => transport.close());
  const first = new Lease({
    client: new Client(transport),
    namespace: 'ns',
    name: 'spillway',
    identity: 'a',
    timing,
  });
  const abort = new AbortController();
  const told: string[] = [];
  const running = first.run(abort.signal, {
    onStarted: () => told.push('started'),
    onStopped: (reason) => told.push(reason),
  });
  await eventually(() => assert.ok(first.leading));
  const b = candidate(server, 'b', { timing });
  await eventually(() => assert.equal(b.lease.holder, 'a'));
  abort.abort();
  await running;
  await first.release();
  assert.equal(first.leading, false);
  assert.deepEqual(told, ['started', 'released']);
  await eventually(() => assert.ok(b.lease.leading));
});

test('it is given back also where the answer to the last renewal was not waited for', async () => {
  const server = await startServer();
  const timing = { durationSeconds: 3600, renewDeadlineSeconds: 1800, retrySeconds: 0.02 };
  const transport = new Transport(server.source);
  cleanups.push(() => transport.close());
  const client = new Client(transport);
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const names = { namespace: 'ns', name: 'spillway', identity: 'a' };
  const lease = new Lease({ client, ...names, timing, onError });
  const abort = new AbortController();
  const callbacks = { onStarted: () => undefined, onStopped: () => undefined };
  const running = lease.run(abort.signal, callbacks);
  await eventually(() => assert.ok(lease.leading));
  let renewals = 0;
  server.fault = ({ method }) => {
    if (method !== 'PUT' || renewals++ > 0) return undefined;
    // Carried out, while the one who asked has gone.
    abort.abort();
    return { kind: 'lost' };
  };
  await running;
  await lease.release();
  assert.equal(renewals, 3, 'the renewal, one that conflicts with it, and one that does not');
  assert.deepEqual(errors, []);
  const path = '/apis/coordination.k8s.io/v1/namespaces/ns/leases/spillway';
  const { spec } = (server.state.get(path) ?? {}) as { spec?: { holderIdentity?: string } };
  assert.equal(spec?.holderIdentity, '');
});

test('a leader that reaches the server no more stops by itself and says so', async () => {
  const server = await startServer();
  const a = candidate(server, 'a');
  await eventually(() => assert.ok(a.lease.leading));
  server.fault = () => ({ kind: 'stall' });
  await eventually(() => assert.deepEqual(a.told, ['started', 'lost']));
  assert.equal(a.lease.leading, false);
  assert.ok(a.errors.length > 0);
});

test('a leader whose lease was taken or removed by hand stops at once', async () => {
  const server = await startServer();
  const a = candidate(server, 'a');
  await eventually(() => assert.ok(a.lease.leading));
  const path = '/apis/coordination.k8s.io/v1/namespaces/ns/leases/spillway';
  const lease = structuredClone(server.state.get(path));
  assert.ok(lease !== undefined);
  server.state.put(path, { ...lease, spec: { holderIdentity: 'b', leaseDurationSeconds: 3600 } });
  await eventually(() => assert.deepEqual(a.told, ['started', 'lost']));
  server.state.delete(path);
  const c = candidate(server, 'c');
  await eventually(() => assert.ok(c.lease.leading));
  server.state.delete(path);
  await eventually(() => assert.deepEqual(c.told, ['started', 'lost']));
});

test('a machine that slept leads no more when it wakes, although its own clock stood still', async () => {
  const server = await startServer();
  let slept = 0;
  const timing = { durationSeconds: 3600, renewDeadlineSeconds: 1800, retrySeconds: 1000 };
  const a = candidate(server, 'a', { timing, now: () => 5, wall: () => Date.now() + slept });
  await eventually(() => assert.ok(a.lease.leading));
  slept = 2_000_000;
  assert.equal(a.lease.leading, false);
});

test('the time of a leader counts from the sending of its request, not from the answer', async () => {
  const server = await startServer();
  let now = 0;
  server.fault = ({ method }) => {
    if (method !== 'GET') now += 900_000;
    return undefined;
  };
  const timing = { durationSeconds: 3600, renewDeadlineSeconds: 1800, retrySeconds: 1000 };
  const a = candidate(server, 'a', { timing, now: () => now });
  await eventually(() => assert.deepEqual(a.told, ['started']));
  assert.ok(a.lease.leadingSeconds <= 900);
});

test('with faults at random two electors never both lead, and one leads in the end', async () => {
  const server = await startServer();
  const random = seeded(7);
  const faults = ['reset', 'lost', 'stall', 'garbage', 'cut'] as const;
  server.fault = () => {
    if (random() > 0.35) return undefined;
    const kind = faults[Math.floor(random() * faults.length)];
    return kind === undefined ? undefined : { kind };
  };
  const living: Candidate[] = [];
  const onlyOne = () => assert.ok(living.filter(({ lease }) => lease.leading).length <= 1);
  let names = 0;
  const end = performance.now() + 4000;
  while (performance.now() < end) {
    while (living.length < 2) {
      const skew = random() * 1e6;
      const options = { now: () => performance.now() + skew, random };
      living.push(candidate(server, `p${names++}`, options, onlyOne));
    }
    onlyOne();
    for (const one of [...living]) {
      // Who has lost starts anew, as the process would.
      if (one.told.includes('lost')) living.splice(living.indexOf(one), 1);
    }
    await sleep(3);
  }
  server.fault = () => undefined;
  const c = living.find(({ told }) => !told.includes('lost')) ?? candidate(server, 'last');
  if (!living.includes(c)) living.push(c);
  await eventually(() => {
    onlyOne();
    assert.ok(living.some(({ lease }) => lease.leading));
  });
});
