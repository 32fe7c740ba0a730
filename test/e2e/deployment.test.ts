// A pool whose pods are those of a Deployment: what they open together stays within the budget while they are replaced,
// added and taken away, and whatever is left of it goes with the pool.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool-status.ts';
import { pods as podType } from '../../operator/kube/types.ts';
import { connectionBudgets, connectionPools, statusOf } from '../../operator/reconcile/world.ts';
import { get, kubectl, list, psql } from '../cluster/e2e.ts';
import { sleep, until } from '../cluster/run.ts';
import { Cancels } from './cancels.ts';
import { client } from './client.ts';
import { checkHeld } from './invariant/judge.ts';
import { heldIn, Watch } from './load.ts';
import { takeCluster } from './operator.ts';
import { budgetName, conditionOf, inScene, type Pod, pg, poolKind, type Scene } from './scene.ts';

let giveBack: (() => Promise<void>) | undefined;
before(async () => {
  giveBack = await takeCluster();
});
after(() => giveBack?.());

const spec = { pooler: { workload: 'Deployment', drainSeconds: 5 } };
/** 8 cores: a budget of 17; 2 replicas are 5 pods at most with 3 each, 3 are 7 with 2 each. */
const postgres = { cores: 8 };

/** Clients at every pod that there is, past the Service, which would lead all of one address to one pod. */
class Everywhere {
  readonly #scene: Scene;
  /** Addresses at which clients are. */
  readonly #at = new Set<string>();
  #stopped = false;
  done = 0;
  readonly #end: Promise<void>;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#end = this.#run();
    scene.onRemove(() => this.stop());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#end;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const pods = await this.#scene.pods('shop');
      const there = new Set(pods.flatMap(({ status }) => status?.podIP ?? []));
      for (const host of this.#at) if (!there.has(host)) this.#at.delete(host);
      for (const host of there) {
        if (this.#at.has(host)) continue;
        this.#at.add(host);
        for (let n = 0; n < 8; n++) void this.#work(host);
      }
      await sleep(200);
    }
  }

  /** Until the pod is gone. */
  async #work(host: string): Promise<void> {
    while (this.#at.has(host) && !this.#stopped) {
      const one = new pg.Client({
        ...this.#scene.login('shop'),
        host,
        connectionTimeoutMillis: 2000,
      });
      one.on('error', () => undefined);
      try {
        await one.connect();
        while (!this.#stopped) {
          await one.query('SELECT pg_sleep(0.02)');
          this.done += 1;
        }
      } catch {
        await sleep(250);
      } finally {
        void one.end().catch(() => undefined);
      }
    }
  }
}

/** Every status of the pool, until it is stopped. */
class Statuses {
  readonly seen: ConnectionPoolStatus[] = [];
  #stopped = false;
  readonly #end: Promise<void>;

  constructor({ namespace }: Scene) {
    this.#end = (async () => {
      while (!this.#stopped) {
        const pool = await client.get(connectionPools, { namespace, name: 'shop' });
        if (pool !== undefined) this.seen.push(statusOf(pool));
        await sleep(100);
      }
    })();
  }

  async stop(): Promise<ConnectionPoolStatus[]> {
    this.#stopped = true;
    await this.#end;
    return this.seen;
  }
}

const names = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name).sort();

/** What the process of each pod may open that is to stay. One that was asked while it ended is not in the next list. */
async function running(scene: Scene): Promise<number[]> {
  return until('every pod answers', 30, async () => {
    const pods = (await scene.pods('shop')).filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );
    return Promise.all(
      pods.map(async ({ status }) => {
        const users = await scene.consoleAt('shop', status?.podIP ?? '', 'SHOW USERS');
        return Number(users.find((user) => user.name === 'app')?.pool_size);
      }),
    );
  });
}

/** The pool is ready with so many pods, and its grant is for `most` of them with `each`. */
function shared(scene: Scene, pods: number, most: number, each: number) {
  return scene.until(
    'shop',
    (status) =>
      conditionOf(status, 'Ready')?.status === 'True' &&
      status.replicas === pods &&
      status.grants?.[0]?.pods === most &&
      status.grants[0].connections === most * each,
    120,
  );
}

/** Waits until none of `before` is there, and as many others serve. */
async function replaced(scene: Scene, before: readonly string[]): Promise<void> {
  await until('all pods are others', 120, async () => {
    const now = names(await scene.pods('shop'));
    return now.length === before.length && now.every((name) => !before.includes(name));
  });
  await scene.ready('shop', 120);
}

