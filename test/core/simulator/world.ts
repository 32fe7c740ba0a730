// The whole simulated world, and every single step that can happen in it. A step that is not possible in the present
// state does nothing, so that any part of a sequence is a sequence too.
import { ApiServer, narrow } from './api-server.ts';
import {
  ALL_KEYS,
  BUDGET,
  consoleOf,
  type FileContent,
  fileKeyOf,
  mapKey,
  ORDINALS,
  type PodObject,
  type PoolSpec,
  podKey,
  poolKey,
  SLOTS,
  setKey,
} from './objects.ts';
import {
  askLive,
  askWhatIsGone,
  newOperator,
  type Operator,
  podInView,
  reconcileBudget,
  reconcilePool,
} from './operator.ts';
import {
  type Machine,
  newMachine,
  openAll,
  reconnect,
  release,
  reload,
  startProcess,
} from './processes.ts';
import type { Switches } from './switches.ts';

/** A step at a process is of the pod's first one where it does not say which. */
export type Step =
  // Users.
  | { do: 'budget'; total: number }
  | { do: 'create'; slot: number; spec: PoolSpec }
  | { do: 'spec'; slot: number; spec: Partial<PoolSpec> }
  | { do: 'delete'; slot: number }
  | { do: 'evict'; slot: number; ordinal: number }
  /** The status of the pool and all rows are lost. In told stories only. */
  | { do: 'wipe'; slot: number }
  // Controllers of the cluster. `versions` that a view moves forward at most.
  | { do: 'controllerSees'; slot: number; versions: number }
  | { do: 'controllerActs'; slot: number }
  | { do: 'collect'; slot: number; what: 'set' | 'map' | 'pods' }
  // Nodes. `back`: how many versions the mounted ConfigMap is older than the newest.
  | { do: 'mount'; slot: number; ordinal: number; back: number }
  | { do: 'refresh'; slot: number; ordinal: number; versions: number }
  | { do: 'start'; slot: number; ordinal: number; process?: number }
  | { do: 'restart'; slot: number; ordinal: number; process?: number }
  | { do: 'end'; slot: number; ordinal: number }
  | { do: 'loseNode'; slot: number; ordinal: number }
  | { do: 'nodeBack'; slot: number; ordinal: number }
  | { do: 'nodeDead'; slot: number; ordinal: number }
  | { do: 'open'; slot: number; ordinal: number; process?: number }
  | { do: 'release'; slot: number; ordinal: number; process?: number; idle: boolean }
  // Operators.
  | { do: 'see'; op: number; key: string; versions: number }
  | { do: 'reconcileBudget'; op: number }
  | { do: 'reconcilePool'; op: number; slot: number }
  | { do: 'askLive'; op: number; slot: number; what: 'map' | 'set' | 'pods' }
  | { do: 'askGone'; op: number; slot: number; what: 'pool' | 'objects' | 'pods' }
  | { do: 'land'; op: number; index: number }
  | { do: 'drop'; op: number; index: number }
  | { do: 'lookMark'; op: number; slot: number; ordinal: number; process?: number }
  | { do: 'lookCount'; op: number; slot: number; ordinal: number; process?: number }
  | { do: 'reload'; op: number; slot: number; ordinal: number; process?: number; lines?: number }
  | { do: 'reconnect'; op: number; slot: number; ordinal: number; process?: number }
  | { do: 'impatience'; op: number }
  | { do: 'crash'; op: number; back: number };

/** A view moves to the newest version. */
export const NEWEST = 1000;
const MAX_WRITES = 3;

export class World {
  readonly server = new ApiServer();
  readonly machines = new Map<string, Machine>();
  readonly controllers: number[] = Array.from({ length: SLOTS }, () => 0);
  readonly operators: Operator[];
  readonly switches: Switches;
  #pools = 0;

  constructor(total: number, switches: Switches, operators = 2) {
    this.switches = switches;
    this.operators = Array.from({ length: operators }, newOperator);
    this.server.put(BUDGET, { kind: 'budget', total, rows: [] });
  }

  pod(slot: number, ordinal: number): PodObject | undefined {
    return this.server.read(podKey(slot, ordinal), 'pod');
  }

  machine(slot: number, ordinal: number): Machine | undefined {
    const pod = this.pod(slot, ordinal);
    return pod === undefined ? undefined : this.machines.get(pod.uid);
  }

