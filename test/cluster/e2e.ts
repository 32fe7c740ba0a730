// What tests on a whole cluster are written with. They run in the cluster's network, so service and
// pod addresses and cluster DNS names are theirs to use: `node test/cluster/main.ts exec -- node
// --test test/e2e/*.test.ts`.

import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { attempt, CommandError, type RunResult, run, sleep } from './run.ts';

export type Resource = {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
  };
  // What else there is depends on the kind: a test knows what it asked for.
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  data?: Record<string, string>;
};

/** Runs kubectl and returns its standard output. Throws a CommandError with what it said. */
export function kubectl(
  args: readonly string[],
  options: { input?: string } = {},
): Promise<string> {
  return run(['kubectl', ...args], options);
}

/** Runs kubectl whatever its exit code, for tests of what is refused. */
export function tryKubectl(
  args: readonly string[],
  options: { input?: string } = {},
): Promise<RunResult> {
  return attempt(['kubectl', ...args], options);
}

/** Applies objects, or YAML text of any number of them. */
export function apply(objects: object | readonly object[] | string): Promise<string> {
  const input =
    typeof objects === 'string'
      ? objects
      : JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [objects].flat() });
  return kubectl(['apply', '-f', '-'], { input });
}

/** The object, or undefined when there is none. `kind` is whatever kubectl understands. */
export async function get<T = Resource>(
  kind: string,
  name: string,
  namespace = 'default',
): Promise<T | undefined> {
  const found = await kubectl([
    ...['get', kind, name, `--namespace=${namespace}`],
    ...['--ignore-not-found', '--output=json'],
  ]);
  return found.trim() === '' ? undefined : (JSON.parse(found) as T);
}

/** All objects of a kind in a namespace, by label where `selector` is given. */
export async function list<T = Resource>(
  kind: string,
  namespace = 'default',
  selector = '',
): Promise<T[]> {
  const found = await kubectl([
    ...['get', kind, `--namespace=${namespace}`, `--selector=${selector}`, '--output=json'],
  ]);
  return (JSON.parse(found) as { items: T[] }).items;
}

/**
 * Looks until `look` returns something other than undefined or false, and returns it. Throws after
 * `seconds` with `what`, what the last look said, and, where `namespace` is given, the state of its
 * pools, pods and last events.
 */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  options: { seconds?: number; namespace?: string } = {},
): Promise<T> {
  const seconds = options.seconds ?? 60;
  let fault: unknown;
  for (const end = Date.now() + seconds * 1000; ; await sleep(250)) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      fault = undefined;
    } catch (error) {
      fault = error;
    }
    if (Date.now() > end) break;
  }
  const lines = [`Not within ${seconds} s: ${what}`];
  if (fault !== undefined) lines.push(fault instanceof Error ? fault.message : String(fault));
  if (options.namespace !== undefined) lines.push(await situation(options.namespace));
  throw new Error(lines.join('\n'));
}

/** What goes on in a namespace, as text for a failed test's message. */
export async function situation(namespace: string): Promise<string> {
  const see = async (...args: string[]) =>
    (await attempt(['kubectl', `--namespace=${namespace}`, ...args])).stdout.trim();
  const [pools, pods, events] = await Promise.all([
    see(
      'get',
      'connectionpools.spillway.dev',
      '-o=jsonpath={range .items[*]}{.metadata.name} {.status}{"\\n"}{end}',
    ),
    see('get', 'pods', '--output=wide'),
    see('get', 'events', '--sort-by=.lastTimestamp'),
  ]);
  return [pools, pods, events.split('\n').slice(-15).join('\n')].filter(Boolean).join('\n---\n');
}

/** Runs `command` in the first container of a pod, and returns its standard output. */
export function execIn(
  namespace: string,
  pod: string,
  command: readonly string[],
): Promise<string> {
  return kubectl(['exec', `--namespace=${namespace}`, pod, '--', ...command]);
}

/**
 * A namespace of the test's own with the Pod Security level `restricted`; `remove` deletes it with
 * all its objects, and returns when they are gone.
 */
export async function makeNamespace(
  prefix: string,
): Promise<{ name: string; remove: () => Promise<void> }> {
  const name = `${prefix}-${randomUUID().slice(0, 5)}`;
  const level = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: level } });
  return {
    name,
    remove: async () => {
      await kubectl(['delete', 'namespace', name, '--timeout=120s']);
    },
  };
}

export type Login = {
  host: string;
  port?: number;
  user: string;
  password: string;
  database: string;
};

/** Runs one statement in a session of its own and returns its rows. */
export async function psql(
  login: Login,
  sql: string,
  values?: unknown[],
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionTimeoutMillis: 10_000, ...login });
  // A server that goes away says so on its own; the statement in hand fails with it.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

export { CommandError };
