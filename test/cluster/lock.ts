// Locks between processes of one machine that cannot go stale: the kernel frees an abstract Unix
// socket with the process that holds it, however that ends. A lock holds within one network
// namespace.

import { createServer } from 'node:net';
import { sleep } from './run.ts';

export type Release = () => Promise<void>;

/** Takes the lock `name` and returns how to free it, or null when another holder has it. */
export function tryLock(name: string): Promise<Release | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ path: `\0spillway-${name}` }, () => {
      server.unref();
      resolve(() => new Promise((done) => server.close(() => done())));
    });
  });
}

/** Runs `work` while holding the lock `name`; waits for it, calling `busy` once if it has to. */
export async function withLock<T>(
  name: string,
  work: () => Promise<T>,
  busy: () => void = () => undefined,
): Promise<T> {
  let release = await tryLock(name);
  if (release === null) busy();
  while (release === null) {
    await sleep(200);
    release = await tryLock(name);
  }
  try {
    return await work();
  } finally {
    await release();
  }
}
