// Numbers about the operator itself, in a registry of its own.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What a controller reports. */
export interface ControllerMetrics {
  observeRun(controller: string, outcome: string, seconds: number): void;
  observeQueue(controller: string, queue: QueueView): void;
}

/** What is read from a queue at each scrape. */
export interface QueueView {
  readonly length: number;
  readonly working: number;
  readonly waiting: number;
}

export interface Described<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly L[];
}

export interface Sample<L extends string> {
  readonly labels: Readonly<Record<L, string>>;
  readonly value: number;
}

export class Metrics implements ControllerMetrics {
  readonly registry = new Registry();
  readonly #runs: Histogram<'controller' | 'outcome'>;
  readonly #calls: Histogram<'method' | 'resource' | 'status'>;
  readonly #leader: Gauge;
  readonly #queues = new Map<string, QueueView>();

  constructor() {
    const registers = [this.registry];
    // CPU, memory, event loop. Its look at the event loop costs a timer: 10 a second are enough.
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: 100 });
    this.#runs = new Histogram({
      name: 'spillway_reconcile_duration_seconds',
      help: 'How long a reconcile took, by controller and outcome',
      labelNames: ['controller', 'outcome'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers,
    });
    this.#calls = new Histogram({
      name: 'spillway_kube_request_duration_seconds',
      help: 'Calls to the API server; status 0 is no answer. Watches count with their whole life',
      labelNames: ['method', 'resource', 'status'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers,
    });
    this.#leader = new Gauge({
      name: 'spillway_leader',
      help: '1 while this process holds the lease',
      registers,
    });
    this.#queueGauge('spillway_queue_depth', 'Keys that wait for a worker', (q) => q.length);
    this.#queueGauge('spillway_queue_working', 'Keys in the hands of workers', (q) => q.working);
    this.#queueGauge('spillway_queue_later', 'Keys with an appointment', (q) => q.waiting);
  }

  observeRun(controller: string, outcome: string, seconds: number): void {
    this.#runs.observe({ controller, outcome }, seconds);
  }

  observeQueue(controller: string, queue: QueueView): void {
    this.#queues.set(controller, queue);
  }

  /** Fits `TransportOptions.onCall` of kube/transport.ts. */
  observeCall(call: { method: string; resource: string; status: number; seconds: number }): void {
    const { method, resource, status, seconds } = call;
    this.#calls.observe({ method, resource, status: String(status) }, seconds);
  }

  setLeader(leading: boolean): void {
    this.#leader.set(leading ? 1 : 0);
  }

  /** A counter for other rooms, in the same registry. */
  counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  /** A gauge for other rooms, in the same registry. */
  gauge<L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  /**
   * A metric whose samples are made anew at each scrape, so that none outlives what it is about. A counter's values
   * must only grow.
   */
  collected<L extends string>(
    kind: 'gauge' | 'counter',
    { name, help, labelNames }: Described<L>,
    samples: () => Iterable<Sample<L>>,
  ): void {
    const options = { name, help, labelNames, registers: [this.registry] };
    if (kind === 'gauge') {
      new Gauge<L>({
        ...options,
        collect() {
          this.reset();
          for (const { labels, value } of samples()) this.set(labels, value);
        },
      });
    } else {
      new Counter<L>({
        ...options,
        collect() {
          this.reset();
          for (const { labels, value } of samples()) this.inc(labels, value);
        },
      });
    }
  }

  #queueGauge(name: string, help: string, value: (queue: QueueView) => number): void {
    const queues = this.#queues;
    new Gauge({
      name,
      help,
      labelNames: ['controller'],
      registers: [this.registry],
      collect() {
        for (const [controller, queue] of queues) this.set({ controller }, value(queue));
      },
    });
  }
}
