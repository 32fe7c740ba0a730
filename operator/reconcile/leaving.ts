// Databases and users that were taken out of a pool's spec: what the files keep of them for now.
import type { LeavingEntry } from '../api/connection-pool.ts';
import type { ConnectionPool } from '../api/resources.ts';
import {
  type EntriesPlan,
  placesFor,
  planEntries,
  type WrittenEntries,
  writtenEntries,
} from '../core/drain/entries.ts';
import { leftInWords } from '../core/drain/left.ts';
import type { EntriesWaiting } from '../core/pool/findings.ts';
import { namesOf } from '../core/pool/names.ts';
import { fileTexts, type PoolObjects, recordsOf } from '../core/pool/read.ts';
import type { PoolView, UserCredential } from '../core/pool/view.ts';
import { fleetFor } from '../core/sizing/pool-shares.ts';
import { processesOf } from '../core/sizing/size-server.ts';
import type { CapAxis, Engine } from '../engines/engine.ts';
import { type KubeObject, keyOf } from '../kube/types.ts';
import type { Fault, RawObject } from '../postgres/adapter.ts';
import type { Context } from './context.ts';
import { readList } from './gather.ts';

export interface Leaving {
  readonly plan: EntriesPlan;
  /** For the renderers. */
  readonly view: NonNullable<PoolView['leaving']>;
  /** Those that the caps are for now: entries of the spec but those that wait for a place, and those that leave; sorted. */
  readonly entries: readonly string[];
  /** Each entry with what is left of its clients, for a message. */
  readonly words: readonly string[];
  /** Entries that wait for those, and until when at most; absent when none does. */
  readonly waiting?: EntriesWaiting;
}

export interface LeavingInput {
  readonly pool: ConnectionPool;
  readonly objects: PoolObjects;
  readonly axis: CapAxis;
  /** Of the spec. */
  readonly entries: readonly string[];
  /** What the pool has taken of its row. */
  readonly connections: number;
  readonly pods: number;
}

/** What is asked of the rest, for entries. */
type Needs = Pick<Context, 'engine' | 'now' | 'world'> & {
  readonly consoles: Pick<Context['consoles'], 'records'>;
  readonly drains: Pick<Context['drains'], 'clientsOfEntry'>;
  readonly events: Pick<Context['events'], 'record'>;
};

export function leavingOf(
  context: Pick<Needs, 'engine' | 'now' | 'drains'>,
  input: LeavingInput,
): Leaving {
  const { pool, objects, axis, entries, connections } = input;
  const { engine, drains } = context;
  const { spec, status } = pool;
  const any = spec.databases.some(({ name }) => name === '*');
  const written = writtenIn(objects, engine);
  const poolKey = keyOf(pool.metadata);
  const clients = (entry: LeavingEntry) => drains.clientsOfEntry(poolKey, entry);
  const fleet = fleetFor(connections, {
    pods: input.pods,
    processes: processesOf(spec),
    entries: entries.length,
  });
  const plan = planEntries({
    before: status.leaving ?? [],
    wanted: {
      databases: new Set(spec.databases.map(({ name }) => name)),
      users: new Set((spec.users ?? []).map(({ name }) => name)),
    },
    written: {
      databases: new Set(any ? [] : written.databases.keys()),
      users: written.users,
    },
    clients,
    axis,
    places: placesFor(connections, fleet.pods * fleet.processes),
    now: Date.now(),
    nowText: context.now(),
    limitSeconds: spec.pooler.drainSeconds,
  });
  const names = (kind: LeavingEntry['kind']) =>
    plan.leaving.filter((entry) => entry.kind === kind).map((entry) => entry.name);
  const databases = names('Database').map((name) => written.databases.get(name) ?? { name });
  const users = names('User');
  const until = plan.until === undefined ? '' : textOf(plan.until);
  const held = new Set(plan.waiting);
  return {
    plan,
    view: { databases, users },
    entries: entries
      .filter((name) => !held.has(name))
      .concat(axis === 'database' ? names('Database') : users)
      .sort(),
    ...(held.size === 0
      ? {}
      : { waiting: { names: plan.waiting.map((name) => `${axis} ${name}`), until } }),
    words: plan.leaving.map((entry) => `${named(entry)} (${leftInWords(clients(entry))})`),
  };
}

/** By ConfigMap: a version of it never changes, and a pool is looked at often. */
const readBefore = new WeakMap<RawObject, WrittenEntries>();

function writtenIn(objects: PoolObjects, engine: Engine): WrittenEntries {
  const { configMap } = objects;
  const known = configMap && readBefore.get(configMap);
  if (known !== undefined) return known;
  const texts = [...fileTexts(objects).values()].flatMap((byEpoch) => [...byEpoch.values()]);
  const written = writtenEntries(texts, engine.entriesOf);
  if (configMap !== undefined) readBefore.set(configMap, written);
  return written;
}

