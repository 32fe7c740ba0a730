// One test's world: a namespace with the Pod Security level "restricted", a Postgres in it, and pools before it.
import pg from 'pg';
import type { ConnectionBudgetStatus } from '../../operator/api/connection-budget.ts';
import type { ConnectionPoolStatus } from '../../operator/api/connection-pool-status.ts';
import { connectionBudgets, connectionPools } from '../../operator/reconcile/world.ts';
import {
  apply,
  execIn,
  get,
  kubectl,
  type Login,
  list,
  makeNamespace,
  psql,
  type Resource,
  situation,
} from '../cluster/e2e.ts';
import { postgresImage } from '../cluster/image-names.ts';
import { until } from '../cluster/run.ts';
import { client } from './client.ts';

export const poolKind = 'connectionpools.spillway.dev';
export const budgetKind = 'connectionbudgets.spillway.dev';
export const budgetName = 'statefulset-db';
/** Of the role `app`, which the pools are for. */
export const appPassword = 'app-0f3b-secret';
const rootPassword = 'root-77aa-secret';

export type Pod = Resource & {
  status?: {
    podIP?: string;
    conditions?: { type: string; status: string }[];
    containerStatuses?: { restartCount: number; containerID?: string }[];
  };
};

export interface PostgresOptions {
  /** The optimum is 2 × cores + 1. */
  readonly cores?: number;
  /** Null: its command line says nothing of them. */
  readonly maxConnections?: number | null;
}

/** Looks every `pause` ms; where it takes too long, the error tells the situation. */
async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  options: { namespace: string; seconds?: number; pause?: number },
): Promise<T> {
  const { namespace, seconds = 60, pause = 250 } = options;
  return until(what, seconds, look, pause).catch(async (error: Error) => {
    const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
    throw new Error(`${error.message}${cause}\n${await situation(namespace)}`);
  });
}

export class Scene {
  readonly namespace: string;

  private constructor(namespace: string) {
    this.namespace = namespace;
  }

  readonly #ends: (() => Promise<unknown>)[] = [];

  /** What is to be ended with the scene, however its test ends. */
  onRemove(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  /** Deletes all of it; pods that drain are gone within seconds, and nobody waits for them. */
  async remove(): Promise<void> {
    await Promise.allSettled(this.#ends.map((end) => end()));
    await kubectl(['delete', 'namespace', this.namespace, '--wait=false']);
  }

  /** Returns when Postgres answers and has its role `app` with a database `app` filled for pgbench. */
  static async make(name: string, options: PostgresOptions = {}): Promise<Scene> {
    const { name: namespace } = await makeNamespace(name);
    const scene = new Scene(namespace);
    await apply([...postgresObjects(namespace, options)]);
    await waitFor('Postgres answers', () => scene.root('SELECT 1'), { seconds: 120, namespace });
    await scene.root(`CREATE ROLE app LOGIN PASSWORD '${appPassword}'`);
    await scene.root('CREATE DATABASE app OWNER app');
    return scene;
  }

  /** One statement as superuser, directly at the server. */
  root(sql: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
    return psql({ ...this.rootLogin, database }, sql);
  }

  get rootLogin(): Login {
    const host = `db-0.db.${this.namespace}.svc.cluster.local`;
    return { host, user: 'postgres', password: rootPassword, database: 'postgres' };
  }

  /** Applies a pool; waits until it is Ready unless told not to. */
  async pool(
    name: string,
    spec: Readonly<Record<string, unknown>> = {},
    wait = true,
  ): Promise<void> {
    const { pooler = {}, ...more } = spec as { pooler?: object };
    const object = {
      apiVersion: 'spillway.dev/v1alpha1',
      kind: 'ConnectionPool',
      metadata: { name, namespace: this.namespace },
      spec: {
        postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'db' } },
        users: [{ name: 'app', secretRef: { name: 'app' } }],
        pooler: { terminationGracePeriodSeconds: 30, ...pooler },
        ...more,
      },
    };
    await apply(object);
    if (!wait) return;
    await this.ready(name);
    await this.answers(name);
  }

