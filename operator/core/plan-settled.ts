// What the ledger of a new pool with a Deployment comes to: its steps, each taken as soon as it is permitted.
import type { ConnectionPool } from '../api/resources.ts';
import { type BoundedPlan, type BoundedState, planBounded } from './ledger/bounded.ts';
import { sharedHolder } from './pool/names.ts';
import { entrySizes } from './sizing/entries.ts';

/** `entries` are those of the axis, sorted. */
export function settledBounded(
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
      const connections = caps.caps.reduce((total, c) => total + c.connections, 0);
      const file = { ...caps, revision: undefined, connections };
      state = { ...state, file, fileEpoch: next.epoch };
    } else {
      const { replicas, epoch, processes } = next;
      const workload = { replicas, epoch, processes, seen: true, paused: false };
      state = { ...state, workload };
    }
  }
}
