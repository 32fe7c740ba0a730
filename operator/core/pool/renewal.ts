// Read pools after a promotion. Behind the replicas' Service the pods change and the TCP sessions stay: those of a
// replica that became the primary would go on there, beside all that the primary's own pools have. So when another pod
// is the primary, or the number of replicas has changed, every process makes its server sessions anew, and only the
// count of those that are left proves that it has.
import type { Topology } from '../../api/connection-pool.ts';
import type { ServerFacts } from '../../postgres/adapter.ts';
import type { Finding } from './findings.ts';

/**
 * What the sessions of a read pool depend on. While nobody is the primary, as in the middle of a promotion, it is the one
 * that it was: sessions are made anew when it is known who comes next, and not twice.
 */
export function topologyOf({ primary, replicas }: ServerFacts, before?: Topology): Topology {
  const who = primary ?? before?.primary;
  return { ...(who === undefined ? {} : { primary: who }), replicas };
}

export function isSameTopology(a: Topology | undefined, b: Topology | undefined): boolean {
  return a?.primary === b?.primary && a?.replicas === b?.replicas;
}

/** Whether no session of the pool can be on the pod that is the primary now, as far as the cluster tells who that is. */
export function hasLeft(known: Topology | undefined, now: Topology): boolean {
  return now.primary === undefined || known?.primary === now.primary;
}

/** One process that is to make its sessions anew. Times in milliseconds since 1970. */
export interface Renewal {
  readonly wanted: Topology;
  /** When it was first looked at with that. */
  readonly since: number;
  /** When it was last told to. */
  readonly toldAt?: number;
  readonly proven: boolean;
}

/**
 * So long after a promotion a new connection may still be led to the promoted pod: the Service's endpoints and the
 * nodes' rules follow in their own time. Milliseconds.
 */
export const SETTLE_MS = 10_000;

export type RenewalStep =
  /** Tell the process to make its sessions anew; those in use end as they are released. */
  | 'reconnect'
  /** Look again soon. */
  | 'wait'
  | 'proven';

/**
 * At once, so that most have left soon; once more when nothing leads to the old place any more, because some may have
 * come back there; and proven when of the sessions from before that none is left. `closing`: sessions that end when
 * they are released, as the process told after it was last told to.
 */
export function nextRenewal(renewal: Renewal, closing: number, now: number): RenewalStep {
  const { since, toldAt } = renewal;
  if (renewal.proven) return 'proven';
  if (toldAt === undefined) return 'reconnect';
  if (toldAt < since + SETTLE_MS) return now < since + SETTLE_MS ? 'wait' : 'reconnect';
  return closing > 0 ? 'wait' : 'proven';
}

/** Said of read pools only. `left`: pods that are not proven yet. */
export function sessionsRenewed(now: Topology, left: readonly string[]): Finding {
  const type = 'SessionsRenewed';
  const who = now.primary === undefined ? '' : `${now.primary} is the primary, and `;
  const of = `${now.replicas} read ${now.replicas === 1 ? 'replica' : 'replicas'}`;
  if (left.length === 0) {
    return {
      type,
      status: 'True',
      reason: 'Renewed',
      message: `${who}every server session was opened since; ${of}`,
      effect: 'fine',
    };
  }
  return {
    type,
    status: 'False',
    reason: 'OldSessions',
    message: `${who}there are ${of} now: sessions from before close as clients release them (${left.join(', ')}), and until then pools of the primary get nothing more`,
    effect: 'noted',
  };
}