  /**
   * Waits until a question through the pool's Service is answered. kube-proxy needs a moment to lead its address to a pod
   * that has become ready, and a new Service's address one to reach everybody who knew the old one's.
   */
  async answers(name: string): Promise<void> {
    const { namespace } = this;
    await waitFor('the Service answers', () => psql(this.login(name), 'SELECT 1'), { namespace });
  }

  patch(kind: string, name: string, patch: object): Promise<string> {
    const body = JSON.stringify(patch);
    return kubectl([
      ...['patch', kind, name, `--namespace=${this.namespace}`, '--type=merge', '--patch', body],
    ]);
  }

  async status(name: string): Promise<ConnectionPoolStatus> {
    const pool = await client.get(connectionPools, { name, namespace: this.namespace });
    return (pool?.status ?? {}) as ConnectionPoolStatus;
  }

  /** Waits until the pool is Ready in its present generation, and returns its status. */
  ready(name: string, seconds = 90): Promise<ConnectionPoolStatus> {
    return this.until(name, (status) => conditionOf(status, 'Ready')?.status === 'True', seconds);
  }

  /** Waits until the status speaks of the present generation and `holds`. */
  until(
    name: string,
    holds: (status: ConnectionPoolStatus) => boolean,
    seconds = 90,
  ): Promise<ConnectionPoolStatus> {
    const { namespace } = this;
    return waitFor(
      `the pool ${name} is as wanted: ${holds}`,
      async () => {
        const pool = await client.get(connectionPools, { name, namespace });
        const status = pool?.status as ConnectionPoolStatus | undefined;
        if (status === undefined || status.observedGeneration !== pool?.metadata.generation) {
          return undefined;
        }
        return holds(status) ? status : undefined;
      },
      { seconds, namespace, pause: 50 },
    );
  }

  pods(pool: string): Promise<Pod[]> {
    return list<Pod>('pods', this.namespace, `spillway.dev/pool=${pool}`);
  }

  /** The workload of a pool. */
  workload(pool: string): Promise<Resource | undefined> {
    return get('statefulset', `${pool}-pooler`, this.namespace);
  }

  /** The pods of Postgres. */
  servers(): Promise<Pod[]> {
    return list<Pod>('pods', this.namespace, 'app=db');
  }

  /** The container of Postgres, as its StatefulSet has it. */
  async container(): Promise<object> {
    const set = await get('statefulset', 'db', this.namespace);
    const spec = set?.spec as { template?: { spec?: { containers?: object[] } } } | undefined;
    return spec?.template?.spec?.containers?.[0] ?? {};
  }

  /** How an application logs in. */
  login(pool: string, password = appPassword): Login {
    const host = `${pool}.${this.namespace}.svc.cluster.local`;
    return { host, user: 'app', password, database: 'app' };
  }

  /** The same past the Service, at one pod. */
  loginAt(pool: string, pod: string, password = appPassword): Login {
    const host = `${pod}.${pool}-pooler.${this.namespace}.svc.cluster.local`;
    return { ...this.login(pool, password), host };
  }

  /** Rows of a command of PgBouncer's console, asked of one pod: by its address, as its name may lead to the one before. */
  async console(pool: string, pod: string, command: string): Promise<Record<string, unknown>[]> {
    const found = (await this.pods(pool)).find(({ metadata }) => metadata.name === pod);
    if (found?.status?.podIP === undefined)
      throw new Error(`${pod} is not there, or has no address`);
    return this.consoleAt(pool, found.status.podIP, command);
  }

  /** The same, by the address of a pod. */
  async consoleAt(pool: string, host: string, command: string): Promise<Record<string, unknown>[]> {
    const secret = await get('secret', `${pool}-pooler-console`, this.namespace);
    const text = (key: string) => Buffer.from(secret?.data?.[key] ?? '', 'base64').toString();
    const login = {
      host,
      user: text('username'),
      password: text('password'),
      database: 'pgbouncer',
    };
    return psql(login, command);
  }