/**
 * What a running process must never read, because its clients would be cut, its caps not hold, or some of its clients
 * keep the role that they had. The API server refuses these changes; an older type may not have, and an entry may come
 * back with another role before its clients have left.
 */
export function switchedFault(
  { engine }: Context,
  objects: PoolObjects,
  axis: CapAxis,
  databases: ConnectionPool['spec']['databases'],
): Fault | undefined {
  const written = writtenIn(objects, engine);
  if (![...written.axes].every((one) => one === axis)) {
    return {
      reason: 'DatabasesSwitched',
      message:
        'spec.databases: "*" and a list cannot be exchanged in a pool that exists: put back what there was, and create another ConnectionPool for the other',
    };
  }
  const other = databases.find(({ name, user }) => {
    const before = written.databases.get(name);
    return before !== undefined && before.user !== user;
  });
  if (other === undefined) return undefined;
  const before = written.databases.get(other.name)?.user ?? 'that of each client';
  return {
    reason: 'DatabaseUserChanged',
    message: `spec.databases[${other.name}].user: clients that are connected would keep the role from before (${before}): take the entry out, wait until status.leaving does not name it, and add it again`,
  };
}

/**
 * Those that leave, and the roles that databases log in with as they leave; with their passwords as the list has them,
 * because their Secrets may have gone with them.
 */
export function leavingUsers(
  { world, engine }: Context,
  pool: ConnectionPool,
  leaving: Leaving['view'],
): UserCredential[] {
  const listed = new Set((pool.spec.users ?? []).map(({ name }) => name));
  const roles = leaving.databases.flatMap(({ user }) => user ?? []);
  const users = [...new Set([...leaving.users, ...roles])].filter((name) => !listed.has(name));
  if (users.length === 0) return [];
  const { namespace } = pool.metadata;
  const names = namesOf(pool.metadata.name);
  const list = readList(
    world.secrets.get(namespace, names.userListSecret),
    world.secrets.get(namespace, names.consoleSecret),
  );
  if (list === undefined) return [];
  const present = new Set(engine.usersOf(list.text, list.seed));
  return users
    .filter((name) => present.has(name))
    .map((name) => ({ name, password: engine.secretOf(list.text, name) ?? '' }));
}

/** Tells when entries begin to leave, and when they have gone. */
export function tellLeaving(
  { events }: Context,
  pool: KubeObject,
  before: readonly LeavingEntry[],
  { record, leaving }: EntriesPlan,
): void {
  const has = (list: readonly LeavingEntry[], { kind, name }: LeavingEntry) =>
    list.some((entry) => entry.kind === kind && entry.name === name);
  const tell = (reason: string, message: string) =>
    events.record(pool, { type: 'Normal', reason, message });
  for (const entry of leaving.filter((one) => !has(before, one))) {
    tell(
      'EntryDraining',
      `${named(entry)} lets no new client in; its clients are closed as they are idle`,
    );
  }
  for (const entry of before.filter((one) => !has(record, one))) {
    tell('EntryRemoved', `${named(entry)} is drained no more`);
  }
}

/** Tells of entries whose clients were just cut; to be called when the files are without them. */
export function tellCut(
  context: Pick<Needs, 'consoles' | 'drains' | 'events' | 'world'>,
  pool: KubeObject,
  { cut }: Pick<EntriesPlan, 'cut'>,
): void {
  for (const entry of cut) {
    const clients = clientsSeen(context, pool, entry);
    if (clients === 0) continue;
    const message = `${named(entry)} went with ${counted(clients)} left: the time of spec.pooler.drainSeconds was over, or the pool had no connection for it any more`;
    context.events.record(pool, { type: 'Warning', reason: 'EntryCut', message });
  }
}

/** As counted for its end, or as the consoles said last. */
function clientsSeen(
  { drains, consoles, world }: Pick<Needs, 'consoles' | 'drains' | 'world'>,
  pool: KubeObject,
  entry: LeavingEntry,
): number {
  const { namespace = '', name } = pool.metadata;
  const seen = world
    .podsOf(namespace, name)
    .flatMap((pod) => recordsOf(consoles.records, pod))
    .map((record) => record?.observation);
  const said = seen.reduce((sum, observation) => {
    const of = (observation?.pools ?? []).filter((one) =>
      entry.kind === 'Database' ? one.database === entry.name : one.user === entry.name,
    );
    return of.reduce((total, one) => total + one.clientsActive + one.clientsWaiting, sum);
  }, 0);
  return drains.clientsOfEntry(keyOf(pool.metadata), entry) ?? said;
}

function named({ kind, name }: LeavingEntry): string {
  return `${kind.toLowerCase()} ${name}`;
}

function counted(clients: number): string {
  return clients === 1 ? '1 client' : `${clients} clients`;
}

/** RFC 3339, in seconds. */
function textOf(milliseconds: number): string {
  return new Date(Math.ceil(milliseconds / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}
