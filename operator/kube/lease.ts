// Leader election over a coordination.k8s.io/v1 Lease: the loop around lease-state.ts.
//
// Guarantee: `leading` is false before another process may take the lease, also where this one hangs,
// cannot reach the API server or was suspended: it is a comparison with the clock, not a flag.
// Caveat: a request that was sent while leading may arrive later; writes that must not happen twice
// carry the resourceVersion that was read.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from './client.ts';
import { isAlreadyExists, isConflict, isNotFound } from './errors.ts';
import {
  checkTiming,
  decide,
  defaultLeaseTiming,
  type LeaseRecord,
  type LeaseTiming,
  observe,
  type Seen,
} from './lease-state.ts';
import { type KubeObject, leases } from './types.ts';

export interface LeaseOptions {
  readonly client: Client;
  readonly namespace: string;
  readonly name: string;
  /** Unique for this process: the pod's name and something random. */
  readonly identity: string;
  readonly timing?: Partial<LeaseTiming>;
  /** Milliseconds that only grow. */
  readonly now?: () => number;
  /** Milliseconds since 1970: for renewTime, and to notice that the machine slept. */
  readonly wall?: () => number;
  readonly random?: () => number;
  /** A try failed; the next comes by itself. */
  readonly onError?: (error: unknown) => void;
  /** Another process holds the lease now (or nobody: ''). */
  readonly onHolder?: (holder: string) => void;
}

/** Called once each, in this order: lost by itself, released by `release`. */
export interface LeaseCallbacks {
  onStarted(): void;
  onStopped(reason: 'lost' | 'released'): void;
}

export class Lease {
  readonly #options: LeaseOptions;
  readonly #timing: LeaseTiming;
  readonly #now: () => number;
  readonly #wall: () => number;
  #seen: Seen | undefined;
  /** When the last successful write of ours was sent, on both clocks. */
  #renewed: { now: number; wall: number } | undefined;
  #holder: string | undefined;
  #acquireTime: string | undefined;
  #callbacks: LeaseCallbacks | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#timing = { ...defaultLeaseTiming, ...options.timing };
    this.#now = options.now ?? (() => performance.now());
    this.#wall = options.wall ?? Date.now;
    const fault = checkTiming(this.#timing);
    if (fault !== undefined) throw new Error(`lease: ${fault}`);
  }

  /** Who holds the lease, as far as this process has seen; '' is nobody. */
  get holder(): string | undefined {
    return this.#holder;
  }

  /** May this process act at this moment? */
  get leading(): boolean {
    return this.leadingSeconds > 0;
  }

