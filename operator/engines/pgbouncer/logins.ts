// RECONNECT and PAUSE end logins to the server that are under way. PgBouncer takes that for a server that refuses: until
// a login succeeds, and it begins none for `server_login_retry`, it turns away whoever asks for that database and user
// and finds no other connection ("server login has been failing, cached error"). So both wait for a moment without one.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ask } from './connection.ts';

/** Between two looks: a login takes some milliseconds, and each look is work for the process. */
const pausesMs = [5, 5, 10, 20, 50] as const;

/**
 * Resolves when nobody logs in to the server, for some databases or for any; or after `mostMs`: logins that take so long
 * meet a server that is not well, whose clients are turned away with or without us, and what is to be given back must not
 * wait for it. The answer comes over the connection that gives the command next, so a login can come between only in the
 * time of one round trip.
 */
export async function untilNoLogin(
  ask: Ask,
  mostMs: number,
  databases?: readonly string[],
): Promise<void> {
  const end = performance.now() + mostMs;
  for (let look = 0; ; look++) {
    const pools = await ask('SHOW POOLS');
    const busy = pools.some(
      ({ database, sv_login }) =>
        sv_login !== '0' && (databases === undefined || databases.includes(database ?? '')),
    );
    if (!busy || performance.now() >= end) return;
    await sleep(pausesMs[Math.min(look, pausesMs.length - 1)]);
  }
}
