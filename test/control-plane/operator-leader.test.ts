// Several operators, and an API server that goes away: one acts at a time, and nothing is lost.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { configMaps, leases, statefulSets } from '../../operator/kube/types.ts';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import { until } from '../cluster/run.ts';
import { Audit, type Written } from './audit.ts';
import type { OperatorProcess } from './operator-process.ts';
import { condition, furnish, openRoom, pool, type Room, system } from './room.ts';

let audit: Audit;
let room: Room;
before(async () => {
  audit = new Audit();
  room = await openRoom({ apiServerFlags: audit.flags });
});
after(async () => {
  await room?.close();
  audit?.remove();
});

/** An operator that the API server can tell from others. */
async function operatorNamed(name: string, env: Record<string, string> = {}) {
  const kubeconfig = await room.plane.kubeconfigFor(name, ['system:masters']);
  return room.operator({ kubeconfig, name, env });
}

async function leaseSpec(): Promise<{ holderIdentity?: string; renewTime?: string }> {
  const lease = await room.client.get(leases, { namespace: system, name: 'spillway' });
  return lease?.spec ?? {};
}

async function holder(): Promise<string | undefined> {
  return (await leaseSpec()).holderIdentity;
}

/** Milliseconds since 1970, by the clock of this machine; 0: never. */
async function renewedAt(): Promise<number> {
  return Date.parse((await leaseSpec()).renewTime ?? '') || 0;
}

/** What an operator wrote, without its lease. */
function work(user: string, namespace?: string): Written[] {
  return audit
    .writes()
    .filter((w) => w.user === user && w.resource !== 'leases')
    .filter((w) => namespace === undefined || w.namespace === namespace);
}

test('when the one that leads is killed another takes over, and never do two act at once', async () => {
  const first = await operatorNamed('first');
  await until('the first leads', 30, () => first.leads());
  const second = await operatorNamed('second');
  await until('the second is ready', 30, async () => (await second.get('/readyz'))?.status === 200);
  await furnish(room.client, 'failover');
  await condition(room.client, 'failover', 'ObjectsApplied', 'True');
  assert.equal((await second.calls()).writes, 0);
  // In the middle of work.
  for (let i = 0; i < 20; i++) {
    await room.client.create(connectionPools, pool('failover', `shop-${i}`));
    if (i === 10) await first.kill();
  }
  await until('the second leads', 40, () => second.leads());
  for (let i = 0; i < 20; i++) {
    const { client } = room;
    await until(`pool ${i} has its objects`, 60, async () => {
      const name = `shop-${i}`;
      return (await client.get(configMaps, { namespace: 'failover', name: `${name}-pooler` }))
        ? true
        : (await reasonOf('failover', name)) === 'BudgetTooSmall';
    });
  }
  await second.quiet();
  const [before, after] = [work('first'), work('second')];
  assert.ok(before.length > 0 && after.length > 0);
  const last = Math.max(...before.map((w) => w.to));
  const next = Math.min(...after.map((w) => w.from));
  assert.ok(next > last, `the second wrote ${last - next} ms before the first had ended`);
  assert.equal(await second.stop(), 0);
});

async function reasonOf(namespace: string, name: string): Promise<string | undefined> {
  const live = await room.client.get(connectionPools, { namespace, name });
  const { conditions = [] } = (live?.status ?? {}) as {
    conditions?: { type: string; reason: string }[];
  };
  return conditions.find((c) => c.type === 'ShareGranted')?.reason;
}

test('SIGTERM ends it well and gives the lease back, so that the next one need not wait', async () => {
  const leaving = await operatorNamed('leaving');
  await until('it leads', 40, () => leaving.leads());
  assert.match((await holder()) ?? '', /^leaving-/);
  const next = await operatorNamed('next');
  await until('the next is ready', 30, async () => (await next.get('/readyz'))?.status === 200);
  await furnish(room.client, 'term');
  assert.equal(await leaving.stop(), 0);
  await until('the next leads', 10, () => next.leads());
  await condition(room.client, 'term', 'ObjectsApplied', 'True');
  await next.quiet();
  assert.equal(await next.stop(), 0);
  assert.equal(await holder(), '');
});

test('every write that says how many connections may be opened names the version that it read', () => {
  const capacity = ['connectionpools', 'connectionbudgets', 'configmaps', 'statefulsets'];
  const writes = audit.writes().filter((w) => {
    const ledger = !w.resource.startsWith('connection') || w.subresource === 'status';
    const operator = ['first', 'second', 'leaving', 'next'].includes(w.user);
    return operator && capacity.includes(w.resource) && ledger && w.verb !== 'delete';
  });
  // A create fails by itself where there is something already.
  const changes = writes.filter((w) => w.verb !== 'create');
  assert.ok(changes.length > 10);
  assert.deepEqual(
    changes.filter((w) => w.version === undefined || w.version === ''),
    [],
  );
});

