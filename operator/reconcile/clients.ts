// The applications of one pool: counted from the stores, or as they were while the stores are not complete.
import { DEFAULT_MAX_CLIENTS } from '../api/clients.ts';
import type { ConnectionPoolStatus, PoolClients } from '../api/connection-pool.ts';
import type { ConnectionPool } from '../api/resources.ts';
import type { ClientLimit } from '../core/clients/limit.ts';
import { planClients } from '../core/clients/plan.ts';
import { clientsFit, type Finding, unknown } from '../core/pool/findings.ts';
import type { Context } from './context.ts';

export interface CountedClients {
  readonly limit: ClientLimit;
  readonly clients?: PoolClients;
  /** Absent for a pool that names no workloads. */
  readonly finding?: Finding;
}

/** `share` and `perPod` are server connections, of the pool and of each of its pods. */
export function clientsOf(
  { workloads }: Context,
  pool: ConnectionPool,
  share: number,
  perPod: readonly number[],
  status: ConnectionPoolStatus,
): CountedClients {
  const { spec, metadata } = pool;
  const before = status.sizing?.maxClientConn;
  const missing = workloads.unknown(spec);
  if (missing !== undefined) {
    const { max } = spec.clients;
    return {
      limit:
        max === undefined
          ? {
              max: before ?? DEFAULT_MAX_CLIENTS,
              source: 'as it was, until the workloads are read',
            }
          : { max, source: 'spec.clients.max' },
      ...(status.clients === undefined ? {} : { clients: status.clients }),
      finding: unknown('ClientsFit', `Nothing is counted: ${missing}.`),
    };
  }
  const { limit, clients, faults } = planClients({
    spec,
    namespace: metadata.namespace,
    share,
    perPod,
    before,
    lookup: workloads.lookup,
  });
  if (clients === undefined || faults === undefined) return { limit };
  return { limit, clients, finding: clientsFit(clients.connections, faults) };
}
