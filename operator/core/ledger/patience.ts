// How long a raise waits to be made whole. While others give back, a part of a share would only be written to be written
// again; but a holder on a lost node, or a client in session mode, gives back when it likes, and meanwhile free
// connections are of no use to anybody. The operator and the model checker both use this.

/** Most of what is given back comes within it: a reload, a reconnect, and the transactions that were under way. */
export const PATIENCE_SECONDS = 10;

/** Since when something free is withheld because it is not all that somebody lacks, in milliseconds, by its name. */
export type Waits = ReadonlyMap<string, number>;

export interface Patience {
  readonly waits: Waits;
  /** Of these parts are to be given now. */
  readonly over: ReadonlySet<string>;
  /** Until the next one is over, in seconds; absent when none waits for that. */
  readonly seconds?: number;
}

/** Pure. `withheld` is what is withheld now; what is not any more is forgotten. `now` in milliseconds. */
export function patienceWith(before: Waits, withheld: Iterable<string>, now: number): Patience {
  const waits = new Map([...withheld].map((name) => [name, before.get(name) ?? now]));
  const left = (since: number) => since + PATIENCE_SECONDS * 1000 - now;
  const over = new Set([...waits].filter(([, since]) => left(since) <= 0).map(([name]) => name));
  const rest = [...waits.values()].map(left).filter((milliseconds) => milliseconds > 0);
  return { waits, over, ...(rest.length === 0 ? {} : { seconds: Math.min(...rest) / 1000 }) };
}
