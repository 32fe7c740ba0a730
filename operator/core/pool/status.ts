// The status of a pool from what was found: the conditions of kstatus first, then those of the domain.

import type { Condition } from '../../api/conditions.ts';
import type {
  ConnectionPoolStatus,
  GrantRecord,
  LeavingEntry,
  PoolAllotment,
  PoolClients,
  PoolSizing,
  Topology,
} from '../../api/connection-pool.ts';
import { type Judged, mergeConditions } from './conditions.ts';
import type { Finding, PodCounts } from './findings.ts';
import { selectorText } from './labels.ts';
import { clientHost } from './names.ts';
import type { PoolIdentity } from './view.ts';

/**
 * The conditions, in a fixed order. kstatus: Stalled when somebody has to do something, Reconciling while
 * something is under way, Ready when all is as the spec asks. The first finding in the way is named in all
 * three; findings must come in the order in which they are reached.
 */
export function poolConditions(findings: readonly Finding[]): Judged[] {
  const stalled = findings.find((finding) => finding.effect === 'stalled');
  const waiting = findings.find((finding) => finding.effect === 'waiting');
  const first = findings.find((finding) => ['stalled', 'waiting'].includes(finding.effect));
  const ready = findings.findLast((finding) => finding.effect === 'fine');
  return [
    first === undefined
      ? judged('Ready', 'True', 'Ready', ready?.message ?? '')
      : judged('Ready', 'False', first.reason, first.message),
    waiting === undefined
      ? judged('Reconciling', 'False', 'NothingToDo', '')
      : judged('Reconciling', 'True', waiting.reason, waiting.message),
    stalled === undefined
      ? judged('Stalled', 'False', 'NotStalled', '')
      : judged('Stalled', 'True', stalled.reason, stalled.message),
    ...findings.map(({ type, status, reason, message }) => judged(type, status, reason, message)),
  ];
}

export interface StatusInput {
  readonly identity: PoolIdentity;
  readonly generation: number;
  readonly clusterDomain: string;
  /** Port of the client Service. */
  readonly servicePort: number;
  readonly findings: readonly Finding[];
  readonly pods: Pick<PodCounts, 'existing' | 'ready' | 'confirmed' | 'target'>;
  readonly previous?: readonly Condition[];
  /** RFC 3339, in seconds. */
  readonly now: string;
  /** `namespace/name`. */
  readonly budget?: string;
  readonly sizing?: PoolSizing;
  readonly clients?: PoolClients;
  /** The Secret for applications. */
  readonly binding?: string;
  /** See `HolderConfig.sharers`. */
  readonly sharers?: number;
  readonly topology?: Topology;
  /** The ledger's, passed through as they are. */
  readonly allotment?: PoolAllotment;
  readonly grants?: readonly GrantRecord[];
  readonly leaving?: readonly LeavingEntry[];
}

/** The whole status. Equal input but for `now` gives an equal status while no condition changes. */
export function poolStatus(input: StatusInput): ConnectionPoolStatus {
  const { identity, generation, pods } = input;
  return {
    observedGeneration: generation,
    conditions: mergeConditions(
      input.previous,
      poolConditions(input.findings),
      generation,
      input.now,
    ),
    replicas: pods.existing,
    readyReplicas: pods.ready,
    selector: selectorText(identity),
    address: `${clientHost(identity.name, identity.namespace, input.clusterDomain)}:${input.servicePort}`,
    confirmed: `${pods.confirmed}/${pods.target}`,
    ...(input.budget !== undefined ? { budget: input.budget } : {}),
    ...(input.sizing !== undefined ? { sizing: input.sizing } : {}),
    ...(input.clients !== undefined ? { clients: input.clients } : {}),
    ...(input.binding !== undefined ? { binding: { name: input.binding } } : {}),
    ...(input.sharers !== undefined ? { sharers: input.sharers } : {}),
    ...(input.topology !== undefined ? { topology: input.topology } : {}),
    ...(input.allotment !== undefined ? { allotment: input.allotment } : {}),
    ...(input.leaving !== undefined && input.leaving.length > 0
      ? { leaving: [...input.leaving] }
      : {}),
    ...(input.grants !== undefined ? { grants: [...input.grants] } : {}),
  };
}

function judged(type: string, status: Judged['status'], reason: string, message: string): Judged {
  return { type, status, reason, message };
}
