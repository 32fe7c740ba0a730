// A pool's view for tests: a good one, with parts of it replaced.
import {
  type ConnectionPoolSpecInput,
  connectionPoolSpec,
} from '../../../operator/api/connection-pool.ts';
import { makeGrant } from '../../../operator/core/ledger/grant.ts';
import { holderIdentity } from '../../../operator/core/pool/holder-config.ts';
import type { PoolView } from '../../../operator/core/pool/view.ts';

export const PASSWORD = 'pass-word-of-shop';
export const CONSOLE_PASSWORD = 'console-word';
export const MARK_SECRET = 'mark-word';

export interface ViewOptions {
  readonly name?: string;
  readonly spec?: Partial<ConnectionPoolSpecInput>;
  readonly caps?: readonly (readonly { name: string; connections: number }[])[];
  readonly view?: Partial<PoolView>;
}

/** Two pods, one listed user with a cap of 4 in each. */
export function view({ name = 'shop', spec = {}, caps, view = {} }: ViewOptions = {}): PoolView {
  const parsed = connectionPoolSpec.parse({
    postgres: { clusterRef: { apiGroup: 'apps', kind: 'StatefulSet', name: 'shop-db' } },
    users: [{ name: 'shop', secretRef: { name: 'shop-app' } }],
    ...spec,
  });
  const perPod = caps ?? [[{ name: 'shop', connections: 4 }], [{ name: 'shop', connections: 4 }]];
  return {
    identity: { namespace: 'shop', name, uid: '5c1f3e0a-93a9-4d2e-8f4e-0b6a4b1c2d3e' },
    spec: parsed,
    settings: {
      poolerImage: 'example.com/pgbouncer:1.25.2',
      clusterDomain: 'cluster.local',
      operatorNamespace: 'spillway-system',
    },
    server: {
      host: 'shop-db-0.shop-db.shop.svc.cluster.local',
      port: 5432,
      milliCores: { value: 8000, source: 'limits.cpu' },
      instances: 1,
      replicas: 0,
      maxConnections: { value: 100, source: "PostgreSQL's default" },
      reservedConnections: { value: 3, source: "PostgreSQL's default" },
      podSelector: { app: 'shop-db' },
    },
    axis: 'user',
    entries: ['shop'],
    maxClientConn: 1000,
    holders: perPod.map((one, ordinal) => ({
      ...holderIdentity(name, ordinal, 0),
      grant: makeGrant(one, 1),
      olderEpochs: [],
    })),
    replicas: perPod.length,
    processes: 1,
    epoch: 1,
    users: [{ name: 'shop', password: PASSWORD }],
    console: { user: 'spillway-admin', password: CONSOLE_PASSWORD, markSecret: MARK_SECRET },
    ...view,
  };
}
