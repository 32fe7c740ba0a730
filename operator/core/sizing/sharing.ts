// How the pools of one server share it, in words for many statuses at once. Of a few pools the weights are told. Of more
// it is told only that they are more: with their number or the sum of their weights in it, each edit of one pool would
// change what all the others say, although nothing else of theirs changes.
import { isSessionPool } from './entries.ts';
import type { SizedPool } from './size-server.ts';

/** Of more pools than this neither number nor weights are told. */
export const LISTED_POOLS = 4;

/** Weights of the pools that ask for pods, the largest first. */
export interface Sharing {
  /** Of those that share the optimum: all but those in session mode. */
  readonly active: readonly number[];
  readonly session: readonly number[];
}

/** By the list, which is the same for all pools of a server. */
const known = new WeakMap<readonly SizedPool[], Sharing>();

export function sharingOf(pools: readonly SizedPool[]): Sharing {
  const before = known.get(pools);
  if (before !== undefined) return before;
  const asking = pools.filter((p) => p.spec.pooler.replicas > 0);
  const weights = (session: boolean) =>
    asking
      .filter((p) => isSessionPool(p.spec) === session)
      .map((p) => p.spec.sizing.weight)
      .sort((a, b) => b - a);
  const made = { active: weights(false), session: weights(true) };
  known.set(pools, made);
  return made;
}

/** `1 pool`, `4 pools`, `more than 4 pools`. */
export function poolsInWords(count: number): string {
  if (count > LISTED_POOLS) return `more than ${LISTED_POOLS} pools`;
  return `${count} pool${count === 1 ? '' : 's'}`;
}

/** For the ConnectionBudget, in the form of its other numbers: how many pools, and how they share. */
export function sharingInWords({ active, session }: Sharing): readonly [string, string] {
  const how = (weights: readonly number[]) =>
    weights.length > LISTED_POOLS
      ? `${poolsInWords(weights.length)} by weight`
      : `${poolsInWords(weights.length)} ${weights.join(':')}`;
  const parts = [
    ...(active.length === 0 ? [] : [`in transaction or statement mode: ${how(active)}`]),
    ...(session.length === 0 ? [] : [`in session mode: ${how(session)}`]),
  ];
  const count = active.length + session.length;
  return [
    count > LISTED_POOLS ? `more than ${LISTED_POOLS}` : `${count}`,
    parts.length === 0 ? 'none asks for pods' : parts.join('; '),
  ];
}
