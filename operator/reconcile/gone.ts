// Proof that nothing is left of pools that have a row and are not in view, by asking the API server.
import type { AllotmentRecord } from '../api/connection-budget.ts';
import { type Gone, nextQuestion } from '../core/ledger/claims.ts';
import { POOL_UID_LABEL } from '../core/pool/labels.ts';
import { namesOf } from '../core/pool/names.ts';
import { isForbidden } from '../kube/errors.ts';
import { type KubeObject, pods as podType } from '../kube/types.ts';
import type { Run } from '../runtime/controller.ts';
import type { Context } from './context.ts';
import { poolUidOf } from './trim.ts';
import { connectionPools } from './world.ts';

type Row = Pick<AllotmentRecord, 'uid' | 'namespace' | 'name'>;

export class Proofs {
  /** By ConnectionBudget, by uid of the pool. */
  readonly #proven = new Map<string, ReadonlyMap<string, Gone>>();

  of(budgetKey: string, uid: string): Gone | undefined {
    return this.#proven.get(budgetKey)?.get(uid);
  }

  forget(budgetKey: string): void {
    this.#proven.delete(budgetKey);
  }

  /**
   * Asks as far as it can be known now; `rows` are all of the budget whose pools are not in view. While a cache still
   * shows something, nothing is asked about it: its end is an event. False: the API server has something that no cache
   * shows, or does not say; to be tried again.
   */
  async look(
    context: Context,
    budgetKey: string,
    rows: readonly Row[],
    run: Run,
  ): Promise<boolean> {
    const proven = new Map<string, Gone>();
    let isComplete = true;
    for (const row of rows) {
      let gone = this.of(budgetKey, row.uid);
      for (;;) {
        const question = nextQuestion(gone);
        if (question === undefined || isInView(context, row, question)) break;
        if (!(await isGone(context, row, question, run))) {
          isComplete = false;
          break;
        }
        gone = question;
      }
      if (gone !== undefined) proven.set(row.uid, gone);
    }
    if (proven.size === 0) this.#proven.delete(budgetKey);
    else this.#proven.set(budgetKey, proven);
    return isComplete;
  }
}

function isInView({ world }: Context, { namespace, name, uid }: Row, question: Gone): boolean {
  if (question === 'pool') return world.pools.get(namespace, name)?.metadata.uid === uid;
  return world.remainsOf(uid);
}

async function isGone(context: Context, row: Row, question: Gone, run: Run): Promise<boolean> {
  const { namespace, name, uid } = row;
  run.log.debug({ pool: `${namespace}/${name}`, uid, question }, 'is anything left of this pool?');
  try {
    return await answer(context, row, question, run);
  } catch (error) {
    if (!isForbidden(error)) throw error;
    run.log.warn(
      { err: error, pool: `${namespace}/${name}` },
      'whether a pool is gone cannot be asked: what it had stays reserved for it',
    );
    return false;
  }
}

async function answer(
  { client, world }: Context,
  { namespace, name, uid }: Row,
  question: Gone,
  run: Run,
): Promise<boolean> {
  const call = { signal: run.signal };
  switch (question) {
    case 'pool': {
      const pool = await client.get(connectionPools, { namespace, name }, call);
      return pool?.metadata.uid !== uid;
    }
    case 'objects': {
      const names = namesOf(name);
      for (const [{ type }, object] of [
        [world.statefulSets, names.statefulSet],
        [world.deployments, names.deployment],
        [world.configMaps, names.configMap],
      ] as const) {
        const live = await client.get(type, { namespace, name: object }, call);
        if (live !== undefined && isOf(live, uid)) return false;
      }
      return true;
    }
    case 'pods': {
      const labelSelector = `${POOL_UID_LABEL}=${uid}`;
      const { items } = await client.list(podType, { namespace, labelSelector, ...call });
      return items.length === 0;
    }
  }
}

/** By label or by owner: somebody may have taken one of them away. */
function isOf(object: KubeObject, uid: string): boolean {
  const owners = object.metadata.ownerReferences ?? [];
  return poolUidOf(object) === uid || owners.some((owner) => owner.uid === uid);
}
