// Which processes of read pools are to make their server sessions anew, and which have proven that they did.
import type { Topology } from '../api/connection-pool.ts';
import type { ConnectionPool } from '../api/resources.ts';
import type { Finding } from '../core/pool/findings.ts';
import { podAddress, runningKeys } from '../core/pool/read.ts';
import {
  hasLeft,
  isSameTopology,
  nextRenewal,
  type Renewal,
  type RenewalStep,
  sessionsRenewed,
  topologyOf,
} from '../core/pool/renewal.ts';
import type { RenderSettings } from '../core/pool/view.ts';
import type { Engine, Observation } from '../engines/engine.ts';
import type { KubeObject } from '../kube/types.ts';
import type { RawObject } from '../postgres/adapter.ts';
import { findFacts } from './facts.ts';
import { asPool } from './gather.ts';
import { statusOf, type World } from './world.ts';

interface Known {
  readonly world: World;
  readonly settings: RenderSettings;
  readonly engine: Pick<Engine, 'tooOld'>;
}

/** In memory only: after a restart of the operator a process that is not proven is told once more. */
export class Renewals {
  readonly #known: Known;
  /** By `processKey`. */
  readonly #byProcess = new Map<string, Renewal>();

  constructor(known: Known) {
    this.#known = known;
  }

  /** After each look at a process that runs with its file. Undefined: nothing is to be done about it. */
  look(
    poolKey: string,
    id: string,
    { sessions, version }: Observation,
    now: number,
  ): RenewalStep | undefined {
    const object = this.#known.world.pools.getKey(poolKey);
    const wanted = object === undefined ? undefined : this.#wanted(asPool(object));
    if (object === undefined || wanted === undefined) return undefined;
    if (isSameTopology(statusOf(object).topology, wanted)) return undefined;
    const before = this.#byProcess.get(id);
    const renewal =
      before !== undefined && isSameTopology(before.wanted, wanted)
        ? before
        : { wanted, since: now, proven: false };
    const step = nextRenewal(renewal, sessions.closing?.total ?? 0, now);
    // It did what it was told, as far as it knows; nothing is given on its word.
    if (step === 'proven' && this.#known.engine.tooOld(version)) return undefined;
    this.#byProcess.set(id, { ...renewal, proven: step === 'proven' });
    return step === 'proven' && renewal.proven ? undefined : step;
  }

  /** The process did what `look` said. */
  told(id: string, now: number): void {
    const renewal = this.#byProcess.get(id);
    if (renewal !== undefined) this.#byProcess.set(id, { ...renewal, toldAt: now });
  }

  forget(id: string): void {
    this.#byProcess.delete(id);
  }

  /** For the pool's status; `pods` are all that there are, also those that end. */
  topology(pool: ConnectionPool, pods: readonly RawObject[]): Topology | undefined {
    const wanted = this.#wanted(pool);
    const before = pool.status.topology;
    if (wanted === undefined || isSameTopology(before, wanted)) return before;
    return this.#left(wanted, pods).length === 0 ? wanted : before;
  }

  findings(pool: ConnectionPool, pods: readonly RawObject[]): Finding[] {
    const wanted = this.#wanted(pool);
    if (wanted === undefined) return [];
    const isSaid = isSameTopology(pool.status.topology, wanted);
    return [sessionsRenewed(wanted, isSaid ? [] : this.#left(wanted, pods))];
  }

  /** Whether sessions of the read pool may still be on the pod that is the primary now. */
  mayBeOnPrimary(object: KubeObject): boolean {
    const { namespace = '', name } = object.metadata;
    // A pool that cannot start has no session anywhere.
    const runs = this.#known.world.podsOf(namespace, name).some((pod) => podAddress(pod));
    const wanted = runs ? this.#wanted(asPool(object)) : undefined;
    return wanted !== undefined && !hasLeft(statusOf(object).topology, wanted);
  }

  #left(wanted: Topology, pods: readonly RawObject[]): string[] {
    // Where no container runs there is no process.
    const isLeft = (id: string) => {
      const renewal = this.#byProcess.get(id);
      return renewal?.proven !== true || !isSameTopology(renewal.wanted, wanted);
    };
    return pods
      .filter((pod) => runningKeys(pod).some(isLeft))
      .map(({ metadata }) => metadata?.name ?? '')
      .sort();
  }

  #wanted({ metadata, spec, status }: ConnectionPool): Topology | undefined {
    if (spec.postgres.role !== 'replicas') return undefined;
    const found = findFacts(this.#known, spec.postgres, metadata.namespace);
    return found.ok ? topologyOf(found.facts, status.topology) : undefined;
  }
}