  /** One setting of the live process of a pod. */
  async setting(pool: string, pod: string, key: string): Promise<string> {
    const config = await this.console(pool, pod, 'SHOW CONFIG');
    return String(config.find((row) => row.key === key)?.value);
  }

  /** uid and restarts of each pod: the same as before when nothing was restarted. */
  async identities(pool: string): Promise<string[]> {
    const pods = await this.pods(pool);
    return pods.map(({ metadata, status }) => {
      const restarts = status?.containerStatuses?.[0]?.restartCount;
      return `${metadata.name} ${metadata.uid} restarts ${restarts}`;
    });
  }

  /** Connections that the live processes let a pool open, by pod. */
  async running(pool: string): Promise<Record<string, number>> {
    const caps: Record<string, number> = {};
    for (const { metadata } of await this.pods(pool)) {
      const users = await this.console(pool, metadata.name, 'SHOW USERS');
      caps[metadata.name] = Number(users.find((user) => user.name === 'app')?.pool_size);
    }
    return caps;
  }

  /** Runs a command beside Postgres, with the password of `app` in its environment. */
  beside(command: readonly string[]): Promise<string> {
    const variables = [`PGPASSWORD=${appPassword}`, 'PGUSER=app', 'PGDATABASE=app'];
    return execIn(this.namespace, 'db-0', ['env', ...variables, ...command]);
  }
}

/** A test in a scene of its own. */
export function inScene(
  name: string,
  work: (scene: Scene) => Promise<void>,
  options: PostgresOptions = {},
): () => Promise<void> {
  return async () => {
    const scene = await Scene.make(name, options);
    try {
      await work(scene);
    } finally {
      await scene.remove();
    }
  };
}

export function conditionOf(status: ConnectionPoolStatus, type: string) {
  return status.conditions?.find((one) => one.type === type);
}

/** What each pool has in the ledger. */
export async function rowsOf({ namespace }: Scene): Promise<Record<string, number>> {
  const budget = await client.get(connectionBudgets, { namespace, name: budgetName });
  const { allotments = [] } = (budget?.status ?? {}) as ConnectionBudgetStatus;
  return Object.fromEntries(allotments.map(({ name, connections }) => [name, connections]));
}

/** Sum of what the pods of a pool may open, as status says. */
export function granted(status: ConnectionPoolStatus): number {
  return (status.grants ?? []).reduce((sum, grant) => sum + grant.connections, 0);
}

/** Whether each pod's process has confirmed that its file says what the share is divided into. */
export function settled(status: ConnectionPoolStatus, share: number): boolean {
  return (
    conditionOf(status, 'Ready')?.status === 'True' &&
    status.sizing?.share === share &&
    granted(status) === share
  );
}

function* postgresObjects(namespace: string, options: PostgresOptions) {
  const { cores = 4, maxConnections = 100 } = options;
  const labels = { app: 'db' };
  yield {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'app', namespace },
    stringData: { password: appPassword },
  };
  yield {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'db', namespace },
    spec: { clusterIP: 'None', selector: labels, ports: [{ name: 'postgres', port: 5432 }] },
  };
  yield {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace },
    spec: {
      serviceName: 'db',
      replicas: 1,
      // So that a change of its cores is not a restart of the server.
      updateStrategy: { type: 'OnDelete' },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 0,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 999,
            fsGroup: 999,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [
            {
              name: 'postgres',
              image: postgresImage,
              args: [
                ...(maxConnections === null ? [] : [`-cmax_connections=${maxConnections}`]),
                '-cfsync=off',
              ],
              env: [{ name: 'POSTGRES_PASSWORD', value: rootPassword }],
              ports: [{ containerPort: 5432 }],
              resources: { requests: { cpu: '10m' }, limits: { cpu: String(cores) } },
              securityContext: {
                allowPrivilegeEscalation: false,
                capabilities: { drop: ['ALL'] },
              },
              volumeMounts: [{ name: 'data', mountPath: '/var/lib/postgresql/data' }],
            },
          ],
          volumes: [{ name: 'data', emptyDir: {} }],
        },
      },
    },
  };
}

export { pg };
