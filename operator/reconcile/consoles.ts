// Makes the running processes follow their files, and remembers what each said of itself. The consoles are an
// observer like a watch: what they say wakes the pool, and the next plan is made from there.
import { setTimeout as sleep } from 'node:timers/promises';
import { drainingSince } from '../core/drain/read-pod.ts';
import { nextConsoleStep } from '../core/ledger/console-step.ts';
import { POOL_LABEL, TOUCHED_ANNOTATION } from '../core/pool/labels.ts';
import { fileKey, holderName, namesOf } from '../core/pool/names.ts';
import { LISTEN_PORT, USER_LIST_KEY } from '../core/pool/paths.ts';
import { isPauseWanted, nextPauseStep, pauseEnd, pauseStateOf } from '../core/pool/pause.ts';
import { type ConsoleRecord, dataOf, epochOfPod, podAddress } from '../core/pool/read.ts';
import {
  type CapAxis,
  type Console,
  type ConsoleAddress,
  ConsoleError,
  type Engine,
  type Observation,
} from '../engines/engine.ts';
import type { Client } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import { type KubeObject, pods as podType } from '../kube/types.ts';
import { after, done, type Outcome, type Run } from '../runtime/controller.ts';
import { consoleLogin } from './console-login.ts';
import type { Renewals } from './renewals.ts';
import { poolUidOf } from './trim.ts';
import { statusOf, type World } from './world.ts';

/** What is known of one pod's process. */
export interface PodConsole extends ConsoleRecord {
  /** The last failure to ask, as a sentence; absent when the last answer was good. */
  readonly failure?: string;
  /** It runs with its file and its user list, and holds no more than it may. */
  readonly follows: boolean;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface ConsolesOptions {
  readonly world: World;
  readonly client: Client;
  readonly engine: Engine;
  readonly console: Console;
  /** Called when something about a pod's process changed that a plan depends on. */
  readonly onChange: (poolKey: string) => void;
  /** Called with each look; `now` in milliseconds since 1970. */
  readonly onLook: (poolKey: string, podUid: string, observation: Observation, now: number) => void;
  readonly renewals: Pick<Renewals, 'look' | 'told' | 'forget'>;
}

/** A steady pod is looked at so often; seconds. */
const STEADY_SECONDS = 15;
/** A pod that does not follow yet is tried again so soon; seconds. */
const RETRY_SECONDS = 1;
/** One run follows a pod for at most so long, before others get their turn; milliseconds. */
const FOLLOW_MS = 6000;
const ASK_MS = 2000;
/** Timers may fire a little early; seconds. */
const PAUSE_MARGIN_SECONDS = 0.05;
/** Pause between two questions while a process is to change: 100 ms, growing to 500. */
const PAUSES_MS = [100, 100, 150, 200, 300, 500] as const;
/** A touch that the kubelet answered with an older version is repeated after so long. */
const TOUCH_AGAIN_MS = 2000;

export class Consoles {
  readonly #options: ConsolesOptions;
  readonly #records = new Map<string, PodConsole>();

  constructor(options: ConsolesOptions) {
    this.#options = options;
  }

  /** By the uid of the pod. */
  get records(): ReadonlyMap<string, PodConsole> {
    return this.#records;
  }

  forget(podUid: string): void {
    this.#options.renewals.forget(podUid);
    this.#records.delete(podUid);
  }

