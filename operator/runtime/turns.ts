// One at a time for each key, in the order in which they asked.
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Settles as `use` does, which starts when everybody before has settled, however they did. */
  take<T>(key: string, use: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const mine = before.then(use);
    const settled = mine.then(
      () => {},
      () => {},
    );
    this.#last.set(key, settled);
    settled.then(() => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    });
    return mine;
  }
}
