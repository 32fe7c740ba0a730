// Makes the running processes follow their files, and remembers what each said of itself. The consoles are an
// observer like a watch: what they say wakes the pool, and the next plan is made from there.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import { drainingSince, isReady } from '../core/drain/read-pod.ts';
import {
  type ConsoleStep,
  type HeldSessions,
  nextConsoleStep,
} from '../core/ledger/console-step.ts';
import { heldInWords } from '../core/ledger/held.ts';
import { axisNameOf } from '../core/plan-pool.ts';
import {
  type Asking,
  afterAnswer,
  afterFailure,
  afterTouch,
  askingOf,
  failureInWords,
  isSaid,
  mayTouch,
  secondsUntilAsk,
} from '../core/pool/asking.ts';
import { POOL_LABEL, TOUCHED_ANNOTATION } from '../core/pool/labels.ts';
import { goneSince, lingering } from '../core/pool/lingering.ts';
import { fileKey, namesOf } from '../core/pool/names.ts';
import { USER_LIST_KEY } from '../core/pool/paths.ts';
import { isPauseWanted, nextPauseStep, pauseEnd, pauseStateOf } from '../core/pool/pause.ts';
import {
  type ConsoleRecord,
  dataOf,
  epochOfPod,
  holderOfPod,
  keyOfProcess,
  numbersOf,
  processAddress,
  processesOfPod,
} from '../core/pool/read.ts';
import type { CapAxis, Console, ConsoleAddress, Engine, Observation } from '../engines/engine.ts';
import type { Client } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import { type KubeObject, pods as podType } from '../kube/types.ts';
import { after, done, type Outcome, type Run } from '../runtime/controller.ts';
import type { Turns } from '../runtime/turns.ts';
import { consoleAddress } from './console-login.ts';
import { userListIn } from './gather.ts';
import { partsOf } from './pod-keys.ts';
import type { Renewals } from './renewals.ts';
import { poolUidOf } from './trim.ts';
import { statusOf, type World } from './world.ts';

/** What is known of one process of a pod. */
export interface PodConsole extends ConsoleRecord {
  /** Why it does not do what it is told, in words for a status; absent where it does, or has failed only once. */
  readonly failure?: string;
  /** What it holds besides what its file says, and who has that, in words for a status. */
  readonly held?: string;
  /** It runs with its file and its user list, and holds no more than it may. */
  readonly follows: boolean;
  /** See `lingering`: users, where they are what is counted. */
  readonly lingering: readonly string[];
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What one look says, or why there was none. */
type Said = Pick<PodConsole, 'observation' | 'failure' | 'held' | 'follows'>;

export interface ConsolesOptions {
  readonly world: World;
  readonly client: Client;
  readonly engine: Engine;
  readonly console: Console;
  /** Called when something about a pod's process changed that a plan depends on. */
  readonly onChange: (poolKey: string) => void;
  /** Called with each look; `now` in milliseconds since 1970. */
  readonly onLook: (
    poolKey: string,
    processKey: string,
    observation: Observation,
    now: number,
  ) => void;
  readonly renewals: Pick<Renewals, 'look' | 'told' | 'forget'>;
  /** As in `DrainsOptions`. */
  readonly turns: Turns;
}

/** A steady pod is looked at so often; seconds. */
const STEADY_SECONDS = 15;
/** A pod that answers and does not follow yet is looked at again so soon; seconds. */
const RETRY_SECONDS = 1;
/** Timers fire a little early or late: each steady look may free those who starve. */
const FREE_SECONDS = STEADY_SECONDS - 1;
/** One run follows a pod for at most so long, before others get their turn; milliseconds. */
const FOLLOW_MS = 6000;
const ASK_MS = 2000;
/** Timers may fire a little early; seconds. */
const PAUSE_MARGIN_SECONDS = 0.05;
/** Pause between two questions while a process is to change: 100 ms, growing to 500. */
const PAUSES_MS = [100, 100, 150, 200, 300, 500] as const;

export class Consoles {
  readonly #options: ConsolesOptions;
  readonly #records = new Map<string, PodConsole>();
  /** By `processKey`, as the records. */
  readonly #asking = new Map<string, Asking>();
  /** When connections were last made anew for clients that starve; in ms of `performance`. */
  readonly #freed = new Map<string, number>();

