// What is there before the operator starts: Postgres clusters, users' Secrets and ConnectionPools.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { repository } from '../cluster/paths.ts';
import { until } from '../cluster/run.ts';
import { type PlainClient, type PlainObject, sideBySide } from './plain-client.ts';

/** The pools are spread evenly; each cluster and its pools have a namespace of their own. */
export interface Fleet {
  readonly pools: number;
  readonly clusters: number;
  /** What the owner of each cluster says in a ConnectionBudget of his own; without it, sizes follow from the cores. */
  readonly total?: number;
}

export const OPERATOR_NAMESPACE = 'spillway-system';

/** All names have the same length, so that the bytes written do not depend on the number of pools. */
export function namespaceOf(cluster: number): string {
  return `bench-cluster-${String(cluster).padStart(5, '0')}`;
}

export function poolNameOf(pool: number): string {
  return `bench-pool-${String(pool).padStart(5, '0')}`;
}

export function clusterOf(fleet: Fleet, pool: number): number {
  return Math.floor((pool * fleet.clusters) / fleet.pools);
}

/** Applies the CRDs and waits until they are served. */
export async function applyResources(client: PlainClient): Promise<void> {
  const files = globSync('crds/*.yaml', { cwd: repository }).sort();
  if (files.length === 0) throw new Error('crds/ is empty: run `npm run generate`');
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  for (const file of files) {
    const crd = load(readFileSync(join(repository, file), 'utf8')) as PlainObject;
    await client.send('POST', path, JSON.stringify(crd));
    const plural = crd.metadata.name.split('.', 1)[0];
    await until(`${plural} served`, 30, async () => {
      await client.send('GET', `/apis/spillway.dev/v1alpha1/${plural}`);
      return true;
    });
  }
}

/** Applies all of it; the operator is off. */
export async function applyFleet(
  client: PlainClient,
  fleet: Fleet,
  inFlight: number,
): Promise<void> {
  const clusters = Array.from({ length: fleet.clusters }, (_, i) => namespaceOf(i));
  await sideBySide([OPERATOR_NAMESPACE, ...clusters], inFlight, (name) =>
    client.send('POST', '/api/v1/namespaces', JSON.stringify({ metadata: { name } })),
  );
  await sideBySide(clusters, inFlight, (namespace) =>
    client.send(
      'POST',
      `/apis/apps/v1/namespaces/${namespace}/statefulsets`,
      JSON.stringify(postgres(namespace, fleet)),
    ),
  );
  const { total } = fleet;
  if (total !== undefined) {
    await sideBySide(clusters, inFlight, (namespace) =>
      client.send(
        'POST',
        `/apis/spillway.dev/v1alpha1/namespaces/${namespace}/connectionbudgets`,
        JSON.stringify(connectionBudget(namespace, total)),
      ),
    );
  }
  const pools = Array.from({ length: fleet.pools }, (_, i) => i);
  await sideBySide(pools, inFlight, async (i) => {
    const namespace = namespaceOf(clusterOf(fleet, i));
    const name = poolNameOf(i);
    const password = Buffer.from(`password-of-${name}`).toString('base64');
    await client.send(
      'POST',
      `/api/v1/namespaces/${namespace}/secrets`,
      JSON.stringify({ metadata: { name: `${name}-app` }, data: { password } }),
    );
    await client.send(
      'POST',
      `/apis/spillway.dev/v1alpha1/namespaces/${namespace}/connectionpools`,
      JSON.stringify(connectionPool(namespace, name)),
    );
  });
}

const clusterRef = { apiGroup: 'apps', kind: 'StatefulSet', name: 'postgres' };

/** The owner's. Pools find it by its name. */
function connectionBudget(namespace: string, total: number): PlainObject {
  return {
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionBudget',
    metadata: { namespace, name: 'statefulset-postgres' },
    spec: { postgres: { clusterRef }, total },
  };
}

function connectionPool(namespace: string, name: string): PlainObject {
  return {
    apiVersion: 'spillway.dev/v1alpha1',
    kind: 'ConnectionPool',
    metadata: { namespace, name },
    spec: {
      postgres: { clusterRef },
      users: [{ name: 'app', secretRef: { name: `${name}-app` } }],
    },
  };
}

/**
 * A Postgres that exists as an object only: 16 cores, so that ten pools get three connections each; and where the owner
 * sets a total, a limit that has room for it beside reserved connections and slack.
 */
function postgres(namespace: string, { total = 0 }: Fleet): PlainObject {
  const maxConnections = Math.max(200, Math.ceil(total * 1.25));
  const labels = { app: 'postgres' };
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { namespace, name: 'postgres' },
    spec: {
      serviceName: 'postgres',
      replicas: 3,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            {
              name: 'postgres',
              image: 'postgres:18',
              args: ['-c', `max_connections=${maxConnections}`],
              ports: [{ containerPort: 5432 }],
              resources: { limits: { cpu: '16', memory: '64Gi' } },
            },
          ],
        },
      },
    },
  };
}
