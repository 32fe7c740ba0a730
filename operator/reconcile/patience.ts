// Since when raises wait to be made whole, by pool and by budget. A restart begins to count anew.
import { patienceWith, type Waits } from '../core/ledger/patience.ts';

export interface Patient<P> {
  readonly plan: P;
  /** After which to look again, because something is then given in parts. */
  readonly seconds?: number;
}

export class Waiting {
  readonly #waits = new Map<string, Waits>();
  readonly #now: () => number;

  /** `now` in milliseconds, of a clock that only goes forward. */
  constructor(now: () => number) {
    this.#now = now;
  }

  forget(key: string): void {
    this.#waits.delete(key);
  }

  /**
   * A plan in which all raises are whole; for what has waited too long for that, in parts. `make` plans with the names
   * of these, `withheld` says of which names something free is withheld.
   */
  plan<P>(
    key: string,
    make: (inParts: ReadonlySet<string>) => P,
    withheld: (plan: P) => Iterable<string>,
  ): Patient<P> {
    const whole = make(new Set());
    const before = this.#waits.get(key) ?? new Map();
    const { waits, over, seconds } = patienceWith(before, withheld(whole), this.#now());
    if (waits.size === 0) this.#waits.delete(key);
    else this.#waits.set(key, waits);
    const plan = over.size === 0 ? whole : make(over);
    return { plan, ...(seconds === undefined ? {} : { seconds }) };
  }
}
