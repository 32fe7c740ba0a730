// RECONNECT and PAUSE end logins to the server that are under way. PgBouncer takes that for a server that refuses: until
// a login succeeds, and it begins none for `server_login_retry`, it turns away whoever asks for that database and user
// and finds no other connection ("server login has been failing, cached error"). So both wait for a moment without one.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ask } from './connection.ts';

/**
 * A login takes some milliseconds. One that takes longer than this meets a server that is not well: its clients are
 * turned away with or without us, and what is to be given back must not wait for it. Milliseconds.
 */
const mostMs = 1000;
const lookAgainMs = 5;

/**
 * Resolves when nobody logs in to the server, for one database or for any. The answer comes over the connection that
 * gives the command next, so a login can come between only in the time of one round trip.
 */
export async function untilNoLogin(ask: Ask, database?: string): Promise<void> {
  for (const end = performance.now() + mostMs; ; await sleep(lookAgainMs)) {
    const pools = await ask('SHOW POOLS');
    const busy = pools.some(
      (row) => (database === undefined || row.database === database) && row.sv_login !== '0',
    );
    if (!busy || performance.now() >= end) return;
  }
}
