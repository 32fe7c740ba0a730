// Clients of a pooler whose queries run until they are cancelled.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { UserSecret } from '../../operator/engines/engine.ts';
import { sendCancel } from '../cluster/cancel.ts';
import type { Postgres } from '../cluster/processes.ts';
import { eventually } from './pooler.ts';

export interface Sleepers {
  /**
   * Sends a cancel for each to this port, one each `gapMs`. How the queries ended: `57014` is a cancelled one, `slept`
   * one that was not.
   */
  cancelAt(port: number, gapMs: number): Promise<string[]>;
}

/** Returns when all of their queries run. Nobody else may run such queries as this user. */
export async function startSleepers(
  postgres: Postgres,
  { name: user, secret: password }: UserSecret,
  {
    port,
    count,
    seconds,
  }: { readonly port: number; readonly count: number; readonly seconds: number },
): Promise<Sleepers> {
  const login = { host: '127.0.0.1', port, user, password, database: 'a' };
  const clients = Array.from({ length: count }, () => new pg.Client(login));
  await Promise.all(clients.map((one) => one.connect()));
  const results = clients.map((one) =>
    one.query(`select pg_sleep(${seconds})`).then(
      () => 'slept',
      (error: { code?: string }) => error.code ?? String(error),
    ),
  );
  await eventually(
    'all queries run',
    async () => {
      const [row] = await postgres.query(
        `select count(*)::int as n from pg_stat_activity where state = 'active' and query like '%pg_sleep%' and usename = '${user}'`,
      );
      return row?.n;
    },
    (running) => running === count,
  );
  return {
    cancelAt: async (at, gapMs) => {
      const sent: Promise<unknown>[] = [];
      for (const one of clients) {
        sent.push(sendCancel(one, { host: '127.0.0.1', port: at }));
        if (gapMs > 0) await sleep(gapMs);
      }
      const codes = await Promise.all(results);
      await Promise.all([...sent, ...clients.map((one) => one.end())]);
      return codes;
    },
  };
}