test('an API server that hangs for a minute, or is gone, costs nothing that was asked for meanwhile', async () => {
  const { client, plane } = room;
  await furnish(client, 'hang');
  let operator: OperatorProcess = await operatorNamed('patient');
  await condition(client, 'hang', 'ObjectsApplied', 'True');
  await operator.quiet();
  plane.pauseApiServer();
  const paused = performance.now();
  // It cannot hold its lease and ends; the kubelet starts it again, which finds nobody to ask.
  const exit = await operator.daemon.exited;
  assert.equal(exit.code, 1, operator.log().slice(-2000));
  operator = await operatorNamed('patient-again');
  await sleep(60_000 - (performance.now() - paused));
  assert.equal((await operator.get('/livez'))?.status, 200);
  assert.notEqual((await operator.get('/readyz'))?.status, 200);
  plane.resumeApiServer();
  const spec = { parameters: { query_wait_timeout: '44' } };
  await client.patch(connectionPools, { namespace: 'hang', name: 'shop' }, { spec });
  await untilFiles('hang', /query_wait_timeout = 44/);
  await operator.quiet();

  const exited = operator.daemon.exited.then(({ code }) => ({ code, at: Date.now() }));
  await plane.stopApiServer();
  await plane.startApiServer();
  const back = Date.now();
  await client.patch(
    connectionPools,
    { namespace: 'hang', name: 'shop' },
    { spec: { parameters: { query_wait_timeout: '45' } } },
  );
  const works = (async () => {
    await untilFiles('hang', /query_wait_timeout = 45/);
    await until('the lease is renewed', 60, async () => (await renewedAt()) > back);
  })();
  works.catch(() => undefined);
  const end = await Promise.race([exited, works]);
  if (end !== undefined) {
    // A machine on which the API server starts slowly: then its lease is over, and the kubelet starts it again.
    assert.equal(end.code, 1, operator.log().slice(-2000));
    const held = end.at - (await renewedAt());
    assert.ok(held > 9900, `it gave up ${held} ms after it had renewed its lease`);
    operator = await operatorNamed('patient-once-more');
    await works;
  }
  await operator.quiet();
  assert.equal(await operator.stop(), 0);
});

async function untilFiles(namespace: string, pattern: RegExp): Promise<void> {
  await until(`the files say ${pattern}`, 60, async () => {
    const map = await room.client.get(configMaps, { namespace, name: 'shop-pooler' });
    return pattern.test(JSON.stringify(map?.data ?? {}));
  });
}

test('two that both believe to lead do not fight, and do not give the same connections twice', async () => {
  const { client } = room;
  const env = { SPILLWAY_LEADER_ELECTION: 'false' };
  const [one, other] = [await operatorNamed('one', env), await operatorNamed('other', env)];
  const namespace = 'both';
  await furnish(client, namespace);
  let most = 0;
  let over = false;
  const looking = (async () => {
    while (!over) {
      const { items } = await client.list(connectionBudgets, { namespace });
      const status = (items[0]?.status ?? {}) as { allotments?: { connections: number }[] };
      const sum = status.allotments?.reduce((total, row) => total + row.connections, 0) ?? 0;
      most = Math.max(most, sum);
      await sleep(20);
    }
  })();
  for (const name of ['a', 'b', 'c']) await client.create(connectionPools, pool(namespace, name));
  for (const total of [20, 8, 30, 12]) {
    const ref = { namespace, name: 'statefulset-db' };
    await until(
      'a budget',
      20,
      async () => (await client.get(connectionBudgets, ref)) !== undefined,
    );
    await client.patch(connectionBudgets, ref, { spec: { total } });
    await sleep(300);
  }
  await condition(client, namespace, 'ObjectsApplied', 'True');
  await Promise.all([one.quiet(), other.quiet()]);
  over = true;
  await looking;
  assert.ok(most > 0 && most <= 30, `${most} of at most 30`);
  const set = await client.get(statefulSets, { namespace, name: 'shop-pooler' });
  assert.ok(set !== undefined);
  const done = work('one', namespace).length + work('other', namespace).length;
  await sleep(1000);
  assert.equal(work('one', namespace).length + work('other', namespace).length, done);
});
