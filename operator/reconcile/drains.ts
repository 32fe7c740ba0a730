// Empties pods that go, and entries that were removed: looks at the clients and closes idle ones, little by little.
// What it counts wakes the pool, whose plan says when a pod or an entry may go (core/drain). Nothing is held in memory
// that the next operator would miss: what is drained, and since when, is written on the pod and in the pool's status.
import type { LeavingEntry } from '../api/connection-pool.ts';
import { closingOf, closingOfEntries, secondsBetweenLooks } from '../core/drain/closing.ts';
import { leftInWords } from '../core/drain/left.ts';
import { phaseOf } from '../core/drain/phase.ts';
import { drainingSince, preStopOf, serves } from '../core/drain/read-pod.ts';
import { hasRead } from '../core/pool/lingering.ts';
import { isPauseWanted } from '../core/pool/pause.ts';
import {
  keyOfProcess,
  numbersOf,
  podAddress,
  processAddress,
  processesOfPod,
  runningKeys,
} from '../core/pool/read.ts';
import {
  type Closing,
  type Console,
  type ConsoleAddress,
  ConsoleError,
  type Engine,
  type Hold,
  type ObservedClient,
} from '../engines/engine.ts';
import type { KubeObject } from '../kube/types.ts';
import type { RawObject } from '../postgres/adapter.ts';
import { after, done, type Outcome, type Run } from '../runtime/controller.ts';
import type { Turns } from '../runtime/turns.ts';
import { consoleAddress } from './console-login.ts';
import type { Consoles } from './consoles.ts';
import { userListIn } from './gather.ts';
import { partsOf } from './pod-keys.ts';
import { statusOf, type World } from './world.ts';

export interface DrainsOptions {
  readonly world: World;
  readonly engine: Engine;
  readonly console: Console;
  readonly consoles: Consoles;
  /** By `processKey`: whoever pauses a database for a moment, and whoever resumes what was left paused. */
  readonly turns: Turns;
  /** Called when a plan may depend on what was counted. */
  readonly onChange: (poolKey: string) => void;
  /** Called when a database may have been left paused. */
  readonly onPaused: (poolKey: string) => void;
}

/**
 * Until the clients of a pod that was taken out of the Service are counted, or those of an entry whose door was
 * closed: endpoint controllers and kube-proxy take a second or two, and so does a reload; new clients come meanwhile.
 */
const SETTLE_MS = 3000;
const ASK_MS = 2000;
/** An entry that leaves is looked at so often; seconds. */
const ENTRY_SECONDS = 1;

interface Count {
  /** Milliseconds; when the look began. */
  readonly at: number;
  readonly total: number;
  /** By `keyOf` of an entry; only those that leave. */
  readonly entries: ReadonlyMap<string, number>;
}

export class Drains {
  readonly #options: DrainsOptions;
  /** By `processKey`. */
  readonly #counts = new Map<string, Count>();

  constructor(options: DrainsOptions) {
    this.#options = options;
  }

  forget(pod: KubeObject): void {
    for (const process of numbersOf(pod)) this.#counts.delete(keyOfProcess(pod, process));
  }

  /** Clients of a pod that is drained; undefined while new ones may come, or it was not asked yet. */
  clientsOf(pod: RawObject): number | undefined {
    const since = drainingSince(pod);
    let total = 0;
    for (const process of numbersOf(pod)) {
      const count = this.#counts.get(keyOfProcess(pod, process));
      if (count === undefined || since === undefined || count.at < since + SETTLE_MS)
        return undefined;
      total += count.total;
    }
    return total;
  }

  /** Clients of an entry in all live pods; undefined while new ones may come, or not all were asked. */
  clientsOfEntry(poolKey: string, entry: LeavingEntry): number | undefined {
    let sum = 0;
    for (const id of this.#liveProcesses(poolKey)) {
      const count = this.#counts.get(id);
      if (count === undefined || count.at < Date.parse(entry.since) + SETTLE_MS) return undefined;
      sum += count.entries.get(nameOf(entry)) ?? 0;
    }
    return sum;
  }

  /** One look at a process that has clients to lose, whatever the others of its pool do. The key is that of `podKeysOf`. */
  async reconcile(key: string, run: Run): Promise<Outcome> {
    const { world } = this.#options;
    const { namespace, pool: name, poolKey, pod: podName, process } = partsOf(key);
    const pod = world.pods.get(namespace, podName);
    if (pod === undefined || process >= processesOfPod(pod)) return done;
    const pool = world.pools.get(namespace, name);
    const leaving = pool === undefined ? [] : (statusOf(pool).leaving ?? []);
    const choose = this.#choiceAt(poolKey, pod, process, world.podsOf(namespace, name), leaving);
    if (choose === undefined) return isToCome(pod) ? after(1) : done;
    return after(await this.#look(poolKey, pod, process, leaving, choose, run));
  }

  /** What to close at a pod now; undefined when there is nothing to look at. */
  #choiceAt(
    key: string,
    pod: KubeObject,
    process: number,
    all: readonly KubeObject[],
    leaving: readonly LeavingEntry[],
  ): Choose | undefined {
    if (processAddress(pod, process) === undefined) return undefined;
    const limit = this.#options.world.specOf(pod)?.pooler.drainSeconds ?? 0;
    const others = all.some((other) => other.metadata.uid !== pod.metadata.uid && serves(other));
    const phase = phaseOf(pod, Date.now(), limit, others);
    const deleted = pod.metadata.deletionTimestamp !== undefined;
    // In a pause its plan lets a pod serve again: until that is written, nobody who may wait in it is sent away.
    const waits = !deleted && this.#isPaused(key);
    if (phase !== undefined && !waits) {
      return (clients) => ({ ...closingOf(clients, phase), holds: [] });
    }
    if (deleted) return undefined;
    const revoked = this.#revokedAt(key, keyOfProcess(pod, process));
    if (leaving.length === 0 && revoked.size === 0) return undefined;
    return (clients) =>
      closingOfEntries(clients, { leaving, limitSeconds: limit, revoked }, Date.now());
  }

