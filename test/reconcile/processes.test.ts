// A pod with two processes on one port: each has a record and a count of its own, and the pod is what both of them are.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { DRAINING_ANNOTATION, SERVING_LABEL } from '../../operator/core/pool/labels.ts';
import { fileKey, peerIdOf, socketOf } from '../../operator/core/pool/names.ts';
import { containerName } from '../../operator/core/pool/paths.ts';
import { processKey } from '../../operator/core/pool/read.ts';
import type { Console, ConsoleAddress } from '../../operator/engines/engine.ts';
import { console as admin } from '../../operator/engines/pgbouncer/console.ts';
import { pgbouncer } from '../../operator/engines/pgbouncer/index.ts';
import type { Client } from '../../operator/kube/client.ts';
import { Consoles } from '../../operator/reconcile/consoles.ts';
import { Drains } from '../../operator/reconcile/drains.ts';
import { podKeysOf } from '../../operator/reconcile/pod-keys.ts';
import { silentPods } from '../../operator/reconcile/pool-progress.ts';
import { createLog } from '../../operator/runtime/log.ts';
import { Turns } from '../../operator/runtime/turns.ts';
import { type Postgres, reservePort, startPostgres } from '../cluster/processes.ts';
import { eventually, holderConfig, type Pooler, startPooler } from '../engines/pooler.ts';
import {
  hostOf,
  identity,
  names,
  noRenewals,
  object,
  podKey,
  podName,
  podUid,
  put,
  worldOf,
} from './stores.ts';

const web = { name: 'web', secret: 'w' };
const PROCESSES = [0, 1];
const EPOCH = 1;
let postgres: Postgres;
let poolers: Pooler[] = [];
before(async () => {
  postgres = await startPostgres({
    users: [{ name: web.name, password: web.secret }],
    databases: ['a'],
  });
  const port = await reservePort();
  poolers = [];
  for (const process of PROCESSES) {
    const config = holderConfig(postgres, {
      generation: process + 1,
      databases: [{ name: 'a' }],
      users: [web],
      caps: [{ name: 'a', connections: 2 }],
      peerId: peerIdOf(0, process),
      socket: socketOf(process),
    });
    poolers.push(await startPooler(config, [web], {}, port));
  }
});
after(async () => {
  for (const one of poolers) await one.stop();
  await postgres?.stop();
});

const keyOfProcess = (process: number) => fileKey(`${podName(0)}-${process}`, identity.uid, EPOCH);