  /** The file that the pod's volume has under the path of its template, for one of its processes. */
  fileInVolume(slot: number, ordinal: number, process = 0): FileContent | undefined {
    const pod = this.pod(slot, ordinal);
    const volume = this.machine(slot, ordinal)?.volume;
    if (pod === undefined || volume === undefined) return undefined;
    const map = narrow(this.server.version(mapKey(slot), volume).object, 'map');
    return map?.files.get(this.fileKey(pod, ordinal, process));
  }

  /** The path in the pod's template. */
  fileKey(pod: PodObject, ordinal: number, process: number): string {
    const { sharedKeys, noEpoch } = this.switches;
    return fileKeyOf(sharedKeys ? '' : pod.poolUid, ordinal, process, noEpoch ? 0 : pod.epoch);
  }

  /** False: the step was not possible. */
  apply(step: Step): boolean {
    const { server } = this;
    switch (step.do) {
      case 'budget': {
        const budget = server.read(BUDGET, 'budget');
        if (budget === undefined || budget.total === step.total) return false;
        server.put(BUDGET, { ...budget, total: step.total });
        return true;
      }
      case 'create': {
        if (server.read(poolKey(step.slot), 'pool') !== undefined) return false;
        this.#pools += 1;
        server.put(poolKey(step.slot), {
          kind: 'pool',
          uid: server.uid(),
          name: `pool${step.slot}`,
          age: String(this.#pools).padStart(4, '0'),
          spec: step.spec,
          grants: [],
        });
        return true;
      }
      case 'spec': {
        const pool = server.read(poolKey(step.slot), 'pool');
        if (pool === undefined) return false;
        server.put(poolKey(step.slot), { ...pool, spec: { ...pool.spec, ...step.spec } });
        return true;
      }
      case 'delete':
        if (server.read(poolKey(step.slot), 'pool') === undefined) return false;
        server.put(poolKey(step.slot), undefined);
        return true;
      case 'wipe': {
        const budget = server.read(BUDGET, 'budget');
        const pool = server.read(poolKey(step.slot), 'pool');
        if (budget === undefined || pool === undefined) return false;
        const { allotment: _lost, ...rest } = pool;
        server.put(poolKey(step.slot), { ...rest, grants: [] });
        return server.put(BUDGET, { ...budget, rows: [] });
      }
      case 'evict': {
        const pod = this.pod(step.slot, step.ordinal);
        if (pod === undefined || pod.terminating) return false;
        server.put(podKey(step.slot, step.ordinal), { ...pod, terminating: true });
        return true;
      }
      case 'controllerSees': {
        const at = this.controllers[step.slot] ?? 0;
        const to = Math.min(server.newest(setKey(step.slot)), at + step.versions);
        if (to === at) return false;
        this.controllers[step.slot] = to;
        return true;
      }
      case 'controllerActs':
        return this.#controllerActs(step.slot);
      case 'collect':
        return this.#collect(step.slot, step.what);
      case 'see': {
        const op = this.operators[step.op];
        const at = op?.views.get(step.key) ?? 0;
        const to = Math.min(server.newest(step.key), at + step.versions);
        if (op === undefined || to === at) return false;
        op.views.set(step.key, to);
        return true;
      }
      case 'reconcileBudget':
      case 'reconcilePool':
      case 'askLive':
      case 'askGone':
      case 'land':
      case 'drop':
      case 'impatience':
      case 'crash':
        return this.#operatorStep(step);
      case 'lookMark':
      case 'lookCount':
      case 'reload':
      case 'reconnect':
        return this.#consoleStep(step);
      default:
        return this.#nodeStep(step);
    }
  }

  /** One thing that a StatefulSet controller does in its view of the set: Parallel, OnDelete. */
  #controllerActs(slot: number): boolean {
    const { server } = this;
    const set = narrow(server.version(setKey(slot), this.controllers[slot] ?? 0).object, 'set');
    const live = server.read(setKey(slot), 'set');
    // A controller that has not seen the end of a set is left out: see the list in model.md.
    if (set === undefined || live?.uid !== set.uid) return false;
    for (let ordinal = 0; ordinal < Math.min(set.replicas, ORDINALS); ordinal++) {
      if (this.pod(slot, ordinal) !== undefined) continue;
      const uid = server.uid();
      this.machines.set(uid, newMachine(uid));
      const { poolUid, epoch, processes } = set;
      server.put(podKey(slot, ordinal), {
        kind: 'pod',
        uid,
        poolUid,
        setUid: set.uid,
        epoch,
        processes,
        terminating: false,
      });
      return true;
    }
    for (let ordinal = ORDINALS - 1; ordinal >= set.replicas; ordinal--) {
      const pod = this.pod(slot, ordinal);
      if (pod === undefined || pod.terminating || pod.setUid !== set.uid) continue;
      server.put(podKey(slot, ordinal), { ...pod, terminating: true });
      return true;
    }
    if (live.observed >= set.generation) return false;
    server.put(setKey(slot), { ...live, observed: set.generation });
    return true;
  }