  constructor(options: ConsolesOptions) {
    this.#options = options;
  }

  /** By `processKey`. */
  get records(): ReadonlyMap<string, PodConsole> {
    return this.#records;
  }

  /** A pod that is gone, with all of its processes. */
  forget(pod: KubeObject): void {
    for (const process of numbersOf(pod)) {
      const id = keyOfProcess(pod, process);
      this.#options.renewals.forget(id);
      this.#records.delete(id);
      this.#asking.delete(id);
      this.#freed.delete(id);
    }
  }

  /** A process may have to be told something at once, whatever its failures have earned. */
  hurry(id: string): void {
    this.#asking.delete(id);
  }

  /** Makes one process follow its files, whatever the others of its pool do. The key is that of `podKeysOf`. */
  async reconcile(key: string, run: Run): Promise<Outcome> {
    const { world } = this.#options;
    const { namespace, pool, poolKey, pod: name, process } = partsOf(key);
    const pod = world.pods.get(namespace, name);
    if (pod === undefined || process >= processesOfPod(pod) || !isAskable(pod, process))
      return done;
    const id = keyOfProcess(pod, process);
    const asking = askingOf(this.#asking.get(id), this.#aboutOf(pod, process));
    this.#asking.set(id, asking);
    const seconds =
      secondsUntilAsk(asking, Date.now()) || (await this.#secondsAfter(poolKey, pod, process, run));
    if (seconds === undefined) return done;
    const untilEnd = (pauseEnd(world.pauseOf(namespace, pool)) - Date.now()) / 1000;
    return after(untilEnd > 0 ? Math.min(seconds, untilEnd + PAUSE_MARGIN_SECONDS) : seconds);
  }

  /** Follows, and says when to look again; undefined when there is nobody to ask. */
  async #secondsAfter(
    poolKey: string,
    pod: KubeObject,
    process: number,
    run: Run,
  ): Promise<number | undefined> {
    const id = keyOfProcess(pod, process);
    const follows = await this.#follow(poolKey, pod, process, run);
    if (follows === undefined) return undefined;
    const asking = this.#asking.get(id);
    const wait = asking === undefined ? 0 : secondsUntilAsk(asking, Date.now());
    if (wait > 0) return wait;
    const { observation, lingering = [] } = this.#records.get(id) ?? {};
    const isSteady = follows && pauseStateOf(observation) !== 'pausing' && lingering.length === 0;
    return isSteady ? STEADY_SECONDS : RETRY_SECONDS;
  }

  /** What may end a failure. */
  #aboutOf(pod: KubeObject, process: number): string {
    const { world } = this.#options;
    const { namespace = '' } = pod.metadata;
    const pool = pod.metadata.labels?.[POOL_LABEL] ?? '';
    const { containerStatuses = [] } = (pod.status ?? {}) as {
      containerStatuses?: { restartCount?: number }[];
    };
    const files = this.#filesOf(namespace, pool, pod, process);
    const consoleSecret = world.secrets.get(namespace, namesOf(pool).consoleSecret);
    return JSON.stringify([
      processAddress(pod, process),
      containerStatuses.map(({ restartCount }) => restartCount),
      isReady(pod),
      files?.mark,
      files?.userMark,
      consoleSecret?.metadata.resourceVersion,
      isPauseWanted(world.pauseOf(namespace, pool), Date.now()),
    ]);
  }

