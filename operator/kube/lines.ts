// Cuts a stream of bytes into lines, whatever pieces it comes in.
import { TransportError } from './errors.ts';

const newline = 0x0a;

/** Calls `onLine` for each complete line, without its newline; empty lines are left out. */
export class Lines {
  readonly #onLine: (line: string) => void;
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #size = 0;

  /** A line longer than `maxBytes` is garbage: no object in etcd is larger than some MiB. */
  constructor(onLine: (line: string) => void, maxBytes = 16 * 1024 * 1024) {
    this.#onLine = onLine;
    this.#maxBytes = maxBytes;
  }

  /** Bytes of a line that is not complete yet. */
  get pending(): number {
    return this.#size;
  }

  push(chunk: Buffer): void {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(newline, from);
      if (end < 0) break;
      const tail = chunk.subarray(from, end);
      const line = this.#size === 0 ? tail : Buffer.concat([...this.#parts, tail]);
      this.#parts = [];
      this.#size = 0;
      from = end + 1;
      if (line.length > 0) this.#onLine(line.toString('utf8'));
    }
    if (from < chunk.length) {
      const rest = chunk.subarray(from);
      this.#parts.push(rest);
      this.#size += rest.length;
      if (this.#size > this.#maxBytes) {
        throw new TransportError('garbage', `a line longer than ${this.#maxBytes} bytes`);
      }
    }
  }
}
