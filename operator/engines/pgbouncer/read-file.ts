/**
 * Reads a holder's file back: what it lets its process open. The ledger is rebuilt from this when it
 * is lost, so it reads what PgBouncer would do with the text, not what we once meant by it, and says
 * so when that has no bound. Total: whatever the text, an answer.
 */
import type {
  CapAxis,
  CapEntry,
  FileEntries,
  HolderFile,
  HolderFileFault,
  Mark,
  PoolMode,
} from '../engine.ts';
import { parseConnectString, parseIni } from './ini.ts';
import { hashOf, parseMark } from './mark.ts';

/** What a file says, section by section, as PgBouncer has it after reading everything. */
export interface FileContent {
  readonly any: boolean;
  /** The part of each connect string that matters here, by database. */
  readonly databases: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly users: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly settings: ReadonlyMap<string, string>;
}

export function readContent(text: string): FileContent | HolderFileFault {
  const { lines, fault } = parseIni(text);
  if (fault !== undefined) return { error: `PgBouncer stops reading at ${fault}` };
  let any = false;
  const databases = new Map<string, ReadonlyMap<string, string>>();
  const users = new Map<string, ReadonlyMap<string, string>>();
  const settings = new Map<string, string>();
  for (const { section, key, value } of lines) {
    if (section === 'pgbouncer') {
      // A header puts all of them back to their defaults.
      if (key === undefined) settings.clear();
      else settings.set(key, value);
    } else if (section === 'databases' || section === 'users') {
      if (key === undefined) continue;
      const words = parseConnectString(value);
      if (words === undefined) return { error: `the line of ${key} in [${section}] is broken` };
      if (section === 'users') users.set(key, words);
      else if (key === '*') any = true;
      else databases.set(key, words);
    } else if (section !== 'peers') {
      return { error: `PgBouncer knows no section [${section}]` };
    }
  }
  return { any, databases, users, settings };
}

/** The mark of a text, when its last line is one. */
export function markOf(text: string): Mark | undefined {
  const [, mark] = /(?:^|\n)syslog_ident = ([^\n]*)\n$/.exec(text) ?? [];
  return mark === undefined ? undefined : parseMark(mark);
}

export function readHolderFile(text: string): HolderFile | HolderFileFault {
  const mark = markOf(text);
  if (mark === undefined) return { error: 'the last line is not a mark of Spillway' };
  const content = readContent(text);
  if ('error' in content) return content;
  const bounds = content.any ? userBounds(content) : databaseBounds(content);
  if ('error' in bounds) return bounds;
  return {
    mark,
    axis: axisOf(content),
    caps: bounds,
    connections: bounds.reduce((sum, { connections }) => sum + connections, 0),
    intact: hashOf(text.slice(0, text.lastIndexOf('syslog_ident = '))) === mark.hash,
  };
}

export function entriesOf(text: string): FileEntries | undefined {
  const content = readContent(text);
  if ('error' in content) return undefined;
  const databases = [...content.databases].map(([name, words]) => {
    const dbname = words.get('dbname');
    const mode = poolMode(words.get('pool_mode'));
    const user = words.get('user');
    return {
      name,
      ...(dbname === undefined || dbname === name ? {} : { dbname }),
      ...(mode === undefined ? {} : { mode }),
      ...(user === undefined ? {} : { user }),
    };
  });
  return { axis: axisOf(content), databases, users: [...content.users.keys()] };
}

function poolMode(word: string | undefined): PoolMode | undefined {
  return (['transaction', 'session', 'statement'] as const).find((mode) => mode === word);
}

/** A file without any database has no "*" either, but its witness tells. */
export function axisOf({ any, settings }: FileContent): CapAxis {
  return any || settings.get('job_name') === 'spillway-user' ? 'user' : 'database';
}

function databaseBounds({ databases, settings }: FileContent): CapEntry[] | HolderFileFault {
  const caps: CapEntry[] = [];
  for (const [name, words] of databases) {
    const connections = bound(words.get('max_db_connections'), settings.get('max_db_connections'));
    if (connections === undefined) return { error: `nothing bounds the database ${name}` };
    caps.push({ name, connections });
  }
  return caps;
}

function userBounds({ users, settings }: FileContent): CapEntry[] | HolderFileFault {
  // Users without a line are not in the file. Ours are bounded by 1, and no role answers to them.
  if (number(settings.get('max_user_connections')) !== 1) {
    return { error: 'max_user_connections is not 1: users without a line may open connections' };
  }
  const caps: CapEntry[] = [];
  for (const [name, words] of users) {
    const connections = bound(words.get('max_user_connections'), '1');
    if (connections === undefined) return { error: `nothing bounds the user ${name}` };
    caps.push({ name, connections });
  }
  return caps;
}

/** The own value, or the general one where the own one is none; undefined when neither bounds. */
function bound(own: string | undefined, general: string | undefined): number | undefined {
  for (const text of [own, general]) {
    if (text === undefined) continue;
    const n = number(text);
    if (n === undefined) return undefined;
    if (n > 0) return n;
  }
  return undefined;
}

/** Whole and decimal; what PgBouncer might read in another way is undefined. */
function number(text: string | undefined): number | undefined {
  return text !== undefined && /^(-1|0|[1-9]\d{0,8})$/.test(text) ? Number(text) : undefined;
}
