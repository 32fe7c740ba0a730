// One operator as the shell runs it: its own view of every object, its memory of what consoles said, and its
// writes, which land later or never. Two of them may believe to lead at the same time.
import { planAllotments } from '../../../operator/core/ledger/allotments.ts';
import { claimsOf, type Gone, nextQuestion } from '../../../operator/core/ledger/claims.ts';
import { patienceWith, type Waits } from '../../../operator/core/ledger/patience.ts';
import {
  holdersAsked,
  olderEpochs,
  type PoolLedgerInput,
  type PoolReading,
  planPoolLedger,
} from '../../../operator/core/ledger/pool.ts';
import {
  charge,
  type FileState,
  type HolderState,
  type Observation,
} from '../../../operator/core/ledger/state.ts';
import { newestEpoch } from '../../../operator/core/pool/read.ts';
import { poolShares } from '../../../operator/core/sizing/pool-shares.ts';
import type { CapEntry } from '../../../operator/engines/engine.ts';
import { type ApiServer, narrow, type Version } from './api-server.ts';
import { planWithoutReturn, takenAgain, takenAnyway, withoutNews } from './mutated.ts';
import {
  type ApiObject,
  BUDGET,
  consoleOf,
  type FileContent,
  fileKeyOf,
  holderOf,
  type MapObject,
  makeFile,
  mapKey,
  ORDINALS,
  PLACES,
  type PodObject,
  type PoolObject,
  placeOf,
  podKey,
  poolKey,
  type SetObject,
  SLOTS,
  setKey,
} from './objects.ts';
import type { Switches } from './switches.ts';

export interface Write {
  readonly key: string;
  /** Undefined: a POST. */
  readonly resourceVersion: number | undefined;
  /** Undefined: the pod of `uid` is deleted. */
  readonly object: ApiObject | undefined;
  readonly uid?: string;
}

export interface Operator {
  /** Index of the version that is known, by object. */
  readonly views: Map<string, number>;
  /** By process of a pod; an absent observation means asked without an answer. */
  readonly consoles: Map<string, Observation | undefined>;
  /** First half of a look that is under way: mark and caps, by process of a pod. */
  readonly looks: Map<string, Look>;
  readonly writes: Write[];
  /** What is withheld at all is taken to be withheld for long. */
  impatient: boolean;
  /** By slot: files, workload and pods as the API server had them when it was asked, one after the other. */
  readonly live: Map<number, Live>;
  /** Slots whose last plan would go further with workload and pods as the API server has them. */
  readonly wantsLive: Set<number>;
  /** By uid of a pool: what the API server was asked in proof that nothing is left of it, in this order. */
  readonly gone: Map<string, Gone>;
}

interface Look {
  readonly generation: number;
  readonly revision: string;
  readonly caps: CapEntry[];
  readonly open?: CapEntry[];
}

interface Live {
  /** The version of the pool that was in view when the first question was asked: no later one may be planned for. */
  readonly pool: number;
  readonly map: Version;
  set?: Version;
  pods?: readonly Version[];
}

export function newOperator(): Operator {
  return {
    views: new Map(),
    consoles: new Map(),
    looks: new Map(),
    writes: [],
    impatient: false,
    live: new Map(),
    wantsLive: new Set(),
    gone: new Map(),
  };
}

function viewed(op: Operator, server: ApiServer, key: string): Version {
  return server.version(key, op.views.get(key) ?? 0);
}

export function podInView(
  op: Operator,
  server: ApiServer,
  slot: number,
  ordinal: number,
): PodObject | undefined {
  return narrow(viewed(op, server, podKey(slot, ordinal)).object, 'pod');
}

interface PoolView {
  readonly pool: PoolObject;
  readonly poolVersion: number;
  readonly map: MapObject | undefined;
  readonly set: SetObject | undefined;
  readonly mapVersion: number;
  readonly setVersion: number;
  /** Another pool's object stands in the way. */
  readonly foreign: boolean;
  readonly pods: readonly { readonly ordinal: number; readonly pod: PodObject }[];
}

