// A real API server with Spillway's types and rights, and the objects that the operator is tested with.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import type { Condition } from '../../operator/api/conditions.ts';
import { Client } from '../../operator/kube/client.ts';
import { connectionSource, loadKubeConfig } from '../../operator/kube/config.ts';
import { Transport } from '../../operator/kube/transport.ts';
import { type KubeObject, namespaces, secrets, statefulSets } from '../../operator/kube/types.ts';
import { connectionPools } from '../../operator/reconcile/world.ts';
import {
  type ControlPlane,
  type ControlPlaneOptions,
  serviceAccount,
  startControlPlane,
} from '../cluster/control-plane.ts';
import { bin, repository } from '../cluster/paths.ts';
import { run, until } from '../cluster/run.ts';
import { type OperatorOptions, OperatorProcess } from './operator-process.ts';

export const system = 'spillway-system';
export const password = 'pw-7c1f-of-the-application';

export interface Room {
  readonly plane: ControlPlane;
  /** An administrator with a field manager of its own. */
  readonly client: Client;
  /** Starts an operator that has the chart's rights and no others. */
  operator(options?: Partial<OperatorOptions>): Promise<OperatorProcess>;
  /** Ends everything that was started here. */
  close(): Promise<void>;
}

export interface RoomOptions extends ControlPlaneOptions {
  /** The chart's value, for namespaces that are made here; without it the operator is for all. */
  readonly watchNamespaces?: readonly string[];
}

export async function openRoom(options: RoomOptions = {}): Promise<Room> {
  const { watchNamespaces = [] } = options;
  const plane = await startControlPlane(options);
  const transport = new Transport(connectionSource(loadKubeConfig(plane.kubeconfig)));
  const client = new Client(transport, 'tester');
  const operators: OperatorProcess[] = [];
  const close = async () => {
    await Promise.all(operators.map((one) => one.kill()));
    await transport.close();
    await plane.stop();
  };
  try {
    for (const name of [system, ...watchNamespaces]) await makeNamespace(client, name);
    await applyFiles(plane, globSync(join(repository, 'crds', '*.yaml')).sort());
    const { kubeconfig, watched } = await rights(plane, watchNamespaces);
    await until('the types are served', 30, async () => {
      await client.listPage(connectionPools);
      return true;
    });
    return {
      plane,
      client,
      close,
      operator: async (more = {}) => {
        const env = { SPILLWAY_WATCH_NAMESPACES: watched, ...more.env };
        const one = await OperatorProcess.start({ kubeconfig, namespace: system, ...more, env });
        operators.push(one);
        return one;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function applyFiles(plane: ControlPlane, files: readonly string[]): Promise<void> {
  const args = files.map((file) => `--filename=${file}`);
  await kubectl(plane, ['apply', '--server-side', ...args]);
}

/** kubectl as administrator; `input` goes to its standard input. */
export function kubectl(
  plane: ControlPlane,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const command = [join(bin, 'kubectl'), `--kubeconfig=${plane.kubeconfig}`, ...args];
  return run(command, input === undefined ? {} : { input });
}

/** Who the chart's operator is, with what the chart lets it do, and the namespaces that the chart tells it. */
async function rights(
  plane: ControlPlane,
  watchNamespaces: readonly string[],
): Promise<{ kubeconfig: string; watched: string }> {
  const chart = join(repository, 'charts', 'spillway');
  const values = `--set-json=watchNamespaces=${JSON.stringify(watchNamespaces)}`;
  const rendered = loadAll(
    await run([join(bin, 'helm'), 'template', 'spillway', chart, `--namespace=${system}`, values]),
  ) as KubeObject[];
  const kinds = ['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'];
  const items = rendered.filter((object) => kinds.includes(object?.kind));
  await kubectl(
    plane,
    ['apply', '--server-side', '--filename=-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  );
  const account = items.find((object) => object.kind === 'ServiceAccount')?.metadata.name;
  if (account === undefined) throw new Error('the chart renders no ServiceAccount');
  const kubeconfig = await plane.kubeconfigFor(...serviceAccount(system, account));
  return { kubeconfig, watched: variable(rendered, 'SPILLWAY_WATCH_NAMESPACES') };
}

/** A variable of the Deployment's container. */
function variable(rendered: readonly KubeObject[], name: string): string {
  const spec = rendered.find((object) => object?.kind === 'Deployment')?.spec as
    | { template: { spec: { containers: { env: { name: string; value?: string }[] }[] } } }
    | undefined;
  const found = spec?.template.spec.containers[0]?.env.find((one) => one.name === name);
  if (found === undefined) throw new Error(`the chart's Deployment has no variable ${name}`);
  return found.value ?? '';
}

export async function makeNamespace(client: Client, name: string): Promise<string> {
  await client.create(namespaces, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
  });
  return name;
}

/** A Postgres of which only the object exists; its optimum is 2 × cores + 1. */
export function postgres(namespace: string, cores = 4, name = 'db'): KubeObject {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { namespace, name },
    spec: {
      serviceName: name,
      // None, so that controllers make no pod of it.
      replicas: 0,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            {
              name: 'postgres',
              image: 'postgres',
              args: ['-c', 'max_connections=200'],
              ports: [{ containerPort: 5432 }],
              resources: { limits: { cpu: String(cores) } },
            },
          ],
        },
      },
    },
  };
}

export function secret(
  namespace: string,
  name = 'app',
  data: Record<string, string> = { password },
): KubeObject {
  const encoded = Object.entries(data).map(([k, v]) => [k, Buffer.from(v).toString('base64')]);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name },
    data: Object.fromEntries(encoded) as Record<string, string>,
  };
}