  /** One look at every pod of a pool, side by side. The key is the pool's. */
  async reconcile(key: string, run: Run): Promise<Outcome> {
    const { engine, world } = this.#options;
    const [namespace = '', name = ''] = key.split('/');
    const pods = world.podsOf(namespace, name).filter((pod) => isAskable(pod));
    if (pods.length === 0) return done;
    const credential = consoleLogin(world, engine, namespace, name);
    if (credential === undefined) return done;
    const following = await Promise.all(pods.map((pod) => this.#follow(key, pod, credential, run)));
    const pause = world.pauseOf(namespace, name);
    const steady =
      following.every((follows) => follows) &&
      pods.every(({ metadata: { uid = '' } }) => this.#pauseState(uid) !== 'pausing');
    const seconds = steady ? STEADY_SECONDS : RETRY_SECONDS;
    const untilEnd = (pauseEnd(pause) - Date.now()) / 1000;
    return after(untilEnd > 0 ? Math.min(seconds, untilEnd + PAUSE_MARGIN_SECONDS) : seconds);
  }

  #pauseState(podUid: string) {
    return pauseStateOf(this.#records.get(podUid)?.observation);
  }

  async #follow(
    key: string,
    pod: KubeObject,
    credential: { user: string; password: string },
    run: Run,
  ): Promise<boolean> {
    const { console: asker, engine, world } = this.#options;
    const { namespace = '', name, uid = '' } = pod.metadata;
    const pool = pod.metadata.labels?.[POOL_LABEL] ?? '';
    const until = Date.now() + FOLLOW_MS;
    let touchedAt = 0;
    for (let round = 0; ; round++) {
      const live = world.pods.get(namespace, name);
      if (live === undefined || live.metadata.uid !== uid || !isAskable(live)) return true;
      const host = podAddress(live);
      if (host === undefined) return true;
      const address: ConsoleAddress = {
        host,
        port: LISTEN_PORT,
        user: credential.user,
        password: credential.password,
        timeoutMs: ASK_MS,
        signal: run.signal,
        ...(world.requiresTls(namespace, pool) ? { tls: {} } : {}),
      };
      try {
        const observation = await asker.observe(address);
        const files = this.#filesOf(namespace, pool, live);
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
        this.#record(key, uid, { observation, follows: step.kind === 'done' });
        this.#options.onLook(key, uid, observation, Date.now());
        // Clients wait, or are not to be served any more: that comes before the file.
        const pauseStep = nextPauseStep(
          isPauseWanted(world.pauseOf(namespace, pool), Date.now()),
          pauseStateOf(observation),
        );
        if (pauseStep !== undefined) {
          run.log.info(
            { pod: name, step: pauseStep.kind },
            'a pooler is told to pause or to resume',
          );
          await asker[pauseStep.kind](address);
        } else if (step.kind === 'done') {
          // It was to go, and is to stay after all.
          const text = drainingSince(live) === undefined ? files?.text : undefined;
          if (text !== undefined && engine.closesSilent(observation, text)) {
            await asker.reload(address);
          }
          for (const database of this.#starved(key, observation, files?.axis)) {
            run.log.info(
              { pod: name, database },
              'clients starve: server connections are made anew',
            );
            await asker.reconnect(address, database);
          }
          return await this.#renew(key, live, address, observation, run);
        } else if (step.kind === 'reload') {
          if (Date.now() - touchedAt > TOUCH_AGAIN_MS) {
            await this.#touch(live, `${files?.generation}-${Date.now()}`, run);
            touchedAt = Date.now();
            // The kubelet takes 0.2 to 0.8 s to refresh the volume.
            await sleep(150, undefined, { signal: run.signal });
          }
          await asker.reload(address);
        } else if (step.databases === 'all') {
          await asker.reconnect(address);
        } else {
          for (const database of step.databases) await asker.reconnect(address, database);
        }
      } catch (error) {
        if (run.signal.aborted) throw error;
        if (isNotFound(error)) return true;
        const failure = error instanceof ConsoleError ? error.message : String(error);
        const before = this.#records.get(uid)?.observation;
        this.#record(key, uid, {
          ...(before === undefined ? {} : { observation: before }),
          follows: false,
          failure,
        });
        run.log.debug({ pod: name, failure }, 'a console did not answer');
        return false;
      }
      if (Date.now() > until) {
        run.log.info({ pod: name, engine: engine.name }, 'a pooler does not follow its file yet');
        return false;
      }
      await sleep(PAUSES_MS[Math.min(round, PAUSES_MS.length - 1)], undefined, {
        signal: run.signal,
      });
    }
  }