describe('a Deployment', { concurrency: 2 }, () => {
  test(
    'rolls, scales and loses pods under load within the budget, and leaves nothing',
    inScene(
      'deploy',
      async (scene) => {
        const { namespace } = scene;
        await scene.pool('shop', spec);
        const status = await shared(scene, 2, 5, 3);
        assert.deepEqual(status.sizing?.perPod, [3, 3]);
        assert.equal(status.confirmed, '2/2');
        const within = conditionOf(status, 'WithinBudget');
        assert.equal(within?.reason, 'Bounded');
        assert.match(within?.message ?? '', /At most 5 pods × 3 = 15 of 17 connections/);
        assert.deepEqual(await running(scene), [3, 3]);
        assert.equal(await get('statefulset', 'shop-pooler', namespace), undefined);
        assert.equal(await get('service', 'shop-pooler', namespace), undefined);
        const [row] = await psql(scene.login('shop'), 'SELECT current_user AS name');
        assert.equal(row?.name, 'app');

        const statuses = new Statuses(scene);
        const watch = new Watch(scene);
        const load = new Everywhere(scene);
        const identities = await scene.identities('shop');
        await scene.patch(poolKind, 'shop', { spec: { parameters: { query_wait_timeout: '77' } } });
        await until('both processes have the parameter', 60, async () => {
          const pods = await scene.pods('shop');
          const values = await Promise.all(
            pods.map(async ({ status: { podIP = '' } = {} }) => {
              const config = await scene.consoleAt('shop', podIP, 'SHOW CONFIG');
              return config.find((one) => one.key === 'query_wait_timeout')?.value;
            }),
          );
          return values.every((value) => value === '77');
        });
        assert.deepEqual(await scene.identities('shop'), identities, 'no pod was restarted');

        let before = names(await scene.pods('shop'));
        const restart = ['rollout', 'restart', 'deployment/shop-pooler'];
        await kubectl([...restart, `--namespace=${namespace}`]);
        await replaced(scene, before);

        before = names(await scene.pods('shop'));
        const pooler = { podAnnotations: { colour: 'blue' } };
        await scene.patch(poolKind, 'shop', { spec: { pooler } });
        await replaced(scene, before);
        for (const { metadata } of await scene.pods('shop')) {
          assert.equal(metadata.annotations?.colour, 'blue');
        }

        // Only a restart applies it, and the template says nothing of it.
        before = names(await scene.pods('shop'));
        await scene.patch(poolKind, 'shop', { spec: { parameters: { listen_backlog: '256' } } });
        await replaced(scene, before);

        const scale = (n: number) =>
          kubectl(['scale', poolKind, 'shop', `--replicas=${n}`, `--namespace=${namespace}`]);
        await scale(3);
        await shared(scene, 3, 7, 2);
        assert.deepEqual(await running(scene), [2, 2, 2]);
        await scale(2);
        await shared(scene, 2, 5, 3);
        assert.deepEqual(await running(scene), [3, 3]);

        const [victim] = names(await scene.pods('shop'));
        await kubectl(['delete', 'pod', victim ?? '', `--namespace=${namespace}`, '--wait=false']);
        const replacedAfter = Date.now();
        await until('another pod serves while the first one ends', 60, async () => {
          const { items } = await client.list(podType, {
            namespace,
            labelSelector: 'spillway.dev/pool=shop',
          });
          const ready = items.filter(({ metadata, status: said }) => {
            const { conditions = [] } = (said ?? {}) as NonNullable<Pod['status']>;
            const isReady = conditions.some((c) => c.type === 'Ready' && c.status === 'True');
            return metadata.deletionTimestamp === undefined && isReady;
          });
          return ready.length === 2;
        });
        console.log(`a deleted pod was replaced after ${Date.now() - replacedAfter} ms`);
        await shared(scene, 2, 5, 3);

        await load.stop();
        const looks = await watch.stop();
        console.log(
          `${load.done} queries, at most ${watch.max('sessions')} sessions of 17, grants ${watch.max('grants')}`,
        );
        assert.ok(load.done > 500);
        assert.ok(watch.max('grants') <= 17 && watch.max('rows') <= 17);
        // At once it was more than 2 pods may have: pods that ended were counted.
        assert.ok(watch.max('sessions') > 6, `${watch.max('sessions')}`);
        checkHeld(heldIn(looks), 17);
        const reasons = (await statuses.stop()).map((one) => conditionOf(one, 'WithinBudget'));
        const others = reasons
          .filter((one) => one?.reason !== 'Bounded')
          .map((one) => one?.message);
        assert.deepEqual([...new Set(others)], []);

        await kubectl(['delete', poolKind, 'shop', `--namespace=${namespace}`, '--wait=false']);
        await until('nothing is left', 120, async () => {
          const left = await Promise.all([
            scene.pods('shop'),
            list('deployments,configmaps,services', namespace, 'spillway.dev/pool=shop'),
          ]);
          const budget = await client.get(connectionBudgets, { namespace, name: budgetName });
          return left.flat().length === 0 && budget === undefined;
        });
      },
      postgres,
    ),
  );

  test(
    'cancels of a client go to the pod that has its query',
    inScene(
      'cancels',
      async (scene) => {
        await scene.pool('shop', { pooler: { ...spec.pooler, replicas: 3 } });
        const cancels = new Cancels(scene, 'shop', 2);
        await until('40 cancels', 120, async () => cancels.report.arrived.length >= 40);
        const { lost, unborn } = await cancels.stop();
        assert.deepEqual([...lost, ...unborn], []);
      },
      postgres,
    ),
  );
});
