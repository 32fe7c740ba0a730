// A watch that begins when another is complete, because what it keeps depends on what the other has found.
import type { Source } from '../runtime/manager.ts';

export function startedAfter(first: readonly Source[], source: Source): Source {
  return {
    name: source.name,
    whenReady: source.whenReady,
    get ready() {
      return source.ready;
    },
    get lastError() {
      return source.lastError;
    },
    run: async (signal) => {
      const aborted = new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      await Promise.race([Promise.all(first.map((one) => one.whenReady)), aborted]);
      await source.run(signal);
    },
  };
}