function podOfTwo(drainingSince?: string) {
  const made = object('Pod', podName(0), {
    spec: {
      containers: PROCESSES.map((process) => ({
        name: containerName(process),
        args: [`/etc/spillway/config/$(POD_NAME)-${process}.${identity.uid}.${EPOCH}.ini`],
      })),
    },
    status: {
      podIP: hostOf(0),
      containerStatuses: PROCESSES.map((process) => ({
        name: containerName(process),
        state: { running: {} },
      })),
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  });
  if (drainingSince === undefined) return made;
  const labels = { ...made.metadata.labels, [SERVING_LABEL]: 'false' };
  const annotations = { [DRAINING_ANNOTATION]: drainingSince };
  return { ...made, metadata: { ...made.metadata, labels, annotations } };
}

function operatorOf(drainingSince?: string) {
  const world = worldOf([podOfTwo(drainingSince)]);
  put(world.pools, [
    object('ConnectionPool', 'shop', {
      spec: { databases: [{ name: 'a' }], pooler: { drainSeconds: 600 } },
      status: {},
    }),
  ]);
  put(world.configMaps, [
    object('ConfigMap', names.configMap, {
      data: Object.fromEntries(
        PROCESSES.map((process) => [keyOfProcess(process), poolers[process]?.text() ?? '']),
      ),
    }),
  ]);
  const at = (address: ConsoleAddress) => ({
    ...address,
    host: '127.0.0.1',
    port: poolers[0]?.port ?? 1,
  });
  const asker: Console = {
    ...admin,
    observe: (address) => admin.observe(at(address)),
    reload: (address) => admin.reload(at(address)),
    closeClients: (address, choose) => admin.closeClients(at(address), choose),
  };
  const turns = new Turns();
  const consoles = new Consoles({
    world,
    client: { patch: async () => podOfTwo(drainingSince) } as unknown as Client,
    engine: pgbouncer,
    console: asker,
    onChange: () => undefined,
    onLook: () => undefined,
    renewals: noRenewals,
    turns,
  });
  const drains = new Drains({
    world,
    engine: pgbouncer,
    console: asker,
    consoles,
    turns,
    onChange: () => undefined,
    onPaused: () => undefined,
  });
  const run = {
    id: '1',
    log: createLog('silent'),
    signal: new AbortController().signal,
    failures: 0,
  };
  return { world, consoles, drains, run };
}

const keyAt = (process: number) => `${podKey(0)}${process === 0 ? '' : `/${process}`}`;

test('each process of a pod has a key, and a record of what it said itself', async () => {
  const { world, consoles, run } = operatorOf();
  assert.deepEqual(podKeysOf(world, 'shop/shop'), PROCESSES.map(keyAt));
  for (const process of PROCESSES) await consoles.reconcile(keyAt(process), run);
  for (const process of PROCESSES) {
    const record = consoles.records.get(processKey(podUid(0), process));
    assert.equal(record?.follows, true);
    assert.equal(record.podUid, podUid(0));
    const mark = pgbouncer.markOf(poolers[process]?.text() ?? '')?.text;
    assert.equal(record.observation?.mark?.text, mark);
  }
  const pod = world.pods.get('shop', podName(0));
  assert.ok(pod);
  consoles.forget(pod);
  assert.equal(consoles.records.size, 0);
});

test('a process that does not answer is named with its number', async () => {
  const { world, consoles, run } = operatorOf();
  poolers[1]?.signal('SIGSTOP');
  try {
    // Its sibling is asked too: every other connection comes to the one that hangs, and is given up for another.
    await eventually(
      'the process is named',
      async () => {
        for (const process of PROCESSES) await consoles.reconcile(keyAt(process), run);
        return silentPods({ consoles }, world.podsOf('shop', 'shop'));
      },
      (silent) => silent.some((line) => line.startsWith(`${podName(0)} process 1: `)),
      60,
    );
  } finally {
    poolers[1]?.signal('SIGCONT');
  }
});

test('a pod that is drained has as many clients as both of its processes, and none when both have none', async () => {
  const port = poolers[0]?.port ?? 1;
  const login = { host: '127.0.0.1', port, user: web.name, password: web.secret, database: 'a' };
  const clients = Array.from({ length: 12 }, () => new pg.Client(login));
  for (const one of clients) one.on('error', () => undefined);
  await Promise.all(clients.map((one) => one.connect()));
  // Each has said something, so that it is no login.
  await Promise.all(clients.map((one) => one.query('BEGIN').then(() => one.query('COMMIT'))));
  const { drains, run } = operatorOf(new Date(Date.now() - 60_000).toISOString());
  const pod = podOfTwo(new Date(Date.now() - 60_000).toISOString());
  assert.equal(drains.clientsOf(pod), undefined);
  await drains.reconcile(keyAt(0), run);
  assert.equal(drains.clientsOf(pod), undefined, 'half of the pod says nothing of the whole');
  await drains.reconcile(keyAt(1), run);
  assert.equal(drains.clientsOf(pod), clients.length);
  await eventually(
    'both have closed their idle clients',
    async () => {
      for (const process of PROCESSES) await drains.reconcile(keyAt(process), run);
      return drains.clientsOf(pod);
    },
    (left) => left === 0,
    30,
  );
  await Promise.all(clients.map((one) => one.end().catch(() => undefined)));
});