  /** For how long it may still act without a further renewal; 0 when not leading. */
  get leadingSeconds(): number {
    if (this.#renewed === undefined) return 0;
    // A machine that slept stops one clock, one that is set back holds up the other.
    const passed = Math.max(this.#now() - this.#renewed.now, this.#wall() - this.#renewed.wall);
    return Math.max(0, this.#timing.renewDeadlineSeconds - passed / 1000);
  }

  /**
   * Campaigns until it leads, then renews until it cannot, and resolves: after `onStopped('lost')`,
   * or when the signal is aborted. It campaigns once: who has lost must start anew.
   * Call `release` after the work has stopped.
   */
  async run(signal: AbortSignal, callbacks: LeaseCallbacks): Promise<void> {
    while (!signal.aborted && !this.leading) {
      await this.#try(signal);
      if (!this.leading) await this.#pause(this.#timing.retrySeconds, signal);
    }
    if (signal.aborted) return;
    this.#callbacks = callbacks;
    callbacks.onStarted();
    while (!signal.aborted) {
      await this.#pause(Math.min(this.#timing.retrySeconds, this.leadingSeconds), signal);
      if (signal.aborted) return;
      if (this.leading) await this.#try(signal);
      if (!this.leading) {
        this.#renewed = undefined;
        callbacks.onStopped('lost');
        return;
      }
    }
  }

  /** Gives the lease back, so that another need not wait for its end. Never rejects. */
  async release(): Promise<void> {
    if (this.#renewed === undefined) return;
    this.#renewed = undefined;
    try {
      await this.#giveBack();
    } catch (error) {
      this.#options.onError?.(error);
    }
    this.#callbacks?.onStopped('released');
  }

  /** A renewal whose answer nobody waited for may have been carried out: then it is read, and given back as it is. */
  async #giveBack(): Promise<void> {
    let record = this.#seen?.record;
    for (let attempt = 0; record?.holder === this.#options.identity; attempt++) {
      try {
        await this.#write({ ...record, holder: '', durationSeconds: 1 }, undefined);
        return;
      } catch (error) {
        if (!isConflict(error) || attempt === 2) throw error;
        record = await this.#read(undefined);
      }
    }
  }

  /** One look and, where it is our turn, one write. */
  async #try(signal: AbortSignal): Promise<void> {
    try {
      // A leader knows the lease from its own last write, and does not read it again.
      if (!this.leading) this.#take(await this.#read(signal));
      const seen = this.#seen;
      if (seen === undefined) return;
      const { identity } = this.#options;
      const decision = decide(seen, identity, this.#now(), this.#timing);
      if (decision.do === 'wait') return;
      const { record } = seen;
      const sent = { now: this.#now(), wall: this.#wall() };
      const written = await this.#write(
        {
          holder: identity,
          durationSeconds: this.#timing.durationSeconds,
          transitions:
            record === undefined ? 0 : record.transitions + (decision.do === 'take' ? 1 : 0),
          resourceVersion: record?.resourceVersion ?? '',
        },
        signal,
      );
      // Counted from the moment of sending: others count from a moment after it.
      this.#renewed = sent;
      this.#take(written);
    } catch (error) {
      if (signal.aborted) return;
      const changed = isConflict(error) || isAlreadyExists(error) || isNotFound(error);
      if (changed) {
        await this.#reread(signal);
        return;
      }
      this.#options.onError?.(error);
    }
  }

  /** Somebody else wrote the lease. If it is another's now, we lead no more, at once. */
  async #reread(signal: AbortSignal): Promise<void> {
    try {
      this.#take(await this.#read(signal));
      if (this.#seen?.record?.holder !== this.#options.identity) this.#renewed = undefined;
    } catch (error) {
      if (!signal.aborted) this.#options.onError?.(error);
    }
  }

  #take(record: LeaseRecord | undefined): void {
    this.#seen = observe(this.#seen, record, this.#now());
    const holder = record?.holder ?? '';
    if (holder === this.#holder) return;
    this.#holder = holder;
    this.#options.onHolder?.(holder);
  }

  async #read(signal: AbortSignal | undefined): Promise<LeaseRecord | undefined> {
    const { client, namespace, name } = this.#options;
    const call = { ...this.#call(), ...(signal === undefined ? {} : { signal }) };
    const lease = await client.get<LeaseObject>(leases, { namespace, name }, call);
    return lease === undefined ? undefined : recordOf(lease);
  }

  /** With the resourceVersion that was read: of two who write, one fails. */
  async #write(record: LeaseRecord, signal: AbortSignal | undefined): Promise<LeaseRecord> {
    const { client, namespace, name } = this.#options;
    const fresh = record.resourceVersion === '';
    const time = microTime(this.#wall());
    const taken = fresh || this.#seen?.record?.holder !== record.holder;
    const acquireTime = taken ? time : (this.#acquireTime ?? time);
    if (record.holder !== '') this.#acquireTime = acquireTime;
    const lease: LeaseObject = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        namespace,
        name,
        ...(fresh ? {} : { resourceVersion: record.resourceVersion }),
      },
      spec: {
        holderIdentity: record.holder,
        leaseDurationSeconds: record.durationSeconds,
        leaseTransitions: record.transitions,
        acquireTime,
        renewTime: time,
      },
    };
    const call = { ...this.#call(), ...(signal === undefined ? {} : { signal }) };
    return recordOf(
      fresh ? await client.create(leases, lease, call) : await client.update(leases, lease, call),
    );
  }

  /** One attempt: this loop is the retry. Ahead of the queue: a busy operator must not lose it. */
  #call(): { attempts: number; deadlineSeconds: number; urgent: boolean } {
    const half = this.#timing.renewDeadlineSeconds / 2;
    const left = this.leadingSeconds;
    return { attempts: 1, deadlineSeconds: left > 0 ? Math.min(half, left) : half, urgent: true };
  }

  async #pause(seconds: number, signal: AbortSignal): Promise<void> {
    const random = this.#options.random ?? Math.random;
    // Up to a fifth longer while campaigning, so that candidates do not come in step.
    const milliseconds = this.leading ? seconds * 1000 : seconds * 1000 * (1 + random() / 5);
    await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
  }
}

interface LeaseObject extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    leaseTransitions?: number;
    acquireTime?: string;
    renewTime?: string;
  };
}

function recordOf(lease: LeaseObject): LeaseRecord {
  return {
    holder: lease.spec?.holderIdentity ?? '',
    durationSeconds: lease.spec?.leaseDurationSeconds ?? 0,
    transitions: lease.spec?.leaseTransitions ?? 0,
    resourceVersion: lease.metadata.resourceVersion ?? '',
  };
}

/** A time with the six digits after the point that the API server demands of a MicroTime. */
export function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z');
}