  /** Server sessions from before a promotion are made anew. True: there is nothing (more) to do. */
  async #renew(
    key: string,
    { metadata: { name, uid = '' } }: KubeObject,
    address: ConsoleAddress,
    observation: Observation,
    run: Run,
  ): Promise<boolean> {
    const { console: asker, onChange, renewals } = this.#options;
    const step = renewals.look(key, uid, observation, Date.now());
    if (step === 'reconnect') {
      run.log.info({ pod: name }, 'the replicas have changed: server connections are made anew');
      await asker.reconnect(address);
      renewals.told(uid, Date.now());
    }
    if (step === 'proven') onChange(key);
    return step === undefined || step === 'proven';
  }

  /**
   * Databases to reconnect so that those who wait without a connection get one (undefined: all of them). Its file keeps
   * room for them by now, but whoever has the connections hands them on among his own clients.
   */
  #starved(
    key: string,
    observation: Observation,
    axis: CapAxis | undefined,
  ): readonly (string | undefined)[] {
    const pool = this.#options.world.pools.getKey(key);
    if (axis === undefined || pool === undefined || statusOf(pool).sharers === undefined) return [];
    const starving = this.#options.engine.starving(observation, axis);
    if (starving.length === 0) return [];
    // PgBouncer reconnects databases, not users.
    return axis === 'user' ? [undefined] : [...new Set(starving.map((one) => one.database))];
  }

  /** The kubelet refreshes the volumes of a pod whose object changes. */
  async #touch(pod: KubeObject, value: string, run: Run): Promise<void> {
    const { client, world } = this.#options;
    const { namespace = '', name, uid } = pod.metadata;
    const patched = await client.patch(
      podType,
      { namespace, name },
      { metadata: { uid, annotations: { [TOUCHED_ANNOTATION]: value } } },
      { signal: run.signal },
    );
    world.pods.observeWrite(patched);
  }

  #filesOf(namespace: string, pool: string, pod: KubeObject) {
    const { engine, world } = this.#options;
    const names = namesOf(pool);
    const key = fileKey(holderName(pod.metadata.name), poolUidOf(pod), epochOfPod(pod));
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
      axis: file.axis,
      generation: file.mark.generation,
      file: { revision: file.mark.text, caps: file.caps },
      userMark,
    };
  }

  #record(key: string, podUid: string, record: Omit<PodConsole, 'podUid' | 'at'>): void {
    const before = this.#records.get(podUid);
    this.#records.set(podUid, { ...record, podUid, at: Date.now() });
    if (before === undefined || digest(before) !== digest(record)) this.#options.onChange(key);
  }
}

/** What a plan depends on; counters and clients change all the time and wake nobody. */
function digest(record: Omit<PodConsole, 'podUid' | 'at'>): string {
  const { observation, follows, failure } = record;
  return JSON.stringify([
    follows,
    failure,
    observation?.version,
    observation?.mark?.text,
    observation?.userMarks.at(-1),
    pauseStateOf(observation),
    follows ? 0 : observation?.sessions,
    observation?.users.map((u) => [u.name, u.maxConnections]),
    observation?.databases.map((d) => [d.name, d.maxConnections]),
  ]);
}

/** A pod whose console may be asked. One that must stop is left alone: an open console would hold it up. */
function isAskable(pod: KubeObject): boolean {
  return pod.metadata.deletionTimestamp === undefined && podAddress(pod) !== undefined;
}

function sessionsOf(observation: Observation, axis: 'database' | 'user') {
  const { byDatabase, byUser } = observation.sessions;
  return Object.entries(axis === 'database' ? byDatabase : byUser).map(([name, connections]) => ({
    name,
    connections,
  }));
}
