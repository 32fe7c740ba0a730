/**
 * A question to the server behind a running process, asked as an application asks: as a user of the pool, on the client
 * port, within the caps. The connection is left at once, because in session mode it keeps one to the server.
 */
import type { ClientPort } from '../engine.ts';
import { withConnection } from './connection.ts';

export const clientPort: ClientPort = {
  ask: (address, use) => {
    const where = `the pooler at ${address.host}:${address.port}, asked as ${address.user} for ${address.database},`;
    return withConnection({ ...address, where }, use);
  },
};
