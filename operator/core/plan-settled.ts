// What the ledger of a new pool comes to: its steps, each taken as soon as it is permitted.
import type { ConnectionPool } from '../api/resources.ts';
import { isShared } from '../api/workload.ts';
import { type BoundedPlan, type BoundedState, planBounded } from './ledger/bounded.ts';
import type { Grant } from './ledger/grant.ts';
import { type HolderPlan, planHolders } from './ledger/holders.ts';
import type { HolderState, WorkloadState } from './ledger/state.ts';
import { holderName, placeOfHolder, podName, sharedHolder } from './pool/names.ts';
import { entrySizes } from './sizing/entries.ts';
import { processesOf } from './sizing/size-server.ts';

/** `entries` are those of the axis, sorted. Permitted steps come to an end, so this does. */
export function settled(
  pool: ConnectionPool,
  allotment: number,
  entries: readonly string[],
): HolderPlan {
  if (isShared(pool.spec)) return settledBounded(pool, allotment, entries);
  let holders: HolderState[] = [];
  const processes = processesOf(pool.spec);
  let workload: WorkloadState | undefined;
  for (;;) {
    const next = planHolders({
      allotment,
      pods: pool.spec.pooler.replicas,
      processes,
      entries,
      sizes: entrySizes(pool.spec),
      holders,
      ...(workload === undefined ? {} : { workload }),
      fileEpoch: 0,
      nameOf: (ordinal, process) => holderName(podName(pool.metadata.name, ordinal), process),
      mayRaise: true,
      live: true,
      inParts: false,
    });
    if (next.settled) return next;
    const grants = new Map(next.grants.map((g) => [g.holder, g]));
    const files = new Map(next.files.map((f) => [f.holder, f.grant]));
    const names = [...new Set([...grants.keys(), ...files.keys()])];
    holders = names.map((name) => {
      const grant = grants.get(name);
      const file = files.get(name);
      const { ordinal = 0, process = 0 } = placeOfHolder(pool.metadata.name, name) ?? {};
      return {
        name,
        ordinal,
        process,
        asked: true,
        ...(grant === undefined ? {} : { grant }),
        ...(file === undefined ? {} : { file: fileOf(file) }),
      };
    });
    workload = {
      replicas: next.replicas,
      epoch: next.epoch,
      processes: next.processes,
      seen: true,
    };
  }
}

/** The same for the pods of a Deployment. */
function settledBounded(
  { metadata, spec }: ConnectionPool,
  allotment: number,
  entries: readonly string[],
): BoundedPlan {
  let state: BoundedState = {
    allotment,
    wanted: spec.pooler.replicas,
    entries,
    sizes: entrySizes(spec),
    name: sharedHolder(metadata.name),
    pods: [],
    fileEpoch: 0,
    mayRaise: true,
    live: true,
  };
  for (;;) {
    const next = planBounded(state);
    if (next.settled) return next;
    const [grant] = next.grants;
    const caps = next.files[0]?.grant;
    // One kind of write after the other, as reconcile does it: the grant, the file, the Deployment.
    if (grant !== undefined && grant.generation !== state.grant?.generation) {
      state = { ...state, grant };
    } else if (caps !== undefined && state.fileEpoch !== next.epoch) {
      state = { ...state, file: fileOf(caps), fileEpoch: next.epoch };
    } else {
      const { replicas, epoch, processes } = next;
      const workload = { replicas, epoch, processes, seen: true, paused: false };
      state = { ...state, workload };
    }
  }
}

/** No process runs with it, so it has no revision. */
function fileOf({ generation, caps }: Grant) {
  const connections = caps.reduce((total, cap) => total + cap.connections, 0);
  return { generation, revision: undefined, caps, connections };
}
