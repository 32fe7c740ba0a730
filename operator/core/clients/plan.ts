// From the workloads that a pool names to its max_client_conn, its status.clients and the condition about both.
import type { ConnectionPoolSpec, PoolClients } from '../../api/connection-pool.ts';
import type { Fault } from '../../postgres/adapter.ts';
import { processesOf } from '../sizing/size-server.ts';
import { type ClientLookup, countWorkloads } from './count.ts';
import { DEFAULT_QUERY_WAIT_TIMEOUT, misfits } from './fit.ts';
import { type ClientLimit, clientLimit, filesBesides } from './limit.ts';
import { recommend } from './recommend.ts';

/** As many as the schema of the status takes; all of them are counted. */
const MAX_LISTED = 512;

export interface ClientsInput {
  readonly spec: ConnectionPoolSpec;
  readonly namespace: string;
  readonly lookup: ClientLookup;
  /** Server connections of the pool, and of each of its pods. */
  readonly share: number;
  readonly perPod: readonly number[];
  /** max_client_conn as it was computed before. */
  readonly before?: number | undefined;
}

export interface ClientsPlan {
  readonly limit: ClientLimit;
  /** For status; absent when no workload is named. */
  readonly clients?: PoolClients;
  /** What does not fit, most important first; absent when no workload is named. */
  readonly faults?: readonly Fault[];
}

export function planClients(input: ClientsInput): ClientsPlan {
  const { spec, share, perPod } = input;
  const { max, workloads: entries, fileLimit } = spec.clients;
  const pods = perPod.length;
  const processes = processesOf(spec);
  const besides = filesBesides(Math.ceil(Math.max(0, ...perPod) / processes), pods * processes);
  if (entries === undefined || entries.length === 0) {
    return { limit: clientLimit({ max, incomplete: false, besides }) };
  }
  const { workloads, faults } = countWorkloads(entries, input.namespace, input.lookup);
  const connections = workloads.reduce((sum, w) => sum + w.pods * w.entry.poolSize, 0);
  const allPods = workloads.reduce((sum, w) => sum + w.pods, 0);
  const limit = clientLimit({
    max,
    connections,
    incomplete: faults.length > 0,
    before: input.before,
    besides,
    fileLimit,
    processes,
  });
  return {
    limit,
    clients: {
      connections,
      workloads: workloads.slice(0, MAX_LISTED).map(({ entry, name, pods: count, source }) => {
        const { kind, poolSize, tasks, connectionsPerTask } = entry;
        const advised = recommend({
          mode: spec.mode,
          share,
          pods: allPods,
          tasks,
          connectionsPerTask,
        });
        return {
          kind,
          name,
          pods: count,
          source,
          poolSize,
          connections: count * poolSize,
          recommendedPoolSize: advised.poolSize,
          advice: advised.advice,
        };
      }),
    },
    faults: [
      ...faults,
      ...misfits({
        mode: spec.mode,
        workloads,
        connections,
        share,
        pods,
        processes,
        maxClientConn: limit.max,
        filesBesides: besides,
        fileLimit,
        queryWaitTimeout: queryWaitTimeoutOf(spec),
      }),
    ],
  };
}

/** Seconds that a client waits for a server connection before PgBouncer drops it; 0 is for ever. */
export function queryWaitTimeoutOf(spec: ConnectionPoolSpec): number {
  const given = Number(spec.parameters.query_wait_timeout);
  return Number.isFinite(given) ? given : DEFAULT_QUERY_WAIT_TIMEOUT;
}