  /** Undefined: there is nobody to ask (any more). */
  async #follow(
    key: string,
    pod: KubeObject,
    process: number,
    run: Run,
  ): Promise<boolean | undefined> {
    const { console: asker, engine, turns, world } = this.#options;
    const { namespace = '', name, uid = '' } = pod.metadata;
    const id = keyOfProcess(pod, process);
    const until = Date.now() + FOLLOW_MS;
    for (let round = 0; ; round++) {
      const live = world.pods.get(namespace, name);
      const address = live === undefined ? undefined : this.#addressOf(live, process, run);
      if (live?.metadata.uid !== uid || address === undefined) return undefined;
      this.#remember(id, (asking) => askingOf(asking, this.#aboutOf(live, process)));
      let waits: ConsoleStep | undefined;
      try {
        // A database that is paused for a moment, to close its clients, is resumed by whoever paused it.
        const { observation, files, step, told } = await turns.take(id, () =>
          this.#look(key, live, process, address, run),
        );
        if (told) {
          // Clients wait, or are not to be served any more: that comes before the file.
        } else if (step.kind === 'done') {
          this.#remember(id, afterAnswer);
          // It was to go, and is to stay after all.
          const text = drainingSince(live) === undefined ? files?.text : undefined;
          if (text !== undefined && engine.closesSilent(observation, text)) {
            await asker.reload(address);
          }
          const starved = this.#starved(key, id, observation, files?.axis);
          if (starved !== undefined) {
            const { databases } = starved;
            run.log.info(
              { pod: name, databases },
              'clients starve: server connections are made anew',
            );
            await asker.reconnect(address, databases);
            this.#freed.set(id, performance.now());
          }
          return await this.#renew(key, live, process, address, observation, run);
        } else if (step.kind === 'reload') {
          await this.#touchOnce(live, process, `${files?.generation}`, run);
          await asker.reload(address);
        } else if (step.kind === 'reconnect') {
          await asker.reconnect(address, step.databases === 'all' ? undefined : step.databases);
        }
        waits = step;
      } catch (error) {
        if (run.signal.aborted) throw error;
        if (isNotFound(error)) return undefined;
        run.log.debug({ pod: name, err: error }, 'a console did not do what it was told');
        this.#fail(key, pod, process, failureInWords(error));
        return false;
      }
      if (Date.now() > until) {
        run.log.info({ pod: name, engine: engine.name }, 'a pooler does not follow its file yet');
        if (waits?.kind === 'reload')
          this.#fail(key, pod, process, 'it has not read its newest files yet');
        else this.#hold(key, live, process);
        return false;
      }
      await sleep(PAUSES_MS[Math.min(round, PAUSES_MS.length - 1)], undefined, {
        signal: run.signal,
      });
    }
  }

