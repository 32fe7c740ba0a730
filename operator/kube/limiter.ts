// At most so many at once; the others wait in the order in which they came.
import { TransportError } from './errors.ts';

interface Waiter {
  go: () => void;
}

export class Limiter {
  readonly #max: number;
  readonly #queue = new Set<Waiter>();
  #active = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get active(): number {
    return this.#active;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /**
   * Resolves when there is a place; each must be given back with `release`. Rejects with
   * TransportError 'aborted' or 'deadline', `sent: false`, and then holds no place.
   */
  acquire(signal: AbortSignal | undefined, seconds: number): Promise<void> {
    if (signal?.aborted) return Promise.reject(refusal('aborted'));
    if (seconds <= 0) return Promise.reject(refusal('deadline'));
    if (this.#active < this.#max) {
      this.#active++;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const leave = (kind: 'aborted' | 'deadline') => {
        this.#queue.delete(waiter);
        settle();
        reject(refusal(kind));
      };
      const onAbort = () => leave('aborted');
      const timer = setTimeout(() => leave('deadline'), seconds * 1000);
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        go: () => {
          settle();
          resolve();
        },
      };
      signal?.addEventListener('abort', onAbort);
      this.#queue.add(waiter);
    });
  }

  release(): void {
    for (const next of this.#queue) {
      // The place changes hands; the number in use stays.
      this.#queue.delete(next);
      next.go();
      return;
    }
    this.#active--;
  }
}

function refusal(kind: 'aborted' | 'deadline'): TransportError {
  const why = kind === 'aborted' ? 'aborted' : 'deadline passed';
  return new TransportError(kind, `${why} while waiting for a free connection`, false);
}
