/**
 * One short connection to a running process, for its console or as a client of a database: it is opened, asked, and
 * closed whatever happens, within one deadline. Text queries only, values as text.
 */
import { Socket } from 'node:net';
import pg from 'pg';
import { type ConsoleAddress, ConsoleError } from '../engine.ts';

export type Row = Readonly<Record<string, string | null>>;
export type Ask = (command: string) => Promise<readonly Row[]>;

/** Rejects with `ConsoleError`, whose message begins with `where`. */
export async function withConnection<T>(
  address: ConsoleAddress & { readonly database: string; readonly where: string },
  use: (ask: Ask) => Promise<T>,
): Promise<T> {
  const { host, port, user, password, database, where, tls, timeoutMs, signal } = address;
  const socket = new Socket();
  const client = new pg.Client({
    host,
    port,
    user,
    password,
    database,
    application_name: 'spillway',
    ssl: tls === undefined ? false : { rejectUnauthorized: tls.ca !== undefined, ...tls },
    stream: () => socket,
  });
  const broken = Promise.withResolvers<never>();
  // Nobody may be waiting when it settles.
  broken.promise.catch(() => {});
  client.on('error', broken.reject);
  client.once('end', () => broken.reject(new ConsoleError('Unreachable', `${where} hung up`)));
  const giveUp = (why: string) => () =>
    broken.reject(new ConsoleError('TimedOut', `${where}: ${why}`));
  const timer = setTimeout(giveUp(`no answer within ${timeoutMs} ms`), timeoutMs);
  const cancel = giveUp('the caller gave up');
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted) cancel();
  const ask: Ask = async (command) => (await client.query<Row>({ text: command, types: raw })).rows;
  const work = async () => {
    await client.connect();
    return use(ask);
  };
  try {
    const done = work();
    done.catch(() => {});
    return await Promise.race([broken.promise, done]);
  } catch (error) {
    throw translate(error, where);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', cancel);
    // Says goodbye where it can, and waits for no answer, which a stuck process would never give.
    client.end().catch(() => {});
    if (socket.connecting) socket.destroy();
    else socket.destroySoon();
    setTimeout(() => socket.destroy(), farewellMs).unref();
  }
}

/** How long the last bytes may take to leave for a process that does not read them. */
const farewellMs = 1000;

/** Every value as the text that was sent. */
const raw = { getTypeParser: () => (value: string) => value };

/** The message of the process is passed on; it never holds a password, and neither do ours. */
function translate(error: unknown, where: string): ConsoleError {
  if (error instanceof ConsoleError) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  const text = String(message ?? error).trim();
  if (error instanceof pg.DatabaseError) {
    // 28P01 and 28000: password, or user; 08P01: PgBouncer's own code for a refused login.
    const denied = /^28/.test(String(code)) || /authentication failed|not allowed/.test(text);
    return new ConsoleError(denied ? 'Denied' : 'Refused', `${where} says: ${text}`);
  }
  if (typeof code === 'string' && /^E(?!RR_)[A-Z_]+$/.test(code)) {
    return new ConsoleError('Unreachable', `${where} cannot be reached: ${code}`);
  }
  if (/Connection terminated|ended|hung up/i.test(text)) {
    return new ConsoleError('Unreachable', `${where} hung up`);
  }
  return new ConsoleError('Protocol', `${where} gave an answer that is not PgBouncer's: ${text}`);
}
