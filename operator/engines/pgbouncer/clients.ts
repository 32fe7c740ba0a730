/**
 * The clients of a running process, as SHOW CLIENTS tells them. Found on 1.26.1: a client between two
 * transactions has no link to a server connection; one inside a transaction has one, in every mode,
 * also while it says nothing; one that waits for a server has none, but its own state. In session mode
 * the link stays from the first statement to the end of the session.
 */
import { ConsoleError, type ObservedClient } from '../engine.ts';

type Row = Readonly<Record<string, string | null>>;

/** The database under which consoles show up, this one too. */
const own = 'pgbouncer';

/**
 * Without the consoles. Throws `ConsoleError` where a column is missing. Times are whole seconds, by
 * the clock of the process itself: this very question is the newest of all.
 */
export function readClients(rows: readonly Row[]): ObservedClient[] {
  const now = Math.max(...rows.filter((row) => row.database === own).map(time));
  return rows
    .filter((row) => row.database !== own)
    .map((row) => ({
      id: text(row, 'id'),
      database: text(row, 'database'),
      user: text(row, 'user'),
      state:
        text(row, 'state') === 'waiting' ? 'waiting' : text(row, 'link') === '' ? 'idle' : 'busy',
      silentSeconds: Number.isFinite(now) ? Math.max(0, (now - time(row)) / 1000) : 0,
    }));
}

/** Of the last message; milliseconds. */
function time(row: Row): number {
  const [, date, clock] =
    /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC$/.exec(text(row, 'request_time')) ?? [];
  if (date === undefined) throw protocol(`request_time is ${text(row, 'request_time')}`);
  return Date.parse(`${date}T${clock}Z`);
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (value === undefined) throw protocol(`the column ${column} is missing`);
  return value ?? '';
}

function protocol(what: string): ConsoleError {
  return new ConsoleError('Protocol', `an answer that is not PgBouncer's: ${what}`);
}