  #remember(id: string, next: (asking: Asking) => Asking): void {
    const asking = this.#asking.get(id);
    // Forgotten meanwhile, with its pod.
    if (asking !== undefined) this.#asking.set(id, next(asking));
  }

  #fail(key: string, pod: KubeObject, process: number, failure: string): void {
    const id = keyOfProcess(pod, process);
    this.#remember(id, (asking) => afterFailure(asking, Date.now()));
    const asking = this.#asking.get(id);
    if (asking === undefined) return;
    const { observation } = this.#records.get(id) ?? {};
    this.#record(key, pod, process, {
      ...(observation === undefined ? {} : { observation }),
      follows: false,
      ...(isSaid(asking) ? { failure } : {}),
    });
  }

  /** It answers, and waits for clients. */
  #hold(key: string, pod: KubeObject, process: number): void {
    const { namespace = '', labels } = pod.metadata;
    const id = keyOfProcess(pod, process);
    this.#remember(id, afterAnswer);
    const { observation } = this.#records.get(id) ?? {};
    const files = this.#filesOf(namespace, labels?.[POOL_LABEL] ?? '', pod, process);
    if (observation === undefined || files === undefined) return;
    const held = heldInWords(observation, files.axis, files.file.caps);
    this.#record(key, pod, process, {
      observation,
      follows: false,
      ...(held === undefined ? {} : { held }),
    });
  }

  #addressOf(pod: KubeObject, process: number, run: Run): ConsoleAddress | undefined {
    const { engine, world } = this.#options;
    const { namespace = '', labels } = pod.metadata;
    const pool = { namespace, name: labels?.[POOL_LABEL] ?? '' };
    const call = { timeoutMs: ASK_MS, signal: run.signal };
    return isAskable(pod, process)
      ? consoleAddress(world, engine, pool, pod, process, call)
      : undefined;
  }

  /** Remembers what the process says, and tells it to pause or to resume where it has to be told. */
  async #look(key: string, pod: KubeObject, process: number, address: ConsoleAddress, run: Run) {
    const { console: asker, world } = this.#options;
    const { namespace = '', name } = pod.metadata;
    const pool = pod.metadata.labels?.[POOL_LABEL] ?? '';
    const id = keyOfProcess(pod, process);
    const observation = await asker.observe(address);
    const files = this.#filesOf(namespace, pool, pod, process);
    const step =
      files === undefined
        ? ({ kind: 'done' } as const)
        : nextConsoleStep({
            axis: files.axis,
            file: files.file,
            userMark: files.userMark,
            running: {
              revision: observation.mark?.text,
              userMarks: observation.userMarks,
              sessions: sessionsOf(observation, files.axis),
            },
          });
    const { failure, held } = this.#records.get(id) ?? {};
    this.#record(key, pod, process, {
      observation,
      follows: step.kind === 'done',
      // Until a whole run has shown something else.
      ...(step.kind === 'reload' && failure !== undefined ? { failure } : {}),
      ...(isShrinking(step) && held !== undefined ? { held } : {}),
    });
    this.#options.onLook(key, id, observation, Date.now());
    const pauseStep = nextPauseStep(
      isPauseWanted(world.pauseOf(namespace, pool), Date.now()),
      pauseStateOf(observation),
    );
    if (pauseStep !== undefined) {
      run.log.info({ pod: name, step: pauseStep.kind }, 'a pooler is told to pause or to resume');
      await asker[pauseStep.kind](address);
    }
    return { observation, files, step, told: pauseStep !== undefined };
  }

  /** Server sessions from before a promotion are made anew. True: there is nothing (more) to do. */
  async #renew(
    key: string,
    pod: KubeObject,
    process: number,
    address: ConsoleAddress,
    observation: Observation,
    run: Run,
  ): Promise<boolean> {
    const { console: asker, onChange, renewals } = this.#options;
    const { name } = pod.metadata;
    const id = keyOfProcess(pod, process);
    const step = renewals.look(key, id, observation, Date.now());
    if (step === 'reconnect') {
      run.log.info({ pod: name }, 'the replicas have changed: server connections are made anew');
      await asker.reconnect(address);
      renewals.told(id, Date.now());
    }
    if (step === 'proven') onChange(key);
    return step === undefined || step === 'proven';
  }

  /**
   * Databases to reconnect (undefined: all of them) so that those who wait without a connection get one. Its file keeps
   * room for them by now, but whoever has the connections hands them on among his own clients. Not more often than a
   * steady process is looked at: each time all of its connections are made.
   */
  #starved(
    key: string,
    id: string,
    observation: Observation,
    axis: CapAxis | undefined,
  ): { readonly databases: readonly string[] | undefined } | undefined {
    const pool = this.#options.world.pools.getKey(key);
    if (axis === undefined || pool === undefined || statusOf(pool).sharers === undefined)
      return undefined;
    const starving = this.#options.engine.starving(observation, axis);
    if (starving.length === 0) return undefined;
    const now = performance.now();
    if (now < (this.#freed.get(id) ?? Number.NEGATIVE_INFINITY) + FREE_SECONDS * 1000)
      return undefined;
    // PgBouncer reconnects databases, not users.
    return {
      databases:
        axis === 'user' ? undefined : [...new Set(starving.map(({ database }) => database))],
    };
  }

  /** The kubelet refreshes the volumes of a pod whose object changes. */
  async #touchOnce(pod: KubeObject, process: number, generation: string, run: Run): Promise<void> {
    const { client, world } = this.#options;
    const { namespace = '', name, uid = '' } = pod.metadata;
    const id = keyOfProcess(pod, process);
    const asking = this.#asking.get(id);
    if (asking === undefined || !mayTouch(asking, Date.now())) return;
    this.#remember(id, (one) => afterTouch(one, Date.now()));
    const annotations = { [TOUCHED_ANNOTATION]: `${generation}-${Date.now()}` };
    const patched = await client.patch(
      podType,
      { namespace, name },
      { metadata: { uid, annotations } },
      { signal: run.signal },
    );
    world.pods.observeWrite(patched);
    // The kubelet takes 0.2 to 0.8 s to refresh the volume.
    await sleep(150, undefined, { signal: run.signal });
  }

  #filesOf(namespace: string, pool: string, pod: KubeObject, process: number) {
    const { engine, world } = this.#options;
    const names = namesOf(pool);
    const key = fileKey(holderOfPod(pod, process), poolUidOf(pod), epochOfPod(pod));
    const text = dataOf(world.configMaps.get(namespace, names.configMap))[key];
    const file = text === undefined ? undefined : engine.readHolderFile(text);
    if (text === undefined || file === undefined || 'error' in file) return undefined;
    const list = dataOf(world.secrets.get(namespace, names.userListSecret))[USER_LIST_KEY];
    const userMark =
      list === undefined
        ? undefined
        : engine.userMarkOf(Buffer.from(list, 'base64').toString('utf8'));
    return {
      text,
      mark: file.mark.text,
      axis: file.axis,
      generation: file.mark.generation,
      file: { revision: file.mark.text, caps: file.caps },
      userMark,
    };
  }

  /** `said` of a look, or of none: then what is known of those who are gone stands. */
  #record(key: string, pod: KubeObject, process: number, said: Said): void {
    const { engine, world } = this.#options;
    const id = keyOfProcess(pod, process);
    const before = this.#records.get(id);
    const { namespace = '', uid = '', labels } = pod.metadata;
    const { observation } = said;
    const spec = world.pools.getKey(key)?.spec as ConnectionPoolSpec | undefined;
    const axis = spec === undefined ? 'user' : axisNameOf(spec);
    const list =
      axis === 'user'
        ? userListIn(world, engine, namespace, labels?.[POOL_LABEL] ?? '')
        : undefined;
    const gone =
      observation === undefined || observation === before?.observation
        ? before?.gone
        : goneSince(before, observation, list);
    const known = { ...said, ...(gone === undefined ? {} : { gone }) };
    const record: PodConsole = {
      ...known,
      podUid: uid,
      at: Date.now(),
      lingering: lingering(known, list, engine),
    };
    this.#records.set(id, record);
    if (before === undefined || digest(before, axis) !== digest(record, axis))
      this.#options.onChange(key);
  }
}

