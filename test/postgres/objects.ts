// Objects of each kind of Postgres cluster: with what its API server insists on and nothing else, and with every
// field that an adapter reads. They hold what the real CRDs let through.
import type { ObjectKind, PostgresRef, RawObject } from '../../operator/postgres/adapter.ts';
import { cloudNativePg } from '../../operator/postgres/cloudnativepg.ts';
import { crunchy, percona } from '../../operator/postgres/crunchy.ts';
import { stackGres } from '../../operator/postgres/stackgres.ts';
import { statefulSet } from '../../operator/postgres/stateful-set.ts';
import { zalando } from '../../operator/postgres/zalando.ts';

/** An object `db` in the namespace `data`. */
export function object(
  { apiGroup, version, kind }: ObjectKind,
  spec: unknown,
  more: { status?: unknown; annotations?: Record<string, string>; name?: string } = {},
): RawObject {
  const { status, annotations, name = 'db' } = more;
  return {
    apiVersion: `${apiGroup}/${version}`,
    kind,
    metadata: { name, namespace: 'data', ...(annotations === undefined ? {} : { annotations }) },
    spec,
    ...(status === undefined ? {} : { status }),
  };
}

/** Finds the objects by kind and name, all of them in the namespace `data`. */
export function lookupOf(...objects: readonly RawObject[]) {
  return ({ apiGroup, kind, namespace, name }: PostgresRef): RawObject | undefined =>
    objects.find(
      (one) =>
        groupOf(one) === apiGroup &&
        one.kind === kind &&
        (one.metadata?.namespace ?? '') === namespace &&
        one.metadata?.name === name,
    );
}

function groupOf({ apiVersion = '' }: RawObject): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}

/** A pod in the namespace `data`. */
export function pod(
  name: string,
  labels: Readonly<Record<string, string>>,
  more: { node?: string; member?: unknown; owner?: string } = {},
): RawObject {
  const { node, member, owner } = more;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'data',
      labels,
      ...(member === undefined ? {} : { annotations: { status: JSON.stringify(member) } }),
      ...(owner === undefined
        ? {}
        : { ownerReferences: [{ kind: 'StatefulSet', name: owner, controller: true }] }),
    },
    spec: { containers: [], ...(node === undefined ? {} : { nodeName: node }) },
  };
}

export function node(name: string, cpu: unknown): RawObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    status: { capacity: { cpu: '64' }, allocatable: { cpu } },
  };
}

export const cpu = (limit?: string, request?: string) => ({
  ...(limit === undefined ? {} : { limits: { cpu: limit } }),
  ...(request === undefined ? {} : { requests: { cpu: request } }),
});

const claim = {
  accessModes: ['ReadWriteOnce'],
  resources: { requests: { storage: '1Gi' } },
};
const set = (name: string, more: Record<string, unknown> = {}) => ({
  name,
  dataVolumeClaimSpec: claim,
  ...more,
});

export interface Sample {
  readonly bare: RawObject;
  readonly full: RawObject;
  /** Objects that `full` refers to. */
  readonly related: readonly RawObject[];
}

export const cloudNativePgSample: Sample = {
  bare: object(cloudNativePg, { instances: 1, storage: { size: '1Gi' } }),
  full: object(
    cloudNativePg,
    {
      instances: 3,
      storage: { size: '1Gi' },
      postgresql: { parameters: { max_connections: '250', reserved_connections: '4' } },
      resources: cpu('2500m', '1'),
      bootstrap: { initdb: { database: 'shop', owner: 'shopper', secret: { name: 'shop-login' } } },
      replica: { enabled: true, source: 'elsewhere' },
      externalClusters: [{ name: 'elsewhere', connectionParameters: { host: 'db.example.com' } }],
      certificates: { serverCASecret: 'our-ca' },
      managed: {
        services: {
          disabledDefaultServices: ['ro'],
          additional: [
            { selectorType: 'ro', serviceTemplate: { metadata: { name: 'db-readers' } } },
          ],
        },
        roles: [{ name: 'reports', login: true, passwordSecret: { name: 'reports-login' } }],
      },
    },
    {
      annotations: { 'cnpg.io/hibernation': 'on', 'cnpg.io/fencedInstances': '["db-2"]' },
      status: {
        writeService: 'db-writer',
        currentPrimary: 'db-2',
        systemID: '7300000000000000001',
        certificates: {
          serverCASecret: 'their-ca',
          serverAltDNSNames: ['db-writer', 'db-writer.data.svc.cluster.local'],
        },
      },
    },
  ),
  related: [],
};

