// What happens to the pools of one Postgres: random, from a seed, and remembered.
import { pods as podType } from '../../../operator/kube/types.ts';
import { connectionBudgets, connectionPools } from '../../../operator/reconcile/world.ts';
import { kubectl } from '../../cluster/e2e.ts';
import type { Random } from '../../core/simulator/random.ts';
import { client } from '../client.ts';
import {
  deleteOperatorPods,
  killOperator,
  killProcesses,
  startOperator,
  stopOperator,
} from '../operator.ts';
import { budgetName, poolKind, type Scene } from '../scene.ts';
import { Crowd, type Doors } from './crowd.ts';

/** What a pool is asked for; its clients use all of it. */
interface Pool {
  readonly name: string;
  readonly shape: 'any' | 'listed' | 'session';
  users: string[];
  databases: string[];
  crowd: Crowd;
}

export const roles = ['app', 'two', 'three'] as const;
export const databaseNames = ['app', 'd1', 'd2', 'd3'] as const;
const poolNames = ['alpha', 'beta', 'gamma', 'delta'] as const;
/** The least gives each pool one pod, the most is more than all of their pods need. */
export const totals = { least: 8, most: 26 } as const;

type Operation = (random: Random) => Promise<string>;

export class Operations {
  /** What was done, in words. */
  readonly done: string[] = [];
  total: number = totals.most;
  readonly #scene: Scene;
  readonly #pools = new Map<string, Pool>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  get pools(): readonly (Doors & { readonly name: string })[] {
    return [...this.#pools.values()];
  }

