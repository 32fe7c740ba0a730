// A pool with a Deployment in a small model of its surroundings: the API server's objects with their versions, the
// Deployment's controller, pods that read the file when they start and when they are told, and two operators with views
// that are behind, each part by itself, and with writes that are carried out late.
import type { GrantRecord, PoolAllotment } from '../../../operator/api/connection-pool.ts';
import type { BoundedPoolInput, planBoundedLedger } from '../../../operator/core/ledger/bounded.ts';
import type { FileState, HolderState, Observation } from '../../../operator/core/ledger/state.ts';
import { mostPods, replicasFor } from '../../../operator/core/sizing/most-pods.ts';
import type { CapEntry } from '../../../operator/engines/engine.ts';

export type Planner = typeof planBoundedLedger;
export type Random = (below: number) => number;

interface Versioned {
  readonly version: number;
}
interface Status extends Versioned {
  readonly allotment: PoolAllotment | undefined;
  readonly grants: readonly GrantRecord[];
}
interface Files extends Versioned {
  readonly caps: readonly CapEntry[] | undefined;
  readonly generation: number;
  readonly epoch: number;
}
interface Workload extends Versioned {
  readonly exists: boolean;
  readonly replicas: number;
  readonly epoch: number;
  readonly template: number;
  /** That of which pods are made: while it is paused, the one of before. */
  readonly rolled: number;
  readonly paused: boolean;
  /** Its controller has seen this version. */
  readonly seen: boolean;
}
interface Pod {
  readonly uid: string;
  readonly template: number;
  readonly terminating: boolean;
  /** What its process runs with; undefined before it has started. */
  readonly caps: readonly CapEntry[] | undefined;
  readonly revision: string | undefined;
}
interface View {
  status: Status;
  files: Files;
  workload: Workload;
  pods: readonly Pod[];
  readonly said: Map<string, Observation>;
  readonly late: (() => void)[];
}

const NAME = 'shop-pooler-shared';
export const ENTRIES = ['a', 'b'];
const total = (caps: readonly { readonly connections: number }[] | undefined) =>
  (caps ?? []).reduce((sum, c) => sum + c.connections, 0);
const revisionOf = ({ caps, generation }: Files) => `${generation} ${JSON.stringify(caps)}`;

export class Model {
  status: Status = { version: 1, allotment: undefined, grants: [] };
  files: Files = { version: 1, caps: undefined, generation: 0, epoch: 0 };
  workload: Workload = {
    version: 1,
    exists: false,
    replicas: 0,
    epoch: 0,
    template: 1,
    rolled: 1,
    paused: false,
    seen: true,
  };
  pods: Pod[] = [];
  wanted = 2;
  row = { connections: 17, target: 17, serial: 1 };
  template = 1;
  readonly history: string[] = [];
  readonly #views: View[];
  readonly #plan: Planner;
  readonly #random: Random;
  #pods = 0;