export const zalandoSample: Sample = {
  bare: object(
    zalando,
    {
      teamId: 'acid',
      numberOfInstances: 1,
      postgresql: { version: '17' },
      volume: { size: '1Gi' },
    },
    { name: 'acid-db' },
  ),
  full: object(
    zalando,
    {
      teamId: 'acid',
      numberOfInstances: 2,
      volume: { size: '1Gi' },
      postgresql: {
        version: '17',
        parameters: { max_connections: '300', superuser_reserved_connections: '5' },
      },
      resources: cpu('1.5'),
      users: {
        shop_app: [],
        boss: ['superuser', 'createdb'],
        group: ['NOLOGIN'],
        turning: [],
        'other.reader': [],
      },
      usersWithSecretRotation: ['turning'],
      preparedDatabases: {
        shop: {
          defaultUsers: true,
          schemas: {
            stock: { defaultUsers: true },
            bare: { defaultUsers: true, defaultRoles: false },
          },
        },
        far: { defaultUsers: true, secretNamespace: 'far' },
      },
      standby: { standby_host: 'db.example.com' },
      tls: { secretName: 'server-cert', caFile: 'ca.crt', caSecretName: 'server-ca' },
    },
    { name: 'acid-db' },
  ),
  related: [
    object(
      statefulSet,
      {
        serviceName: 'acid-db',
        selector: { matchLabels: { application: 'spilo' } },
        template: {
          metadata: { labels: { application: 'spilo' } },
          spec: {
            containers: [
              { name: 'sidecar', image: 'x', resources: cpu('9') },
              { name: 'postgres', image: 'spilo', resources: cpu('1', '100m') },
            ],
          },
        },
      },
      { name: 'acid-db' },
    ),
  ],
};

export const crunchySample: Sample = {
  bare: object(crunchy, { postgresVersion: 17, instances: [set('one')] }),
  full: object(
    crunchy,
    {
      postgresVersion: 17,
      port: 5555,
      instances: [
        set('big', { replicas: 2, resources: cpu('4') }),
        set('small', { resources: cpu(undefined, '500m') }),
      ],
      config: { parameters: { max_connections: 400 } },
      patroni: {
        dynamicConfiguration: {
          postgresql: { parameters: { max_connections: 300, superuser_reserved_connections: 6 } },
        },
      },
      users: [
        { name: 'postgres' },
        { name: 'shop', databases: ['shop'], options: 'NOSUPERUSER' },
        { name: 'boss', options: 'CREATEDB SUPERUSER' },
      ],
      standby: { repoName: 'repo1' },
      shutdown: true,
      customTLSSecret: {
        name: 'our-cert',
        items: [
          { key: 'cert', path: 'tls.crt' },
          { key: 'authority', path: 'ca.crt' },
        ],
      },
    },
    { status: { patroni: { systemIdentifier: '7300000000000000002' } } },
  ),
  related: [],
};

export const perconaSample: Sample = {
  bare: object(percona, {
    postgresVersion: 17,
    instances: [set('one')],
    backups: { pgbackrest: { repos: [{ name: 'repo1', volume: { volumeClaimSpec: claim } }] } },
    proxy: { pgBouncer: {} },
  }),
  full: object(
    percona,
    {
      postgresVersion: 17,
      port: 5433,
      instances: [set('one', { replicas: 3, resources: cpu('2') })],
      backups: { pgbackrest: { repos: [{ name: 'repo1', volume: { volumeClaimSpec: claim } }] } },
      proxy: { pgBouncer: {} },
      config: { parameters: { reserved_connections: '2' } },
      patroni: {
        dynamicConfiguration: { postgresql: { parameters: { max_connections: '150' } } },
      },
      users: [{ name: 'monitor' }, { name: 'shop', secretName: 'shop-login' }],
      standby: { enabled: true, host: 'db.example.com' },
      pause: true,
      secrets: { customTLSSecret: { name: 'our-cert' } },
    },
    { status: { patroni: { status: { systemIdentifier: '7300000000000000003' } } } },
  ),
  related: [],
};

const [profile, config] = stackGres.related ?? [];
if (profile === undefined || config === undefined) throw new Error('StackGres has related kinds');

export const stackGresSample: Sample = {
  bare: object(stackGres, {
    instances: 1,
    postgres: { version: '17' },
    pods: { persistentVolume: { size: '1Gi' } },
  }),
  full: object(
    stackGres,
    {
      instances: 2,
      postgres: { version: '17', ssl: { enabled: true } },
      sgInstanceProfile: 'size-s',
      configurations: {
        sgPostgresConfig: 'tuned',
        postgres: { 'postgresql.conf': { reserved_connections: '3' } },
        binding: { username: 'shop', password: { name: 'shop-login', key: 'secret' } },
      },
      pods: { persistentVolume: { size: '1Gi' }, disableConnectionPooling: true },
      postgresServices: { primary: { enabled: false }, replicas: { enabled: true } },
      replicateFrom: { instance: { sgCluster: 'elsewhere' } },
    },
    {
      status: {
        sgPostgresConfig: 'started-with',
        labelPrefix: 'pg.example.com/',
        podStatuses: [{ name: 'db-0' }, { name: 'db-1', primary: true }],
      },
    },
  ),
  related: [
    object(profile, { cpu: '1500m', memory: '2Gi' }, { name: 'size-s' }),
    object(
      config,
      { postgresVersion: '17', 'postgresql.conf': { max_connections: '220' } },
      { name: 'tuned', status: { defaultParameters: { superuser_reserved_connections: '7' } } },
    ),
    object(
      config,
      { postgresVersion: '17', 'postgresql.conf': { max_connections: '110' } },
      { name: 'started-with', status: { defaultParameters: {} } },
    ),
  ],
};

export const samples = [
  [cloudNativePg, cloudNativePgSample],
  [zalando, zalandoSample],
  [crunchy, crunchySample],
  [percona, perconaSample],
  [stackGres, stackGresSample],
] as const;