  /** Garbage of a pool that was deleted, piece by piece, in any order. */
  #collect(slot: number, what: 'set' | 'map' | 'pods'): boolean {
    const { server } = this;
    const alive = server.read(poolKey(slot), 'pool')?.uid;
    if (what !== 'pods') {
      const key = what === 'set' ? setKey(slot) : mapKey(slot);
      const object = what === 'set' ? server.read(key, 'set') : server.read(key, 'map');
      if (object === undefined || object.poolUid === alive) return false;
      server.put(key, undefined);
      return true;
    }
    const set = server.read(setKey(slot), 'set');
    for (let ordinal = 0; ordinal < ORDINALS; ordinal++) {
      const pod = this.pod(slot, ordinal);
      if (pod === undefined || pod.terminating || pod.setUid === set?.uid) continue;
      server.put(podKey(slot, ordinal), { ...pod, terminating: true });
      return true;
    }
    return false;
  }

  #nodeStep(
    step: Extract<
      Step,
      {
        do:
          | 'mount'
          | 'refresh'
          | 'start'
          | 'restart'
          | 'end'
          | 'loseNode'
          | 'nodeBack'
          | 'nodeDead'
          | 'open'
          | 'release';
      }
    >,
  ): boolean {
    const { server } = this;
    const { slot, ordinal } = step;
    const pod = this.pod(slot, ordinal);
    const machine = this.machine(slot, ordinal);
    if (pod === undefined || machine === undefined) return false;
    const number = 'process' in step ? (step.process ?? 0) : 0;
    if (number >= pod.processes) return false;
    const process = machine.processes.get(number);
    const gone = () => {
      this.machines.delete(pod.uid);
      server.put(podKey(slot, ordinal), undefined);
      return true;
    };
    switch (step.do) {
      case 'open':
        if (process === undefined) return false;
        openAll(process);
        return true;
      case 'release':
        if (process === undefined || process.open.size === 0) return false;
        release(process, step.idle);
        return true;
      case 'loseNode':
        if (machine.lost) return false;
        machine.lost = true;
        return true;
      case 'nodeBack':
        if (!machine.lost) return false;
        machine.lost = false;
        return true;
      case 'nodeDead':
        return machine.lost && gone();
    }
    if (machine.lost) return false;
    switch (step.do) {
      case 'mount': {
        const at = server.newest(mapKey(slot)) - step.back;
        if (machine.volume !== undefined || at < 0 || pod.terminating) return false;
        if (server.version(mapKey(slot), at).object === undefined) return false;
        machine.volume = at;
        return true;
      }
      case 'refresh': {
        if (machine.volume === undefined) return false;
        let to = Math.min(server.newest(mapKey(slot)), machine.volume + step.versions);
        while (server.version(mapKey(slot), to).object === undefined) to -= 1;
        if (to <= machine.volume) return false;
        machine.volume = to;
        return true;
      }
      case 'start':
      case 'restart': {
        if ((process === undefined) !== (step.do === 'start')) return false;
        const file = this.fileInVolume(slot, ordinal, number);
        if (pod.terminating || (file === undefined && step.do === 'start')) return false;
        if (file === undefined) machine.processes.delete(number);
        else machine.processes.set(number, startProcess(file));
        return true;
      }
      case 'end':
        return pod.terminating && gone();
    }
  }

  #operatorStep(
    step: Extract<
      Step,
      {
        do:
          | 'reconcileBudget'
          | 'reconcilePool'
          | 'askLive'
          | 'askGone'
          | 'land'
          | 'drop'
          | 'impatience'
          | 'crash';
      }
    >,
  ): boolean {
    const { server } = this;
    const op = this.operators[step.op];
    if (op === undefined) return false;
    switch (step.do) {
      case 'reconcileBudget':
      case 'reconcilePool': {
        const before = op.writes.length;
        if (before >= MAX_WRITES) return false;
        if (step.do === 'reconcileBudget') reconcileBudget(op, server, this.switches);
        else reconcilePool(op, server, step.slot, this.switches);
        return op.writes.length > before;
      }
      case 'askLive':
        return askLive(op, server, step.slot, step.what);
      case 'askGone':
        return askWhatIsGone(op, server, step.slot, step.what);
      case 'land': {
        const [write] = op.writes.splice(step.index, 1);
        if (write === undefined) return false;
        const { key, object } = write;
        const inView = server.version(key, op.views.get(key) ?? 0).resourceVersion;
        const late = this.switches.lateVersions && write.resourceVersion !== undefined;
        const resourceVersion = late ? inView : write.resourceVersion;
        if (object === undefined) {
          const pod = server.read(key, 'pod');
          if (pod !== undefined && pod.uid === write.uid)
            server.put(key, { ...pod, terminating: true });
          return true;
        }
        // A POST of an object whose owner is gone is left out: see the list in model.md.
        const owner = 'poolUid' in object ? object.poolUid : undefined;
        if (resourceVersion !== undefined) {
          if (this.switches.ignoreVersions === object.kind) server.put(key, object);
          else server.swap(key, resourceVersion, object);
        } else if (owner === undefined || this.#lives(owner)) {
          if (this.switches.createOver) server.put(key, object);
          else server.create(key, object);
        }
        // It has left the operator, whatever the answer was.
        return true;
      }
      case 'drop':
        return op.writes.splice(step.index, 1).length > 0;
      case 'impatience':
        if (op.impatient) return false;
        op.impatient = true;
        return true;
      case 'crash': {
        // Its writes may still be on their way; what it knew is gone, and its first lists may be old.
        const restarted = newOperator();
        restarted.writes.push(...op.writes);
        for (const key of ALL_KEYS)
          restarted.views.set(key, Math.max(0, server.newest(key) - step.back));
        this.operators[step.op] = restarted;
        return true;
      }
    }
  }

  #lives(poolUid: string): boolean {
    return this.#slots().some((slot) => this.server.read(poolKey(slot), 'pool')?.uid === poolUid);
  }

  #slots(): number[] {
    return Array.from({ length: SLOTS }, (_, slot) => slot);
  }

  #consoleStep(
    step: Extract<Step, { do: 'lookMark' | 'lookCount' | 'reload' | 'reconnect' }>,
  ): boolean {
    const { slot, ordinal, process: number = 0 } = step;
    const op = this.operators[step.op];
    if (op === undefined) return false;
    const known = podInView(op, this.server, slot, ordinal);
    if (known === undefined || number >= known.processes) return false;
    const at = consoleOf(known.uid, number);
    const machine = this.machines.get(known.uid);
    const process = machine?.lost === true ? undefined : machine?.processes.get(number);
    if (process === undefined) {
      if (step.do !== 'lookMark' || op.consoles.has(at)) return false;
      op.consoles.set(at, undefined);
      return true;
    }
    const open = () => [...process.open].map(([name, connections]) => ({ name, connections }));
    switch (step.do) {
      case 'lookMark': {
        const caps = [...process.caps].map(([name, connections]) => ({ name, connections }));
        const look = { generation: process.generation, revision: process.mark, caps };
        op.looks.set(at, this.switches.countFirst ? { ...look, open: open() } : look);
        return true;
      }
      case 'lookCount': {
        const look = op.looks.get(at);
        if (look === undefined) return false;
        op.looks.delete(at);
        const caps = [...process.caps].map(([name, connections]) => ({ name, connections }));
        op.consoles.set(at, {
          podUid: known.uid,
          generation: look.open === undefined ? look.generation : process.generation,
          revision: look.open === undefined ? look.revision : process.mark,
          caps: look.open === undefined ? look.caps : caps,
          sessions: look.open ?? open(),
        });
        return true;
      }
      case 'reload': {
        // The console belongs to the pod in view, which is the present one as long as its process answers.
        const file = this.fileInVolume(slot, ordinal, number);
        const map = narrow(
          this.server.version(mapKey(slot), op.views.get(mapKey(slot)) ?? 0).object,
          'map',
        );
        if (file !== undefined) reload(process, file, step.lines);
        const wanted = map?.files.get(this.fileKey(known, ordinal, number));
        if (this.switches.answerIsProof && wanted !== undefined) {
          op.consoles.set(at, {
            podUid: known.uid,
            generation: wanted.generation,
            revision: wanted.mark,
            caps: wanted.caps,
            sessions: open().map((s) => ({
              ...s,
              connections: Math.min(
                s.connections,
                wanted.caps.find((c) => c.name === s.name)?.connections ?? 0,
              ),
            })),
          });
        }
        return true;
      }
      case 'reconnect':
        if (this.switches.noReconnect) return false;
        reconnect(process);
        return true;
    }
  }
}