function viewOfPool(
  op: Operator,
  server: ApiServer,
  slot: number,
  asked = false,
): PoolView | undefined {
  const { object, resourceVersion } = viewed(op, server, poolKey(slot));
  const pool = narrow(object, 'pool');
  if (pool === undefined) return undefined;
  const live = asked ? op.live.get(slot) : undefined;
  const mapVersion = live?.map ?? viewed(op, server, mapKey(slot));
  const map = narrow(mapVersion.object, 'map');
  const setVersion = live?.set ?? viewed(op, server, setKey(slot));
  const set = narrow(setVersion.object, 'set');
  const pods = Array.from({ length: ORDINALS }, (_, ordinal) => ({
    ordinal,
    pod:
      live?.pods === undefined
        ? podInView(op, server, slot, ordinal)
        : narrow(live.pods[ordinal]?.object, 'pod'),
  })).filter((p): p is { ordinal: number; pod: PodObject } => p.pod?.poolUid === pool.uid);
  return {
    pool,
    poolVersion: resourceVersion,
    map: map?.poolUid === pool.uid ? map : undefined,
    set: set?.poolUid === pool.uid ? set : undefined,
    mapVersion: mapVersion.resourceVersion,
    setVersion: setVersion.resourceVersion,
    foreign:
      (map !== undefined && map.poolUid !== pool.uid) ||
      (set !== undefined && set.poolUid !== pool.uid),
    pods,
  };
}

/** The merged file of a holder under all of its epochs, as core/pool/read.ts merges them. */
function fileOf(map: MapObject | undefined, place: string): FileState | undefined {
  let merged:
    | {
        generation: number;
        revision: string | undefined;
        caps: Map<string, number>;
        connections: number;
      }
    | undefined;
  for (const [key, file] of map?.files ?? []) {
    if (key.split('.')[1] !== place) continue;
    const connections = file.caps.reduce((total, c) => total + c.connections, 0);
    if (merged === undefined) {
      merged = {
        generation: file.generation,
        revision: file.mark,
        caps: new Map(),
        connections,
      };
    }
    if (merged.revision !== file.mark) merged.revision = undefined;
    merged.generation = Math.min(merged.generation, file.generation);
    merged.connections = Math.max(merged.connections, connections);
    for (const { name, connections: n } of file.caps)
      merged.caps.set(name, Math.max(merged.caps.get(name) ?? 0, n));
  }
  if (merged === undefined) return undefined;
  return {
    generation: merged.generation,
    revision: merged.revision,
    connections: merged.connections,
    caps: [...merged.caps].map(([name, connections]) => ({ name, connections })),
  };
}

function holdersOf(op: Operator, slot: number, view: PoolView, switches: Switches): HolderState[] {
  const holders: HolderState[] = [];
  for (const { ordinal, process } of PLACES) {
    const name = holderOf(slot, ordinal, process);
    const grant = view.pool.grants.find((g) => g.holder === name);
    const file = fileOf(view.map, placeOf(ordinal, process));
    const there = view.pods.find((p) => p.ordinal === ordinal)?.pod;
    const made = switches.templateSaysAll ? (view.set?.processes ?? 0) : (there?.processes ?? 0);
    const seen = process < made ? there : undefined;
    const pod = switches.endingIsGone && seen?.terminating ? undefined : seen;
    if (grant === undefined && file === undefined && pod === undefined) continue;
    let observation = pod === undefined ? undefined : op.consoles.get(consoleOf(pod.uid, process));
    if (switches.raiseBeforeProof && pod !== undefined && file !== undefined) {
      if (file !== 'unreadable')
        observation = {
          podUid: pod.uid,
          generation: file.generation,
          revision: file.revision,
          caps: file.caps,
          sessions: [],
        };
    }
    holders.push({
      name,
      ordinal,
      process,
      ...(grant === undefined
        ? {}
        : { grant: { connections: grant.connections, generation: grant.generation } }),
      ...(file === undefined ? {} : { file }),
      ...(pod === undefined
        ? {}
        : {
            pod: {
              uid: pod.uid,
              terminating: pod.terminating,
              epoch: pod.epoch,
              processes: made,
            },
          }),
      ...(observation === undefined ? {} : { observation }),
      asked:
        switches.raiseUnasked || pod === undefined || op.consoles.has(consoleOf(pod.uid, process)),
    });
  }
  return holders;
}