  constructor(plan: Planner, random: Random) {
    this.#plan = plan;
    this.#random = random;
    this.#views = [0, 1].map(() => ({
      status: this.status,
      files: this.files,
      workload: this.workload,
      pods: [],
      said: new Map(),
      late: [],
    }));
  }

  /** What runs may open, or could with all the pods that there can be; and what is written down for it. */
  get open(): number {
    const running = this.pods.reduce((sum, pod) => sum + total(pod.caps), 0);
    return Math.max(running, mostPods(this.workload.replicas) * total(this.files.caps));
  }

  get granted(): number {
    return total(this.status.grants);
  }

  /** Throws where more may be open than is written down. */
  check(): void {
    if (this.open <= this.granted) return;
    throw new Error(
      `${this.open} may be open, ${this.granted} are written down:\n${this.history.slice(-60).join('\n')}\n${this.#text()}`,
    );
  }

  /** One thing happens. */
  step(): void {
    const random = this.#random;
    const one = this.#views[random(2)] as View;
    const pick = random(100);
    if (pick < 30) this.operate(one, random(3) === 0);
    else if (pick < 45) this.#look(one);
    else if (pick < 55) this.#ask(one);
    else if (pick < 60) this.#landLate(one);
    else if (pick < 78) this.control();
    else if (pick < 88) this.#podStep();
    else if (pick < 91) this.#scale();
    else if (pick < 94) this.#resize();
    else if (pick < 96) this.#newTemplate();
    else if (pick < 98) this.#deleteByHand();
    else this.#restartOperator(one);
  }

  /** Everything that is under way comes to its end, with one operator; then it must be as it is to be. */
  settle(): void {
    const one = this.#views[0] as View;
    for (const view of this.#views) view.late.length = 0;
    for (let round = 0; round < 400; round++) {
      this.#lookAll(one);
      this.operate(one, false);
      this.check();
      this.control();
      for (const pod of [...this.pods]) {
        this.#advance(pod);
        this.check();
      }
    }
    const { connections } = this.status.allotment ?? { connections: 0 };
    const target = replicasFor(connections, this.wanted, ENTRIES.length);
    const alive = this.pods.filter((pod) => !pod.terminating).length;
    if (this.workload.replicas !== target || alive !== target || this.pods.length !== target) {
      throw new Error(`${alive} pods instead of ${target}:\n${this.#text()}`);
    }
    const [grant] = this.status.grants;
    const each = target === 0 ? 0 : Math.floor(connections / (2 * target + 1));
    if ((grant?.connections ?? 0) !== each * (target === 0 ? 0 : 2 * target + 1)) {
      throw new Error(`not all of ${connections} is given:\n${this.#text()}`);
    }
    if (this.pods.some((pod) => total(pod.caps) !== each || pod.template !== this.template)) {
      throw new Error(`not every pod runs with ${each}:\n${this.#text()}`);
    }
  }

  /** One look, one plan, one write, as reconcile/pool.ts does it. `delayed`: the write is carried out later. */
  operate(view: View, delayed: boolean): void {
    const cached = this.#plan(this.#input(view, view, false));
    let plan = cached;
    let seen: Pick<View, 'files' | 'workload' | 'pods'> = view;
    if (cached.readLive) {
      seen = { files: this.files, workload: this.workload, pods: [...this.pods] };
      plan = this.#plan(this.#input(view, seen, true));
    }
    const write = this.#writeOf(plan, view, seen);
    if (write === undefined) return;
    if (delayed) view.late.push(write);
    else write();
  }

  #writeOf(
    plan: ReturnType<Planner>,
    view: View,
    seen: Pick<View, 'files' | 'workload' | 'pods'>,
  ): (() => void) | undefined {
    const { holders } = plan;
    const { status } = view;
    if (plan.changesLedger) {
      return () => {
        if (this.status.version !== status.version) return;
        const raised = total(plan.grants) > this.granted;
        if (raised && total(plan.grants) > plan.allotment.connections) {
          throw new Error(`more is granted than is allotted:\n${JSON.stringify(plan)}`);
        }
        this.status = {
          version: status.version + 1,
          allotment: plan.allotment,
          grants: plan.grants,
        };
        view.status = this.status;
        this.#note(`status ${JSON.stringify(plan.grants)} of ${plan.allotment.connections}`);
      };
    }
    const grant = holders.files[0]?.grant;
    const { files, workload } = seen;
    const next = { caps: grant?.caps, generation: grant?.generation ?? files.generation };
    if (
      JSON.stringify(next.caps) !== JSON.stringify(files.caps) ||
      next.generation !== files.generation ||
      holders.epoch !== files.epoch
    ) {
      return () => {
        if (this.files.version !== files.version) return;
        this.files = { ...next, version: files.version + 1, epoch: holders.epoch };
        view.files = this.files;
        this.#note(`file ${revisionOf(this.files)} epoch ${holders.epoch}`);
      };
    }
    // As objects/deployment.ts: a new template is written paused.
    const { template } = this;
    const isNew = workload.exists && workload.template !== template;
    const paused = isNew || (workload.paused && !holders.mayRoll);
    if (
      !workload.exists ||
      workload.replicas !== holders.replicas ||
      workload.epoch !== holders.epoch ||
      workload.template !== template ||
      workload.paused !== paused
    ) {
      return () => {
        if (this.workload.version !== workload.version) return;
        this.workload = {
          version: workload.version + 1,
          exists: true,
          replicas: holders.replicas,
          epoch: holders.epoch,
          template,
          rolled: paused ? workload.rolled : template,
          paused,
          seen: false,
        };
        view.workload = this.workload;
        this.#note(
          `replicas ${holders.replicas} template ${template} ${paused ? 'paused' : ''} epoch ${holders.epoch}`,
        );
      };
    }
    return undefined;
  }

  #input(
    view: View,
    { files, workload, pods }: Pick<View, 'files' | 'workload' | 'pods'>,
    live: boolean,
  ): BoundedPoolInput {
    const file: FileState | undefined =
      files.caps === undefined
        ? undefined
        : {
            generation: files.generation,
            revision: revisionOf(files),
            caps: files.caps,
            connections: total(files.caps),
          };
    return {
      taken: view.status.allotment,
      grants: view.status.grants,
      row: { server: 'primary', uid: 'u', namespace: 'n', name: 'shop', ...this.row },
      wanted: this.wanted,
      entries: ENTRIES,
      name: NAME,
      ...(file === undefined ? {} : { file }),
      pods: pods.map((pod): HolderState => {
        const observation = view.said.get(pod.uid);
        return {
          name: pod.uid,
          ordinal: 0,
          process: 0,
          ...(file === undefined ? {} : { file }),
          pod: { uid: pod.uid, terminating: pod.terminating, epoch: 0, processes: 1 },
          ...(observation === undefined ? {} : { observation }),
          asked: observation !== undefined || pod.caps === undefined,
        };
      }),
      ...(workload.exists
        ? {
            workload: {
              replicas: workload.replicas,
              processes: 1,
              epoch: workload.epoch,
              seen: workload.seen,
              paused: workload.paused,
            },
          }
        : {}),
      fileEpoch: files.epoch,
      live,
      mayRaise: true,
    };
  }

  /** The Deployment's controller does one thing: maxSurge 1, maxUnavailable 0. */
  control(): void {
    const { workload } = this;
    if (!workload.exists) return;
    if (!workload.seen) {
      this.workload = { ...workload, seen: true };
      for (const view of this.#views) {
        if (view.workload.version === workload.version) view.workload = this.workload;
      }
      return;
    }
    const { replicas, rolled: template } = workload;
    const active = this.pods.filter((pod) => !pod.terminating);
    const fresh = active.filter((pod) => pod.template === template);
    const old = active.filter((pod) => pod.template !== template);
    const ready = active.filter((pod) => pod.caps !== undefined);
    if (fresh.length < replicas && active.length < replicas + (old.length > 0 ? 1 : 0)) {
      this.#create(template);
    } else if (active.length > replicas && (old.length > 0 || fresh.length > replicas)) {
      const victim = old.find((pod) => pod.caps === undefined) ?? old[0] ?? fresh[0];
      const serves = ready.filter((pod) => pod !== victim).length;
      if (victim !== undefined && (serves >= replicas || victim.caps === undefined))
        this.#terminate(victim);
      else if (fresh.length > replicas) this.#terminate(fresh[0] as Pod);
    }
  }

  #create(template: number): void {
    this.#pods += 1;
    const pod = { uid: `pod-${this.#pods}`, template, terminating: false };
    this.pods.push({ ...pod, caps: undefined, revision: undefined });
    this.#note(`${pod.uid} is made`);
  }

  #terminate(pod: Pod): void {
    this.#set(pod, { ...pod, terminating: true });
    this.#note(`${pod.uid} is to end`);
  }

  #set(pod: Pod, next: Pod): void {
    this.pods = this.pods.map((one) => (one.uid === pod.uid ? next : one));
  }

  #podStep(): void {
    const pod = this.pods[this.#random(Math.max(1, this.pods.length))];
    // Some of them have clients that stay for long.
    if (pod !== undefined && (!pod.terminating || this.#random(6) === 0)) this.#advance(pod);
  }

  /** It starts, or reads its file again, or ends; one that ends reads nothing. */
  #advance(pod: Pod): void {
    if (pod.terminating) {
      this.pods = this.pods.filter((one) => one.uid !== pod.uid);
      this.#note(`${pod.uid} has ended`);
      return;
    }
    const { caps } = this.files;
    const revision = revisionOf(this.files);
    if (caps === undefined || pod.revision === revision) return;
    this.#set(pod, { ...pod, caps, revision });
    this.#note(`${pod.uid} runs with ${revision}`);
  }

  /** One part of a view comes up to date. */
  #look(view: View): void {
    const part = this.#random(4);
    if (part === 0) view.status = this.status;
    else if (part === 1) view.files = this.files;
    else if (part === 2) view.workload = this.workload;
    else view.pods = [...this.pods];
  }

  #lookAll(view: View): void {
    view.status = this.status;
    view.files = this.files;
    view.workload = this.workload;
    view.pods = [...this.pods];
    for (const pod of this.pods) this.#askOne(view, pod);
  }

  #ask(view: View): void {
    const pod = this.pods[this.#random(Math.max(1, this.pods.length))];
    if (pod !== undefined) this.#askOne(view, pod);
  }

  #askOne(view: View, pod: Pod): void {
    if (pod.terminating || pod.caps === undefined) return;
    view.said.set(pod.uid, {
      podUid: pod.uid,
      generation: Number(pod.revision?.split(' ')[0] ?? 0),
      revision: pod.revision,
      caps: pod.caps,
      sessions: pod.caps,
    });
  }

  #landLate(view: View): void {
    const index = this.#random(Math.max(1, view.late.length));
    for (const write of view.late.splice(index, 1)) write();
  }

  #scale(): void {
    this.wanted = this.#random(4);
    this.#note(`wanted: ${this.wanted}`);
  }

  /** Of the row, as a budget that gives back what the pool has given back. */
  #resize(): void {
    const target = this.#random(30);
    const floor = Math.max(target, this.status.allotment?.connections ?? 0, this.granted);
    const connections = Math.max(floor, target);
    this.row = { connections, target, serial: this.row.serial + 1 };
    this.#note(`row: ${connections}, to be ${target}`);
  }

  #newTemplate(): void {
    this.template += 1;
    this.#note(`template: ${this.template}`);
  }

  /** One at a time: the next when nothing of the one before is left. */
  #deleteByHand(): void {
    if (this.pods.length > this.workload.replicas) return;
    const pod = this.pods[this.#random(Math.max(1, this.pods.length))];
    if (pod !== undefined && !pod.terminating) this.#terminate(pod);
  }

  #restartOperator(view: View): void {
    view.said.clear();
    view.late.length = 0;
    view.status = this.status;
    this.#note('an operator starts anew');
  }

  #note(text: string): void {
    this.history.push(text);
  }

  #text(): string {
    const { status, files, workload, pods, wanted, row, template } = this;
    return JSON.stringify({ status, files, workload, pods, wanted, row, template }, undefined, 1);
  }
}