/**
 * What a plan depends on; counters and clients change all the time and wake nobody. Where users are counted, databases
 * come with their first client and go.
 */
function digest(
  { observation, follows, failure, held, lingering }: PodConsole,
  axis: CapAxis,
): string {
  return JSON.stringify([
    follows,
    lingering,
    failure,
    observation?.version,
    held,
    observation?.mark?.text,
    observation?.userMarks.join(),
    pauseStateOf(observation),
    follows ? 0 : observation?.sessions,
    observation?.users.map((u) => [u.name, u.maxConnections]),
    axis === 'user' || observation?.databases.map((d) => [d.name, d.maxConnections]),
  ]);
}

/** A process whose console may be asked. One that must stop is left alone: an open console would hold it up. */
function isAskable(pod: KubeObject, process: number): boolean {
  return pod.metadata.deletionTimestamp === undefined && processAddress(pod, process) !== undefined;
}

/** It has read its file, and holds more than that says. */
const isShrinking = ({ kind }: ConsoleStep): boolean => kind === 'reconnect' || kind === 'wait';

function sessionsOf({ sessions }: Observation, axis: CapAxis): HeldSessions[] {
  const by = axis === 'database' ? 'byDatabase' : 'byUser';
  return Object.entries(sessions[by]).map(([name, connections]) => ({
    name,
    connections,
    closing: sessions.closing?.[by][name] ?? 0,
  }));
}