export function pool(
  namespace: string,
  name = 'shop',
  spec: Readonly<Record<string, unknown>> = {},
): KubeObject {
  return {
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionPool',
    metadata: { namespace, name },
    spec: {
      postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'db' } },
      users: [{ name: 'app', secretRef: { name: 'app' } }],
      ...spec,
    },
  };
}

/** A namespace with a Postgres, a Secret and, unless `spec` is null, a pool. */
export async function furnish(
  client: Client,
  namespace: string,
  spec: Readonly<Record<string, unknown>> | null = {},
): Promise<void> {
  await makeNamespace(client, namespace);
  await client.create(statefulSets, postgres(namespace));
  await client.create(secrets, secret(namespace));
  if (spec !== null) await client.create(connectionPools, pool(namespace, 'shop', spec));
}

export function conditionsOf(object: KubeObject | undefined): Condition[] {
  return ((object?.status as { conditions?: Condition[] } | undefined)?.conditions ?? []).slice();
}

/** Waits until a condition of the pool has that status and reason, and returns its message. */
export async function condition(
  client: Client,
  namespace: string,
  type: string,
  status: string,
  reason?: string,
  name = 'shop',
  seconds = 60,
): Promise<string> {
  let last = '';
  return until(
    `${type} ${status} ${reason ?? ''} of pool ${namespace}/${name}`,
    seconds,
    async () => {
      const live = await client.get(connectionPools, { namespace, name });
      const found = conditionsOf(live).find((c) => c.type === type);
      last = JSON.stringify(conditionsOf(live).map((c) => [c.type, c.status, c.reason, c.message]));
      if (found?.status !== status || (reason !== undefined && found.reason !== reason))
        return false;
      return found.message === '' ? ' ' : found.message;
    },
    50,
  ).catch((error: Error) => {
    throw new Error(`${error.message}; it has ${last}`);
  });
}

/** The object, once `holds` says yes to it. */
export function eventually<T extends KubeObject>(
  what: string,
  look: () => Promise<T | undefined>,
  holds: (object: T) => boolean = () => true,
  seconds = 60,
): Promise<T> {
  return until(
    what,
    seconds,
    async () => {
      const object = await look();
      return object !== undefined && holds(object) ? object : undefined;
    },
    50,
  );
}
