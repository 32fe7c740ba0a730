// What happens to a pool in operation, each case from its beginning until all is settled again.
import assert from 'node:assert/strict';
import { psql, tryKubectl } from '../../cluster/e2e.ts';
import { until } from '../../cluster/run.ts';
import { restartOperator } from '../operator.ts';
import { budgetKind, budgetName, type Pod, poolKind, type Scene, settled } from '../scene.ts';

export interface Case {
  readonly name: string;
  /** Pods go, with the connections of their clients. */
  readonly podsGo: boolean;
  /** A password that clients have to know before. */
  readonly password?: string;
  run(scene: Scene): Promise<void>;
}

export const pool = 'shop';

/** Of a Postgres with 4 cores. */
const share = 9;

/** Short, so that clients that are never idle let no test wait. */
export const spec = { pooler: { replicas: 2, drainSeconds: 5 } };

const patch = (scene: Scene, change: object) => scene.patch(poolKind, pool, { spec: change });

async function scale(scene: Scene, replicas: number): Promise<void> {
  await patch(scene, { pooler: { replicas } });
  await scene.until(pool, (status) => settled(status, share) && status.replicas === replicas);
  await until('the others are gone', 90, async () => (await scene.pods(pool)).length === replicas);
}

async function newPassword(scene: Scene, password: string): Promise<void> {
  await scene.root(`ALTER ROLE app PASSWORD '${password}'`);
  await scene.patch('secret', 'app', { stringData: { password } });
  for (const { metadata } of await scene.pods(pool)) {
    const host = `${metadata.name}.${pool}-pooler.${scene.namespace}.svc.cluster.local`;
    const login = { ...scene.login(pool, password), host };
    await until(`${metadata.name} knows the password`, 60, () => psql(login, 'SELECT 1'));
  }
}

/** As `kubectl drain` asks for it; false when the disruption budget says no. */
async function evict(scene: Scene, pod: string): Promise<boolean> {
  const { namespace } = scene;
  const body = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: pod, namespace },
  };
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/eviction`;
  const { code, stderr } = await tryKubectl(['create', `--raw=${path}`, '--filename=-'], {
    input: JSON.stringify(body),
  });
  if (code !== 0 && !/disruption budget/i.test(stderr)) throw new Error(stderr);
  return code === 0;
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;
}

async function replaced(scene: Scene, name: string, uid: string | undefined): Promise<void> {
  await until(`another ${name} serves`, 120, async () => {
    const pods = await scene.pods(pool);
    const now = pods.find(({ metadata }) => metadata.name === name);
    return now !== undefined && now.metadata.uid !== uid && isReady(now);
  });
  await scene.ready(pool);
}

const password = 'rotated-91c4-secret';

export const cases: readonly Case[] = [
  {
    name: 'size change',
    podsGo: false,
    run: async (scene) => {
      for (const [total, size] of [
        [6, 6],
        [null, share],
      ] as const) {
        await scene.patch(budgetKind, budgetName, { spec: { total } });
        await scene.until(pool, (status) => settled(status, size));
      }
    },
  },
  {
    name: 'parameter change',
    podsGo: false,
    run: async (scene) => {
      await patch(scene, { parameters: { query_wait_timeout: '77' } });
      await scene.ready(pool);
      for (const { metadata } of await scene.pods(pool)) {
        assert.equal(await scene.setting(pool, metadata.name, 'query_wait_timeout'), '77');
      }
    },
  },
  {
    name: 'operator restart',
    podsGo: false,
    run: async (scene) => {
      await restartOperator();
      await patch(scene, { parameters: { query_wait_timeout: '78' } });
      await scene.ready(pool);
    },
  },
  // First down: holding clients do not come to a new pod by themselves.
  { name: 'scale down', podsGo: true, run: (scene) => scale(scene, 1) },
  { name: 'scale up', podsGo: false, run: (scene) => scale(scene, 2) },
  {
    name: 'image roll',
    podsGo: true,
    run: async (scene) => {
      const before = await scene.pods(pool);
      await patch(scene, { pooler: { podAnnotations: { 'example.com/roll': 'again' } } });
      for (const { metadata } of before) await replaced(scene, metadata.name, metadata.uid);
    },
  },
  {
    name: 'node drain',
    podsGo: true,
    run: async (scene) => {
      // Who holds a connection has it to the second pod, since the first was replaced last.
      const [first, second] = await scene.pods(pool);
      const { name = '', uid } = second?.metadata ?? {};
      await until('the disruption budget allows it', 30, () => evict(scene, name));
      assert.equal(await evict(scene, first?.metadata.name ?? ''), false);
      await replaced(scene, name, uid);
    },
  },
  // The last, because pgbench knows the first password only.
  {
    name: 'password change',
    podsGo: false,
    password,
    run: (scene) => newPassword(scene, password),
  },
];
