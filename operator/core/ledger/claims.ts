// What the pools of a budget claim, those included that are not in view: when a row may be given up. The operator and
// the model checker both use this.
import type { AllotmentRecord } from '../../api/connection-budget.ts';
import type { PoolAllotment } from '../../api/connection-pool.ts';
import type { AllotmentClaim } from './allotments.ts';

/** One pool that is in view. */
export interface PoolClaim {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** See `AllotmentClaim`, as the rest. */
  readonly target: number;
  readonly taken?: PoolAllotment;
  readonly charge: number;
}

/**
 * What the API server itself was asked about a pool that is not in view, and has said to be gone: the pool; then its
 * workload and files, which nobody makes without it; then its pods, which nobody makes without these. Each answer counts
 * only after the one before it, and for good: a uid does not come back.
 */
export type Gone = 'pool' | 'objects' | 'pods';

const order: readonly Gone[] = ['pool', 'objects', 'pods'];

/** What is to be asked next; undefined when all is proven. */
export function nextQuestion(proven: Gone | undefined): Gone | undefined {
  return order[proven === undefined ? 0 : order.indexOf(proven) + 1];
}

/**
 * A pool that no cache shows may only not have been seen yet: until the API server says that it is gone it claims what
 * its row says, that is, there is no claim and the row stays as it is.
 */
export function claimsOf(
  pools: readonly PoolClaim[],
  rows: readonly AllotmentRecord[],
  goneOf: (uid: string) => Gone | undefined,
): AllotmentClaim[] {
  const known = new Set(pools.map((p) => p.uid));
  return [
    ...pools.map((p) => ({ ...p, remains: true, exists: true })),
    ...rows.flatMap(({ uid, namespace, name }) => {
      const gone = known.has(uid) ? undefined : goneOf(uid);
      if (gone === undefined) return [];
      const remains = nextQuestion(gone) !== undefined;
      return [{ uid, namespace, name, target: 0, charge: 0, remains, exists: false }];
    }),
  ];
}
