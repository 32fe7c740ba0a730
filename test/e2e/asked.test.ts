// Servers are asked about themselves through their own pools: what they say becomes the sizes, and nobody notices.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type {
  ConnectionBudgetStatus,
  ObservedServer,
} from '../../operator/api/connection-budget.ts';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool-status.ts';
import { connectionBudgets } from '../../operator/reconcile/world.ts';
import { sleep, until } from '../cluster/run.ts';
import { client } from './client.ts';
import { Bench } from './load.ts';
import { killProcesses, operatorLog, takeCluster } from './operator.ts';
import { appPassword, budgetName, inScene, type Scene, settled } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster({ SPILLWAY_ASK_SECONDS: '3' });
});
after(() => giveBack?.());

async function budgetOf({ namespace }: Scene): Promise<ConnectionBudgetStatus> {
  const budget = await client.get(connectionBudgets, { namespace, name: budgetName });
  return (budget?.status ?? {}) as ConnectionBudgetStatus;
}

function observed(
  scene: Scene,
  what: string,
  holds: (words: ObservedServer) => boolean,
): Promise<ObservedServer> {
  return until(what, 90, async () => {
    const words = (await budgetOf(scene)).observed?.find((one) => one.server === 'primary');
    return words !== undefined && holds(words) ? words : undefined;
  });
}

function sourceOf({ sizing }: ConnectionPoolStatus, field: string): string | undefined {
  return sizing?.sources?.find((one) => one.field === field)?.source;
}

/** The server ends and is started again by the kubelet, with the settings of its file. */
async function restart(scene: Scene): Promise<void> {
  const started = async () => {
    const [row] = await scene.root('SELECT pg_postmaster_start_time()::text AS at');
    return String(row?.at);
  };
  const before = await started();
  const [pod] = await scene.servers();
  assert.ok(killProcesses(pod?.metadata.uid ?? '', 'postgres') > 0);
  await until('Postgres is there again', 120, async () => {
    return (await started().catch(() => before)) !== before;
  });
}

describe('a server', { concurrency: 2 }, () => {
  test(
    'is asked through the pool, and sizes follow what it says',
    inScene(
      'asked',
      async (scene) => {
        await scene.pool('shop');
        const words = await observed(scene, 'it is asked', (w) => w.maxConnections === 100);
        const [control] = await scene.root(
          'SELECT system_identifier::text AS id FROM pg_control_system()',
        );
        assert.equal(words.systemIdentifier, control?.id);
        assert.match(words.address ?? '', /^[0-9.]+:5432$/);
        assert.equal(words.superuserReserved, 3);
        assert.equal(words.inRecovery, false);
        const first = await scene.until('shop', (s) => settled(s, 33));
        assert.equal(sourceOf(first, 'maxConnections'), 'asked of the server');
        const before = await scene.identities('shop');

        await scene.root('ALTER SYSTEM SET max_connections = 30');
        await restart(scene);
        await observed(scene, 'it says 30', (w) => w.maxConnections === 30);
        // 30 less 3 reserved and 5 slack.
        await scene.until('shop', (s) => settled(s, 22));
        const caps = Object.values(await scene.running('shop'));
        assert.equal(
          caps.reduce((a, b) => a + b, 0),
          22,
        );

        await scene.root('ALTER SYSTEM RESET max_connections');
        await restart(scene);
        await scene.until('shop', (s) => settled(s, 33));
        assert.deepEqual(await scene.identities('shop'), before);
        assert.doesNotMatch(await operatorLog(), new RegExp(appPassword));
      },
      { cores: 16, maxConnections: null },
    ),
  );

  test(
    'of which the object says more than it has applied is not promised more than it has',
    inScene(
      'pending',
      async (scene) => {
        await scene.pool('shop');
        await scene.until('shop', (s) => settled(s, 22));
        const container = await scene.container();
        const containers = [{ ...container, args: ['-cmax_connections=200', '-cfsync=off'] }];
        await scene.patch('statefulset', 'db', { spec: { template: { spec: { containers } } } });
        const status = await scene.until('shop', (s) =>
          (sourceOf(s, 'maxConnections') ?? '').includes('does not have the 200'),
        );
        assert.equal(status.sizing?.share, 22);
      },
      { cores: 16, maxConnections: 30 },
    ),
  );

  test(
    'is asked in session mode while clients come and go, and no question keeps a connection',
    inScene('visits', async (scene) => {
      await scene.pool('shop', { mode: 'session', sizing: { max: 2 } });
      await observed(scene, 'it is asked', () => true);
      const bench = await Bench.start(scene, 'shop', { clients: 1, rate: 50 });
      // For some questions.
      await sleep(8000);
      const { transactions } = await bench.stop();
      assert.ok(transactions > 100, String(transactions));
      // One may be asked at this very moment; none of them stays.
      const since = new Map<string, number>();
      for (const end = Date.now() + 5000; Date.now() < end; await sleep(200)) {
        const visits = await scene.root(
          "SELECT pid || ' since ' || query_start AS question FROM pg_stat_activity WHERE application_name = 'spillway' AND state <> 'idle'",
        );
        for (const { question } of visits) {
          const first = since.get(String(question)) ?? Date.now();
          since.set(String(question), first);
          assert.ok(Date.now() - first < 2000, `${question} is still there`);
        }
      }
    }),
  );

  test(
    'whose databases let nobody in is not known, and its pool serves all the same',
    inScene('locked', async (scene) => {
      await scene.root('REVOKE CONNECT ON DATABASE app FROM PUBLIC, app');
      await scene.pool('shop', { databases: [{ name: 'app' }] }, false);
      await scene.ready('shop');
      const said = await until('the budget says so', 60, async () => {
        const { conditions = [] } = await budgetOf(scene);
        return conditions.find((one) => one.type === 'ServerAsked');
      });
      assert.equal(said.reason, 'NotAnswered');
      assert.match(said.message, /permission denied|does not|not have/);
      assert.doesNotMatch(said.message, new RegExp(appPassword));
      assert.equal((await scene.status('shop')).sizing?.share, 9);
    }),
  );
});