/** A plan whose raises are whole; where something has been withheld for long, in parts. */
function patiently<P>(
  op: Operator,
  switches: Switches,
  make: (inParts: boolean) => P,
  isWithheld: (plan: P) => boolean,
): P {
  const whole = make(false);
  const before: Waits = new Map(op.impatient ? [['it', Number.NEGATIVE_INFINITY]] : []);
  const { over } = patienceWith(before, isWithheld(whole) ? ['it'] : [], 0);
  return over.size === 0 || switches.neverInParts ? whole : make(true);
}

/** What the operator reads of a pool, from its caches or from the API server. */
function readingOf(
  op: Operator,
  slot: number,
  view: PoolView,
  live: boolean,
  switches: Switches,
): PoolReading {
  const { map, set } = view;
  return {
    holders: holdersOf(op, slot, view, switches),
    ...(set === undefined
      ? {}
      : {
          workload: {
            replicas: set.replicas,
            epoch: set.epoch,
            processes: set.processes,
            seen: switches.writtenIsSeen || set.observed >= set.generation,
          },
        }),
    fileEpoch: newestEpoch(
      switches.noEpochRecord ? undefined : map?.epoch,
      [...(map?.files.keys() ?? [])].map((k) => Number(k.split('.')[2])),
    ),
    live: live || switches.cachesAreProof === true,
  };
}

/** Reconciles the ConnectionBudget: at most one write. */
export function reconcileBudget(op: Operator, server: ApiServer, switches: Switches): void {
  const { object, resourceVersion } = viewed(op, server, BUDGET);
  const budget = narrow(object, 'budget');
  if (budget === undefined) return;
  const pools = Array.from({ length: SLOTS }, (_, slot) => ({
    slot,
    view: viewOfPool(op, server, slot),
  })).flatMap(({ slot, view }) => (view === undefined ? [] : [{ slot, view }]));
  const shares = poolShares(
    budgetOf(budget.total),
    pools.map(({ view }) => claimOf(view.pool)),
  );
  const claims = claimsOf(
    pools.map(({ slot, view }) => ({
      uid: view.pool.uid,
      namespace: 'n',
      name: view.pool.name,
      target: shares.get(view.pool.uid)?.connections ?? 0,
      ...(switches.untakenIsReturned ? takenAnyway(view.pool, budget) : takenBy(view.pool)),
      charge: holdersOf(op, slot, view, switches).reduce((total, h) => total + charge(h), 0),
    })),
    budget.rows,
    (uid) => (switches.unseenIsGone ? unseenOf(op, server, uid) : op.gone.get(uid)),
  );
  const mayRaise = pools.every(({ slot, view }) =>
    holdersAsked(holdersOf(op, slot, view, switches)),
  );
  const { rows } = patiently(
    op,
    switches,
    (inParts) => planAllotments('primary', budget.total, budget.rows, claims, mayRaise, inParts),
    ({ withheld }) => withheld,
  );
  if (same(rows, budget.rows)) return;
  op.writes.push({ key: BUDGET, resourceVersion, object: { ...budget, rows } });
}

/** What the caches alone would say of a pool that none of them shows. */
function unseenOf(op: Operator, server: ApiServer, uid: string): Gone {
  for (let slot = 0; slot < SLOTS; slot++) {
    const keys = [mapKey(slot), setKey(slot)];
    for (let ordinal = 0; ordinal < ORDINALS; ordinal++) keys.push(podKey(slot, ordinal));
    for (const key of keys) {
      const { object } = viewed(op, server, key);
      if (object !== undefined && 'poolUid' in object && object.poolUid === uid) return 'pool';
    }
  }
  return 'pods';
}