  #isPaused(key: string): boolean {
    const [namespace = '', name = ''] = key.split('/');
    return isPauseWanted(this.#options.world.pauseOf(namespace, name), Date.now());
  }

  /** Users who could not log in again, and were seen to have clients: nobody else would ever end those. */
  #revokedAt(key: string, id: string): ReadonlySet<string> {
    const { world, engine, consoles } = this.#options;
    const [namespace = '', name = ''] = key.split('/');
    const seen = consoles.records.get(id)?.observation;
    const connected = (seen?.users ?? []).filter((user) => user.currentClients > 0);
    if (seen === undefined || connected.length === 0) return new Set();
    const list = userListIn(world, engine, namespace, name);
    if (list === undefined || !hasRead(seen, list)) return new Set();
    const revoked = new Set(list.revoked);
    return new Set(connected.map((user) => user.name).filter((user) => revoked.has(user)));
  }

  /** Resolves with the seconds until the next look. */
  async #look(
    key: string,
    pod: KubeObject,
    process: number,
    leaving: readonly LeavingEntry[],
    choose: Choose,
    run: Run,
  ): Promise<number> {
    const address = this.#addressOf(key, pod, process, run);
    if (address === undefined) return ENTRY_SECONDS;
    const at = Date.now();
    try {
      const holds: Hold[] = [];
      const clients = await this.#options.console.closeClients(address, (seen) => {
        const { holds: wanted, ...closing } = choose(seen);
        holds.push(...wanted);
        return closing;
      });
      const count = { at, total: clients.length, entries: countEntries(clients, leaving) };
      this.#keep(key, pod, process, count, leaving);
      const id = keyOfProcess(pod, process);
      for (const hold of holds) await this.#closeBetween(key, id, address, hold);
      return drainingSince(pod) === undefined && !isToCome(pod)
        ? ENTRY_SECONDS
        : secondsBetweenLooks(clients.length);
    } catch (error) {
      if (run.signal.aborted || !(error instanceof ConsoleError)) throw error;
      run.log.debug({ pod: pod.metadata.name, failure: error.message }, 'clients were not counted');
      return ENTRY_SECONDS;
    }
  }

  async #closeBetween(key: string, id: string, address: ConsoleAddress, hold: Hold) {
    const { console, consoles, onPaused, turns } = this.#options;
    const timeoutMs = address.timeoutMs + hold.seconds * 1000;
    try {
      await turns.take(id, () => console.closeBetween({ ...address, timeoutMs }, hold));
    } catch (error) {
      consoles.hurry(id);
      onPaused(key);
      throw error;
    }
  }

  #keep(
    key: string,
    pod: KubeObject,
    process: number,
    count: Count,
    leaving: readonly LeavingEntry[],
  ): void {
    const said = () =>
      [this.clientsOf(pod), ...leaving.map((entry) => this.clientsOfEntry(key, entry))]
        .map(leftInWords)
        .join();
    const before = said();
    this.#counts.set(keyOfProcess(pod, process), count);
    if (said() !== before) this.#options.onChange(key);
  }

  /** Processes that may have clients and are not about to end, by `processKey`. */
  #liveProcesses(poolKey: string): string[] {
    const [namespace = '', name = ''] = poolKey.split('/');
    return this.#options.world
      .podsOf(namespace, name)
      .filter((pod) => pod.metadata.deletionTimestamp === undefined)
      .flatMap(runningKeys);
  }

  #addressOf(key: string, pod: KubeObject, process: number, run: Run): ConsoleAddress | undefined {
    const { engine, world } = this.#options;
    const [namespace = '', name = ''] = key.split('/');
    const call = { timeoutMs: ASK_MS, signal: run.signal };
    return consoleAddress(world, engine, { namespace, name }, pod, process, call);
  }
}

type Choose = (clients: readonly ObservedClient[]) => Closing & { readonly holds: readonly Hold[] };

function countEntries(
  clients: readonly ObservedClient[],
  leaving: readonly LeavingEntry[],
): ReadonlyMap<string, number> {
  return new Map(
    leaving.map((entry) => {
      const of = (client: ObservedClient) =>
        entry.kind === 'Database' ? client.database : client.user;
      return [nameOf(entry), clients.filter((client) => of(client) === entry.name).length];
    }),
  );
}

/** It was deleted, and its console may be asked for a while. */
function isToCome(pod: KubeObject): boolean {
  return podAddress(pod) !== undefined && Date.now() < (preStopOf(pod)?.to ?? 0);
}

function nameOf({ kind, name }: LeavingEntry): string {
  return `${kind} ${name}`;
}