  /** One operation. */
  async next(random: Random): Promise<void> {
    const [name, work] = random.pick(this.#choice);
    this.done.push(`${name}: ${await work(random)}`);
  }

  /** By kind, how often. */
  get counts(): string {
    const counts = new Map<string, number>();
    for (const line of this.done) {
      const [kind = ''] = line.split(':');
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return [...counts].map(([kind, n]) => `${kind} ${n}`).join(', ');
  }

  /** Clients of all pools leave, or come back. */
  async quieten(): Promise<void> {
    await Promise.all([...this.#pools.values()].map(({ crowd }) => crowd.stop()));
  }
  resume(): void {
    for (const pool of this.#pools.values()) pool.crowd = this.#crowd(pool);
  }

  readonly #whereLedgerIs: readonly (readonly [string, Operation])[] = [
    ['total', (r) => this.#setTotal(totals.least + r.below(totals.most - totals.least + 1))],
    ['weight', (r) => this.#patch(r, { sizing: { weight: 1 + r.below(5) } })],
    ['min', (r) => this.#patch(r, { sizing: { min: 1 + r.below(4) } })],
    ['replicas', (r) => this.#patch(r, { pooler: { replicas: 1 + r.below(3) } })],
    ['replicas', (r) => this.#patch(r, { pooler: { replicas: 1 + r.below(3) } })],
    ['processes', (r) => this.#patch(r, { pooler: { processes: 1 + r.below(2) } })],
    ['scale', (r) => this.#scale(r)],
    [
      'parameter',
      (r) => this.#patch(r, { parameters: { query_wait_timeout: `${60 + r.below(60)}` } }),
    ],
    ['entries', (r) => this.#entries(r)],
    ['roll', (r) => this.#roll(r)],
    ['pause', (r) => this.#pause(r)],
    ['create', (r) => this.create(r)],
    ['delete', (r) => this.#delete(r)],
    ['again', (r) => this.#again(r)],
    ['pod deleted', (r) => this.#deletePod(r)],
    ['pod deleted', (r) => this.#deletePod(r)],
    ['pgbouncer killed', (r) => this.#killPooler(r)],
  ];
  readonly #choice: readonly (readonly [string, Operation])[] = [
    ...this.#whereLedgerIs,
    ['operator killed', () => this.#killOperator()],
    ['operator replaced', () => deleteOperatorPods().then(String)],
    ['operator down', (r) => this.#operatorDown(r)],
  ];

  async #setTotal(total: number): Promise<string> {
    const { namespace } = this.#scene;
    await client.patch(connectionBudgets, { namespace, name: budgetName }, { spec: { total } });
    this.total = total;
    return String(total);
  }

  #any(random: Random): Pool {
    return random.pick([...this.#pools.values()]);
  }

  async #patch(random: Random, spec: object): Promise<string> {
    const { name } = this.#any(random);
    const { namespace } = this.#scene;
    await client.patch(connectionPools, { namespace, name }, { spec });
    return `${name} ${JSON.stringify(spec)}`;
  }

  /** What no running pod can take on: all are replaced, one after the other. */
  #roll(random: Random): Promise<string> {
    const podAnnotations = { 'example.com/roll': String(this.done.length) };
    return this.#patch(random, { pooler: { podAnnotations } });
  }

  /** It ends by itself, whoever leads then. */
  #pause(random: Random): Promise<string> {
    const until = new Date(Date.now() + 1000 + random.below(4000)).toISOString();
    return this.#patch(random, { pause: { until } });
  }

  async #scale(random: Random): Promise<string> {
    const { name } = this.#any(random);
    const replicas = 1 + random.below(3);
    const { namespace } = this.#scene;
    await kubectl(['scale', poolKind, name, `--replicas=${replicas}`, `--namespace=${namespace}`]);
    return `${name} ${replicas}`;
  }

  /** A database or a user comes or goes; its clients with it. */
  async #entries(random: Random): Promise<string> {
    const pool = this.#any(random);
    const { namespace } = this.#scene;
    const count = 1 + random.below(2);
    if (pool.shape === 'listed') pool.databases = someOf(random, databaseNames, count + 1);
    else pool.users = someOf(random, roles, count);
    const { users, databases } = specOf(pool);
    await client.patch(
      connectionPools,
      { namespace, name: pool.name },
      { spec: { users, databases } },
    );
    const before = pool.crowd;
    pool.crowd = this.#crowd(pool);
    void before.stop().catch(() => undefined);
    return `${pool.name} ${pool.users} in ${pool.databases}`;
  }

  #crowd(pool: Omit<Pool, 'crowd'>): Crowd {
    return new Crowd(this.#scene, pool.name, pool);
  }

  async create(random: Random): Promise<string> {
    const free = poolNames.filter((name) => !this.#pools.has(name));
    if (free.length === 0) return 'there are all of them';
    const shape = random.pick(['any', 'listed', 'session'] as const);
    return this.#make(random.pick(free), shape, random);
  }

  async #make(name: string, shape: Pool['shape'], random: Random): Promise<string> {
    const asked = {
      name,
      shape,
      users: shape === 'any' ? someOf(random, roles, 2) : [random.pick(roles)],
      databases:
        shape === 'listed' ? someOf(random, databaseNames, 2) : [...databaseNames.slice(0, 2)],
    };
    const replicas = 1 + random.below(3);
    await this.#scene.pool(
      name,
      {
        ...specOf(asked),
        sizing: { weight: 1 + random.below(3) },
        pooler: { replicas, drainSeconds: 5 },
      },
      false,
    );
    this.#pools.set(name, { ...asked, crowd: this.#crowd(asked) });
    return `${name}, ${shape}, ${replicas} pods`;
  }

  async #delete(random: Random): Promise<string> {
    if (this.#pools.size < 2) return 'it is the last one';
    const pool = this.#any(random);
    await this.#remove(pool);
    return pool.name;
  }

  async #remove(pool: Pool): Promise<void> {
    this.#pools.delete(pool.name);
    await client.delete(connectionPools, { namespace: this.#scene.namespace, name: pool.name });
    void pool.crowd.stop().catch(() => undefined);
  }

  /** Deleted, and made again at once under the same name. */
  async #again(random: Random): Promise<string> {
    const pool = this.#any(random);
    await this.#remove(pool);
    return this.#make(pool.name, pool.shape, random);
  }

  async #deletePod(random: Random): Promise<string> {
    const pod = await this.#anyPod(random);
    if (pod === undefined) return 'there is none';
    const { name, namespace } = pod.metadata;
    // In one second it is killed in the middle of whatever it does.
    const grace = random.chance(50) ? { gracePeriodSeconds: 1 } : {};
    await client.delete(podType, { name, namespace }, grace);
    return `${name} ${JSON.stringify(grace)}`;
  }

  async #killPooler(random: Random): Promise<string> {
    const pod = await this.#anyPod(random);
    if (pod === undefined) return 'there is none';
    return `${pod.metadata.name} ${killProcesses(pod.metadata.uid ?? '', 'pgbouncer')}`;
  }

  async #anyPod(random: Random) {
    const { namespace } = this.#scene;
    const labelSelector = `spillway.dev/pool in (${[...this.#pools.keys()]})`;
    const { items } = await client.list(podType, { namespace, labelSelector });
    return items.length === 0 ? undefined : random.pick(items);
  }

  async #killOperator(): Promise<string> {
    // It may not be up again since the last time.
    return killOperator().then(
      () => 'killed',
      (error: Error) => error.message,
    );
  }

  /** Some other things happen while there is none. */
  async #operatorDown(random: Random): Promise<string> {
    await stopOperator();
    const count = 1 + random.below(3);
    for (let i = 0; i < count; i++) {
      const [name, work] = random.pick(this.#whereLedgerIs);
      this.done.push(`${name}: ${await work(random)} (no operator)`);
    }
    await startOperator();
    return `for ${count} of the above`;
  }
}

function someOf(random: Random, names: readonly string[], count: number): string[] {
  const rest = [...names];
  const some: string[] = [];
  while (some.length < count && rest.length > 0) {
    const one = random.pick(rest);
    rest.splice(rest.indexOf(one), 1);
    some.push(one);
  }
  return some.sort();
}

function specOf({ shape, users, databases }: Pick<Pool, 'shape' | 'users' | 'databases'>) {
  return {
    mode: shape === 'session' ? 'session' : 'transaction',
    users: users.map((name) => ({ name, secretRef: { name: 'app' } })),
    databases: shape === 'listed' ? databases.map((name) => ({ name })) : [{ name: '*' }],
  };
}