/** Reconciles one ConnectionPool: the first kind of write that its plan asks for. */
export function reconcilePool(
  op: Operator,
  server: ApiServer,
  slot: number,
  switches: Switches,
): void {
  const asked = op.live.get(slot);
  const live =
    asked?.pods !== undefined &&
    (switches.oldAnswers || asked.pool === (op.views.get(poolKey(slot)) ?? 0));
  const view = viewOfPool(op, server, slot, live);
  op.live.delete(slot);
  if (view === undefined) return;
  const { pool, map, set } = view;
  const budget = narrow(viewed(op, server, BUDGET).object, 'budget');
  const row = budget?.rows.find((r) => r.uid === pool.uid);
  const reading = readingOf(op, slot, view, live, switches);
  const input: Omit<PoolLedgerInput, 'inParts'> = {
    taken: switches.ignoreSerial ? takenAgain(pool, row) : pool.allotment,
    grants: pool.grants,
    row,
    pods: pool.spec.pods,
    processes: pool.spec.processes,
    entries: pool.spec.entries,
    reading,
    nameOf: (ordinal, process) => holderOf(slot, ordinal, process),
    mayRaise: true,
  };
  const planWith = switches.unusedIsReturned ? planWithoutReturn : planPoolLedger;
  const plan = patiently(
    op,
    switches,
    (inParts) => planWith({ ...input, inParts }),
    (whole) => whole.holders.withheld,
  );
  if (plan.readLive) op.wantsLive.add(slot);
  else op.wantsLive.delete(slot);
  const { allotment, grants, holders } = plan;
  if (plan.changesLedger || input.taken !== pool.allotment || !same(grants, pool.grants)) {
    const object = { ...pool, allotment, grants };
    op.writes.push({ key: poolKey(slot), resourceVersion: view.poolVersion, object });
    return;
  }
  if (view.foreign) return;
  const { epoch } = holders;
  const epochsOf = (of: number) => {
    const pods = view.pods.filter(({ ordinal }) => ordinal === of).map(({ pod }) => pod.epoch);
    return [epoch, ...olderEpochs(epoch, reading.workload, pods)];
  };
  const files = new Map<string, FileContent>();
  const keyUid = switches.sharedKeys ? '' : pool.uid;
  for (const { ordinal, process, grant } of holders.files) {
    const place = placeOf(ordinal, process);
    const { generation, caps } = grant;
    const wanted = makeFile({ generation, caps, text: pool.spec.text });
    const file = switches.oldMark ? withoutNews(map, place, wanted) : withRoom(map, place, wanted);
    for (const e of switches.noEpoch ? [0] : epochsOf(ordinal))
      files.set(fileKeyOf(keyUid, ordinal, process, e), file);
  }
  const { mapVersion, setVersion } = view;
  if (map === undefined || map.epoch !== epoch || !sameFiles(files, map.files)) {
    const uid = map?.uid ?? server.uid();
    const object = { kind: 'map', uid, poolUid: pool.uid, epoch, files } as const;
    const resourceVersion = map === undefined ? undefined : mapVersion;
    op.writes.push({ key: mapKey(slot), resourceVersion, object });
    return;
  }
  if (set === undefined) {
    const object = {
      kind: 'set',
      uid: server.uid(),
      poolUid: pool.uid,
      replicas: holders.replicas,
      processes: holders.processes,
      epoch,
      generation: 1,
      observed: 0,
    } as const;
    op.writes.push({ key: setKey(slot), resourceVersion: undefined, object });
  } else if (
    set.replicas !== holders.replicas ||
    set.processes !== holders.processes ||
    set.epoch !== epoch
  ) {
    const generation = set.generation + 1;
    const { replicas, processes } = holders;
    const object = { ...set, replicas, processes, epoch, generation };
    op.writes.push({ key: setKey(slot), resourceVersion: setVersion, object });
  } else {
    const isStranded = ({ ordinal }: { readonly ordinal: number }) =>
      PLACES.some(
        (place) =>
          place.ordinal === ordinal &&
          holders.stranded.includes(holderOf(slot, ordinal, place.process)),
      );
    const [first] = switches.keepStranded ? [] : view.pods.filter(isStranded);
    // A pod from another template is replaced, one after the other: it takes its time.
    const isOld = ({ pod }: { readonly pod: PodObject }) =>
      !pod.terminating && pod.processes !== set.processes;
    const [old] = set.observed < set.generation ? [] : view.pods.filter(isOld);
    const gone = first ?? old;
    if (gone === undefined) return;
    const key = podKey(slot, gone.ordinal);
    op.writes.push({ key, resourceVersion: undefined, object: undefined, uid: gone.pod.uid });
  }
}

