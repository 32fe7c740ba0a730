// The branded type of a right to hold server connections. Only core/ledger makes one, so no renderer can
// invent capacity.
import type { CapEntry } from '../../engines/engine.ts';

declare const brand: unique symbol;

/** What one holder's file may say now: a cap for each entry of its axis, at least 1 each. */
export interface Grant {
  readonly [brand]: 'Grant';
  readonly caps: readonly CapEntry[];
  /** Generation that the file must carry; it only grows. */
  readonly generation: number;
}

/** Makes a Grant. To be called inside core/ledger only; the import law's check enforces it. */
export function makeGrant(caps: readonly CapEntry[], generation: number): Grant {
  return { caps, generation } as Grant;
}

/** The same right in a file of the next generation: for a file that must change in something else than its caps. */
export function renewed(grant: Grant): Grant {
  return makeGrant(grant.caps, grant.generation + 1);
}
