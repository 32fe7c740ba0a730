// A cancel request as drivers send it: a connection of its own, with the key of the one whose query is to end.

import { connect } from 'node:net';
import type pg from 'pg';

/**
 * Resolves when the other side has closed, which it does when it has passed the request on; with a fault where it could
 * not be sent, or was kept for longer than `milliseconds`.
 */
export function sendCancel(
  of: pg.Client,
  to: { host: string; port: number },
  milliseconds = 10_000,
): Promise<string | undefined> {
  // The driver has them, and its types do not.
  const { processID, secretKey } = of as unknown as { processID: number; secretKey: number };
  const request = Buffer.alloc(16);
  [16, 80877102, processID, secretKey].forEach((number, index) => {
    request.writeInt32BE(number, 4 * index);
  });
  return new Promise((resolve) => {
    const socket = connect(to, () => socket.write(request));
    socket.setTimeout(milliseconds, () => {
      socket.destroy();
      resolve('the cancel request was not passed on');
    });
    socket.once('error', (error) => resolve(`the cancel request: ${error.message}`));
    socket.once('close', () => resolve(undefined));
    socket.resume();
  });
}