/** A file that changes in something else than its caps gets a generation that no other text has. */
function withRoom(map: MapObject | undefined, place: string, file: FileContent): FileContent {
  const written = [...(map?.files ?? [])]
    .filter(([key]) => key.split('.')[1] === place)
    .map(([, other]) => other);
  const taken = written.some((w) => w.generation >= file.generation && !same(w, file));
  if (!taken) return file;
  return makeFile({ ...file, generation: Math.max(...written.map((w) => w.generation)) + 1 });
}

function takenBy({ allotment }: PoolObject) {
  return allotment === undefined ? {} : { taken: allotment };
}

export function budgetOf(total: number) {
  return {
    optimum: total,
    guard: total,
    slack: 0,
    reserved: 0,
    active: total,
    total,
    decidedBy: 'owner',
  } as const;
}

export function claimOf(pool: PoolObject) {
  const { pods, processes, weight, entries } = pool.spec;
  return {
    id: pool.uid,
    age: pool.age,
    weight,
    session: false,
    pods,
    processes,
    entries: entries.length,
  };
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function sameFiles(a: MapObject['files'], b: MapObject['files']): boolean {
  return a.size === b.size && [...a].every(([key, file]) => same(file, b.get(key)));
}

/**
 * Asks the API server about pools which have a row in view and are not there: first for the pool, then for workload
 * and files, then for pods. Each answer counts only after the one before it.
 */
export function askWhatIsGone(op: Operator, server: ApiServer, slot: number, what: Gone): boolean {
  const budget = narrow(viewed(op, server, BUDGET).object, 'budget');
  const rows = budget?.rows.filter((r) => r.name === `pool${slot}`) ?? [];
  let news = false;
  for (const { uid } of rows) {
    if (nextQuestion(op.gone.get(uid)) !== what || isThere(server, slot, uid, what)) continue;
    op.gone.set(uid, what);
    news = true;
  }
  return news;
}

function isThere(server: ApiServer, slot: number, uid: string, what: Gone): boolean {
  switch (what) {
    case 'pool':
      return server.read(poolKey(slot), 'pool')?.uid === uid;
    case 'objects':
      return [server.read(mapKey(slot), 'map'), server.read(setKey(slot), 'set')].some(
        (object) => object?.poolUid === uid,
      );
    case 'pods':
      return Array.from({ length: ORDINALS }, (_, ordinal) => podKey(slot, ordinal)).some(
        (key) => server.read(key, 'pod')?.poolUid === uid,
      );
  }
}

/** Asks the API server for the files, then the workload, then the pods; the first question forgets earlier answers. */
export function askLive(
  op: Operator,
  server: ApiServer,
  slot: number,
  what: 'map' | 'set' | 'pods',
): boolean {
  const now = (key: string) => server.version(key, server.newest(key));
  const live = op.live.get(slot);
  if (what === 'map') {
    op.live.set(slot, { pool: op.views.get(poolKey(slot)) ?? 0, map: now(mapKey(slot)) });
    return true;
  }
  if (live === undefined || (live.set === undefined) !== (what === 'set')) return false;
  if (what === 'set') {
    live.set = now(setKey(slot));
    return true;
  }
  if (live.pods !== undefined) return false;
  live.pods = Array.from({ length: ORDINALS }, (_, ordinal) => now(podKey(slot, ordinal)));
  return true;
}
