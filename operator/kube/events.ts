// Events for people: what `kubectl describe` shows under an object.
//
// They are core/v1 Events with a count, as `kubectl describe` and `kubectl get events` read them.
// Recording never waits, never throws and never holds up a reconcile: what cannot be written in time
// is dropped, because conditions carry the state and events only tell of it.
import { createHash } from 'node:crypto';
import type { Client } from './client.ts';
import { isAlreadyExists, isForbidden, isNotFound } from './errors.ts';
import { events, type KubeObject, keyOf } from './types.ts';

export interface EventText {
  readonly type: 'Normal' | 'Warning';
  /** One word in CamelCase: why. */
  readonly reason: string;
  /** One sentence for people; cut at 1,024 bytes. Never a secret. */
  readonly message: string;
}

export interface EventRecorderOptions {
  readonly client: Client;
  /** Shown as the source. */
  readonly component: string;
  /** The pod's name. */
  readonly instance: string;
  readonly now?: () => number;
  /** Events of one object that may be written at once, and the pause until one more; 25 and 300 s
   * as client-go. */
  readonly burst?: number;
  readonly refillSeconds?: number;
  /** For metrics and logs: an event was not written. */
  readonly onDropped?: (why: 'rateLimited' | 'full' | 'failed', error?: unknown) => void;
}

interface Pending {
  readonly name: string;
  readonly namespace: string;
  readonly regarding: KubeObject;
  readonly text: EventText;
  readonly first: number;
  last: number;
  times: number;
}

interface Written {
  count: number;
}

const maxPending = 1000;
const maxRemembered = 4096;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #now: () => number;
  readonly #pending = new Map<string, Pending>();
  /** Events that exist, by namespace/name, oldest first. */
  readonly #written = new Map<string, Written>();
  readonly #buckets = new Map<string, { tokens: number; at: number }>();
  readonly #abort = new AbortController();
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Tells of something that happened to `regarding`. The same text about the same object becomes one
   * Event with a count, also across restarts.
   */
  record(regarding: KubeObject, text: EventText): void {
    if (this.#closed) return;
    const now = this.#now();
    const namespace = regarding.metadata.namespace ?? 'default';
    const name = nameOf(regarding, text);
    const key = keyOf({ namespace, name });
    const waiting = this.#pending.get(key);
    if (waiting !== undefined) {
      waiting.times++;
      waiting.last = now;
      return;
    }
    if (!this.#allowed(regarding.metadata.uid ?? keyOf(regarding.metadata), now)) {
      this.#options.onDropped?.('rateLimited');
      return;
    }
    if (this.#pending.size >= maxPending) {
      this.#options.onDropped?.('full');
      return;
    }
    // Only what is needed: the object itself may be large and old by the time it is written.
    const { apiVersion, kind, metadata } = regarding;
    this.#pending.set(key, {
      name,
      namespace,
      regarding: { apiVersion, kind, metadata },
      text,
      first: now,
      last: now,
      times: 1,
    });
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when all recorded events are written or dropped. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** Takes in no more; waits for what is pending, at most so long. */
  async close(seconds = 2): Promise<void> {
    this.#closed = true;
    const timer = setTimeout(() => this.#abort.abort(), seconds * 1000);
    await this.flush();
    clearTimeout(timer);
  }

  async #writeAll(): Promise<void> {
    // One turn later, so that the same event recorded twice in one breath is one write.
    await Promise.resolve();
    for (const [key, pending] of this.#pending) {
      this.#pending.delete(key);
      if (this.#abort.signal.aborted) {
        this.#options.onDropped?.('failed');
        continue;
      }
      try {
        await this.#write(key, pending);
      } catch (error) {
        this.#options.onDropped?.('failed', error);
        // Without the right to write events there is no use in trying the rest at once.
        if (isForbidden(error)) this.#pending.clear();
      }
    }
  }

  async #write(key: string, pending: Pending): Promise<void> {
    const known = this.#written.get(key);
    if (known !== undefined && (await this.#repeat(key, pending, known.count))) return;
    try {
      await this.#options.client.create(events, this.#eventOf(pending), this.#call());
      this.#remember(key, pending.times);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      // An earlier process has told the same: go on with its count.
      const { namespace, name } = pending;
      const there = await this.#options.client.get(events, { namespace, name }, this.#call());
      const count = typeof there?.count === 'number' ? there.count : 1;
      await this.#repeat(key, pending, count);
    }
  }

  /** False where the Event is not there any more (they live for an hour). */
  async #repeat(key: string, pending: Pending, before: number): Promise<boolean> {
    const { client } = this.#options;
    const { namespace, name } = pending;
    const count = before + pending.times;
    const body = { count, lastTimestamp: timeOf(pending.last) };
    try {
      await client.patch(events, { namespace, name }, body, this.#call());
      this.#remember(key, count);
      return true;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#written.delete(key);
      return false;
    }
  }

  #remember(key: string, count: number): void {
    this.#written.delete(key);
    this.#written.set(key, { count });
    for (const oldest of this.#written.keys()) {
      if (this.#written.size <= maxRemembered) break;
      this.#written.delete(oldest);
    }
  }

  #call(): { signal: AbortSignal; deadlineSeconds: number; attempts: number } {
    return { signal: this.#abort.signal, deadlineSeconds: 10, attempts: 3 };
  }

  /** A bucket of `burst` for each object, refilled by one each `refillSeconds`. */
  #allowed(uid: string, now: number): boolean {
    const burst = this.#options.burst ?? 25;
    const refill = (this.#options.refillSeconds ?? 300) * 1000;
    const known = this.#buckets.get(uid) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, known.tokens + (now - known.at) / refill);
    const allowed = tokens >= 1;
    this.#buckets.delete(uid);
    this.#buckets.set(uid, { tokens: allowed ? tokens - 1 : tokens, at: now });
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size <= maxRemembered) break;
      this.#buckets.delete(oldest);
    }
    return allowed;
  }

  #eventOf(pending: Pending): KubeObject {
    const { component, instance } = this.#options;
    const { apiVersion, kind, metadata } = pending.regarding;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace: pending.namespace, name: pending.name },
      involvedObject: {
        apiVersion,
        kind,
        name: metadata.name,
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
        ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
        ...(metadata.resourceVersion === undefined
          ? {}
          : { resourceVersion: metadata.resourceVersion }),
      },
      type: pending.text.type,
      reason: pending.text.reason,
      message: cut(pending.text.message, 1024),
      count: pending.times,
      firstTimestamp: timeOf(pending.first),
      lastTimestamp: timeOf(pending.last),
      source: { component },
      reportingComponent: component,
      reportingInstance: instance,
    };
  }
}

/** The same object and text give the same name: that is how repetitions find each other. */
function nameOf(regarding: KubeObject, text: EventText): string {
  const hash = createHash('sha256')
    .update(
      JSON.stringify([
        regarding.kind,
        regarding.metadata.uid,
        text.type,
        text.reason,
        text.message,
      ]),
    )
    .digest('hex')
    .slice(0, 16);
  const name = regarding.metadata.name.slice(0, 230).replace(/[^a-z0-9]+$/, '');
  return `${name}.${hash}`;
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.[0-9]+Z$/, 'Z');
}

/** At most so many bytes of UTF-8, without half a character at the end. */
function cut(text: string, bytes: number): string {
  const buffer = Buffer.from(text, 'utf8');
  if (buffer.length <= bytes) return text;
  return `${new TextDecoder().decode(buffer.subarray(0, bytes - 4), { stream: true })}…`;
}
