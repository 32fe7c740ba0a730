/**
 * What becomes of a running process when its file changes: what a reload applies at once, what only
 * comes true as connections are released, and what only a new process does.
 */
import type { CapShrink, Change, Observation } from '../engine.ts';
import { parameters } from './parameters.ts';
import { axisOf, type FileContent, readContent, readHolderFile } from './read-file.ts';

const none: Change = {
  kind: 'none',
  restart: [],
  cold: false,
  removed: [],
  reconnect: [],
  shrinks: [],
};

export function change(before: string, after: string): Change {
  if (before === after) return none;
  const old = readContent(before);
  const next = readContent(after);
  // No process has ever read to the end of such a file, so nothing is known of what runs.
  if ('error' in old || 'error' in next) {
    return { ...none, kind: 'restart', restart: ['the file cannot be read'], reconnect: 'all' };
  }
  const axis = axisOf(next);
  const cold = axisOf(old) !== axis;
  const restart = restartOnly
    .filter(({ name, sticky }) =>
      sticky
        ? old.settings.has(name) && !next.settings.has(name)
        : old.settings.get(name) !== next.settings.get(name),
    )
    .map(({ name }) => name);
  const shrinks = shrinkage(before, after);
  const removed = cold ? [] : [...old.databases.keys()].filter((name) => !next.databases.has(name));
  const entries =
    axis === 'database'
      ? ([old.databases, next.databases] as const)
      : ([old.users, next.users] as const);
  const smaller = [...entries[1].keys()]
    .filter((name) => limitsFell(entries[0].get(name), entries[1].get(name)))
    .sort();
  return {
    kind: restart.length > 0 ? 'restart' : 'reload',
    restart,
    cold,
    removed: removed.sort(),
    // One user's connections are spread over databases that we do not know.
    reconnect: axis === 'database' ? smaller : smaller.length + shrinks.length > 0 ? 'all' : [],
    shrinks,
  };
}

type Words = ReadonlyMap<string, string>;

/** A pool's size too: without a reconnect a busy pool keeps what it has. */
function limitsFell(before: Words | undefined, after: Words | undefined): boolean {
  return ['max_db_connections', 'max_user_connections', 'pool_size'].some((name) => {
    const was = before?.get(name);
    const is = after?.get(name);
    return was !== undefined && is !== undefined && Number(is) < Number(was);
  });
}

/** Parameters that a reload does not change, or does not take back, by name. */
const restartOnly = parameters.filter(({ applies, sticky }) => applies === 'restart' || sticky);

function shrinkage(before: string, after: string): CapShrink[] {
  const old = readHolderFile(before);
  const next = readHolderFile(after);
  if ('error' in old || 'error' in next) return [];
  const caps = new Map(next.caps.map((cap) => [cap.name, cap.connections]));
  return old.caps
    .map(({ name, connections }) => ({ name, from: connections, to: caps.get(name) ?? 0 }))
    .filter(({ from, to }) => to < from)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function pendingRestart({ parameters: running }: Observation, text: string): string[] {
  const content = readContent(text);
  if ('error' in content) return [];
  return restartOnly
    .filter((parameter) => {
      // The engine did not say: an alias, or a parameter that this version has not.
      const value = running[parameter.name];
      return value !== undefined && value !== expected(content, parameter.name, value);
    })
    .map(({ name }) => name);
}

export function closesSilent({ parameters: running }: Observation, text: string): boolean {
  const content = readContent(text);
  if ('error' in content) return false;
  const written = content.settings.get('client_idle_timeout') ?? '0';
  return Number(running.client_idle_timeout ?? written) !== Number(written);
}

/** What a new process would show, or `value` where a file without the line says nothing of it. */
function expected({ settings }: FileContent, name: string, value: string): string {
  const written = settings.get(name);
  if (written !== undefined) return written;
  const standard = standards[name];
  return standard ?? value;
}

/** PgBouncer's own values of what users may set or leave out, and of what has no way back. */
const standards: Readonly<Record<string, string>> = {
  listen_backlog: '128',
  pkt_buf: '4096',
  auth_user: '',
  auth_dbname: '',
  auth_ident_file: '',
  client_tls13_ciphers: '',
  server_tls13_ciphers: '',
};
