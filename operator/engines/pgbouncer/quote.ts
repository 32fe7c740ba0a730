/**
 * How names and values are written into PgBouncer's two files, and why some cannot be written at all.
 * The rules are those of its parsers (cfparser.c, loader.c of 1.25): an ini value is raw to the end of
 * its line, an ini name in single quotes has no escape, a connect-string value in single quotes
 * doubles a quote and cannot be empty, a user-list field in double quotes doubles a double quote.
 */
import { type Check, EngineError, type EngineErrorCode, type Refusal } from '../engine.ts';

/** Postgres' NAMEDATALEN - 1, and one less than PgBouncer's buffer for a database name. */
const maxNameBytes = 63;
/** PgBouncer 1.25 reads secrets into 2048 bytes, counted before a doubled quote is undone. */
const maxSecretBytes = 2047;
/** Far above every host list and path, far below anything that could hurt. */
const maxValueBytes = 4096;

const ok: Check = { ok: true };

export function refuse(reason: string, message: string): Refusal {
  return { ok: false, reason, message };
}

/** UTF-8, as both files are read. */
function bytes(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** What is wrong with `text` anywhere in these files, whatever the quoting. */
function checkText(what: string, text: string, max: number): Check {
  if (!text.isWellFormed()) {
    return refuse('NotUnicode', `${what} is not valid Unicode: it has half of a surrogate pair`);
  }
  const control = /\p{Cc}/u.exec(text);
  if (control) {
    const code = control[0].codePointAt(0)?.toString(16).padStart(4, '0');
    const newline =
      control[0] === '\n' && control.index === text.length - 1
        ? `${what} ends with a newline: remove it (printf or echo -n make a file without one)`
        : `${what} has the control character U+${code}, which could end the line: remove it`;
    return refuse('ControlCharacter', newline);
  }
  const length = bytes(text);
  if (length > max) {
    return refuse('TooLong', `${what} has ${length} bytes: at most ${max} can be used`);
  }
  return ok;
}

/** A name as the key of an ini line. */
function checkName(what: string, name: string): Check {
  if (name === '') return refuse('Empty', `${what} is empty: give it a name`);
  if (name.includes("'")) {
    return refuse(
      'QuoteInName',
      `${what} has a single quote, which PgBouncer's file cannot express: use another name`,
    );
  }
  return checkText(what, name, maxNameBytes);
}

/** A database by the name that clients use. */
export function checkDatabaseName(name: string): Check {
  if (name === 'pgbouncer') {
    return refuse(
      'ReservedName',
      'pgbouncer is the name of the admin console: give the entry another name and set its dbname',
    );
  }
  if (name === '*') {
    return refuse(
      'ReservedName',
      '"*" stands for every database and must be the only entry: remove it or the others',
    );
  }
  return checkName('the database name', name);
}

/** The name of a database on the server. Stands in a connect string, where a quote can be written. */
export function checkServerDatabaseName(name: string): Check {
  if (name === '') return refuse('Empty', 'dbname is empty: leave it out, or give it a name');
  return checkText('dbname', name, maxNameBytes);
}

export function checkUserName(name: string): Check {
  if (name === 'pgbouncer') {
    return refuse(
      'ReservedName',
      'pgbouncer is the name of a user that the admin console has for itself: use another role',
    );
  }
  return checkName('the user name', name);
}

/**
 * A password or a SCRAM secret. An md5 secret is refused: with SCRAM, which the poolers ask of every
 * client, nobody could log in with it. PgBouncer takes exactly this form for one.
 */
export function checkSecret(secret: string): Check {
  if (secret === '') return refuse('Empty', 'the password is empty: nobody could log in with it');
  if (/^md5[0-9a-f]{32}$/.test(secret)) {
    return refuse(
      'Md5Secret',
      'the password is an md5 hash, with which no client can log in by SCRAM: give the password itself, or its SCRAM secret',
    );
  }
  const text = checkText('the password', secret, maxSecretBytes);
  if (!text.ok) return text;
  const written = bytes(secret.replaceAll('"', '""'));
  if (written > maxSecretBytes) {
    return refuse(
      'TooLong',
      `the password has ${written} bytes as it is written, each double quote twice: at most ${maxSecretBytes} can be used`,
    );
  }
  return ok;
}

/** The value of a line in [pgbouncer]: read raw, and trimmed, so blanks at its ends would be lost. */
export function checkRawValue(what: string, value: string): Check {
  const text = checkText(what, value, maxValueBytes);
  if (!text.ok) return text;
  if (value !== value.trim()) {
    return refuse('BlankAtEnd', `${what} begins or ends with a blank, which is lost: remove it`);
  }
  return ok;
}

/** A host name or address, or a comma list of them. A path or `@…` would be a Unix socket. */
export function checkHost(host: string): Check {
  if (bytes(host) <= maxValueBytes && /^[A-Za-z0-9_.:-]+(,[A-Za-z0-9_.:-]+)*$/.test(host)) {
    return ok;
  }
  return refuse(
    'HostInvalid',
    'the host is not a name, an address or a comma list of them: write it without blanks, paths or ports',
  );
}

/** A file inside the pod. */
export function checkPath(path: string): Check {
  if (!path.startsWith('/')) return refuse('PathInvalid', 'the path is not absolute: begin with /');
  return checkRawValue('the path', path);
}

/** Throws what the check found, at `field`. */
export function insist(code: EngineErrorCode, field: string, check: Check): void {
  if (!check.ok) throw new EngineError(code, field, check.message);
}

/** The key of a line in [databases] or [users]. Only for names that passed their check. */
export function quoteName(name: string): string {
  return `'${name}'`;
}

/** A value in a connect string. Only for checked, non-empty text. */
export function quoteConnectValue(value: string): string {
  return /^[A-Za-z0-9_.:,-]+$/.test(value) ? value : `'${value.replaceAll("'", "''")}'`;
}

/** A line of the user list, without its newline. Only for checked text. */
export function userListLine(name: string, secret: string): string {
  return `"${name.replaceAll('"', '""')}" "${secret.replaceAll('"', '""')}"`;
}
