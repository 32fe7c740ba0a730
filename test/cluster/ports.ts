// Finds TCP ports for daemons that cannot be handed an open socket.

import { createServer } from 'node:net';
import { tryLock } from './lock.ts';

// Below the range from which Linux takes ports for outgoing connections (32768 and up), so that no
// connection made in the meantime can sit on a port that was found free.
const first = 20_000;
const last = 30_000;

/**
 * A TCP port on which nothing listens, and which no other process that calls this function gets
 * while this process lives.
 */
export async function reservePort(host = '127.0.0.1'): Promise<number> {
  const start = Math.floor(Math.random() * (last - first));
  for (let step = 0; step < last - first; step++) {
    const port = first + ((start + step) % (last - first));
    const release = await tryLock(`port-${port}`);
    if (release === null) continue;
    if (await isFree(port, host)) return port;
    await release();
  }
  throw new Error(`no free TCP port between ${first} and ${last} on ${host}`);
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host }, () => server.close(() => resolve(true)));
  });
}
