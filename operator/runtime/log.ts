// The log: JSON lines with ISO times. Fields that look like secrets are never written.
import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Names whose values are replaced by [redacted], at the top of a log line and two levels below. */
const secret = [
  'password',
  'passwd',
  'token',
  'secret',
  'authorization',
  'userlist',
  'stringData',
  'data',
  'key',
];

/** Writes to standard output unless `destination` is given (a test reads it there). */
export function createLog(level: LogLevel, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: secret.flatMap((name) =>
        // `key` at the top is the key of a reconcile.
        name === 'key' ? [`*.${name}`] : [name, `*.${name}`, `*.*.${name}`],
      ),
      censor: '[redacted]',
    },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
