// The operator as its own process, as a test needs it: started, counted, ended gently or not.
import { join } from 'node:path';
import { type Daemon, dieWithParent, startDaemon } from '../cluster/daemon.ts';
import { repository } from '../cluster/paths.ts';
import { reservePort } from '../cluster/ports.ts';
import { until } from '../cluster/run.ts';

export interface OperatorOptions {
  readonly kubeconfig: string;
  /** Namespace of the lease and of the budgets of endpoints. */
  readonly namespace: string;
  /** Name of its pod, the first part of its identity. */
  readonly name?: string;
  /** Further environment. */
  readonly env?: Record<string, string>;
  /** A file that is /etc/hosts to it. */
  readonly hosts?: string;
}

export interface Calls {
  /** POST, PUT, PATCH and DELETE, without those of the lease and of events. */
  readonly writes: number;
  readonly events: number;
  /** Of all, those that the API server answered with 400 and more, or not at all. */
  readonly refused: number;
  /** Writes and events by `METHOD resource status`, for a failed test's message. */
  readonly by: Readonly<Record<string, number>>;
}

/** It has to be so long without a write and with empty queues to count as quiet; milliseconds. */
const QUIET_MS = 1500;
/** Between two looks no more than this counts: nobody knows what a process does that stands still with the test. */
const LOOK_MS = 100;

export class OperatorProcess {
  readonly daemon: Daemon;
  readonly #port: number;

  private constructor(daemon: Daemon, port: number) {
    this.daemon = daemon;
    this.#port = port;
  }

  static async start(options: OperatorOptions): Promise<OperatorProcess> {
    const port = await reservePort();
    const command = [process.execPath, join(repository, 'operator', 'main.ts')];
    const daemon = startDaemon(withHosts(options.hosts, dieWithParent(command)), {
      env: {
        KUBECONFIG: options.kubeconfig,
        POD_NAME: options.name ?? 'spillway-0',
        POD_NAMESPACE: options.namespace,
        SPILLWAY_HTTP_PORT: String(port),
        SPILLWAY_LOG_LEVEL: 'debug',
        ...options.env,
      },
    });
    return new OperatorProcess(daemon, port);
  }

  log(): string {
    return this.daemon.log();
  }

  /** Status and body of /livez, /readyz or /metrics; undefined while nothing answers. */
  async get(path: string): Promise<{ status: number; body: string } | undefined> {
    try {
      const answer = await fetch(`http://127.0.0.1:${this.#port}${path}`);
      return { status: answer.status, body: await answer.text() };
    } catch {
      return undefined;
    }
  }

  /** The sum of a metric's samples whose labels are as given; 0 while nothing answers. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const page = (await this.get('/metrics'))?.body ?? '';
    return sum(samplesOf(page, name).filter((s) => has(s.labels, labels)));
  }

  async leads(): Promise<boolean> {
    return (await this.metric('spillway_leader')) === 1;
  }

  /** What it has asked of the API server since it was started. */
  async calls(): Promise<Calls> {
    const page = (await this.get('/metrics'))?.body ?? '';
    const samples = samplesOf(page, 'spillway_kube_request_duration_seconds_count').filter(
      ({ labels }) =>
        !['GET', 'WATCH'].includes(labels.method ?? '') && labels.resource !== 'leases',
    );
    const by: Record<string, number> = {};
    for (const { labels, value } of samples) {
      by[`${labels.method} ${labels.resource} ${labels.status}`] = value;
    }
    const isEvent = (s: Sample) => s.labels.resource === 'events';
    const failed = (s: Sample) => s.labels.status === '0' || Number(s.labels.status) >= 400;
    return {
      writes: sum(samples.filter((s) => !isEvent(s))),
      events: sum(samples.filter(isEvent)),
      refused: sum(samples.filter(failed)),
      by,
    };
  }

  /** Waits until it leads and has nothing left to do now; what waits for an appointment does not count. */
  async quiet(seconds = 60): Promise<Calls> {
    let last = { at: performance.now(), text: '' };
    let quietMs = 0;
    return until(
      'the operator is quiet',
      seconds,
      async () => {
        const [leads, depth, working, calls] = [
          await this.leads(),
          await this.metric('spillway_queue_depth'),
          await this.metric('spillway_queue_working'),
          await this.calls(),
        ];
        const [at, text] = [performance.now(), JSON.stringify(calls.by)];
        const isQuiet = leads && depth + working === 0 && text === last.text;
        quietMs = isQuiet ? quietMs + Math.min(at - last.at, LOOK_MS) : 0;
        last = { at, text };
        return quietMs >= QUIET_MS ? calls : undefined;
      },
      50,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.log().slice(-4000)}`);
    });
  }

  /** SIGTERM; returns its exit code. */
  async stop(): Promise<number | null> {
    await this.daemon.stop('SIGTERM', 40);
    return (await this.daemon.exited).code;
  }

  /** SIGKILL: no farewell. */
  async kill(): Promise<void> {
    await this.daemon.stop('SIGKILL');
  }
}

/** `command` in a mount namespace of its own, where `file` is /etc/hosts; without a file as it is. */
function withHosts(file: string | undefined, command: readonly string[]): readonly string[] {
  if (file === undefined) return command;
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
  return ['unshare', '--mount', ...asRoot, '--', 'sh', '-c', script, file, ...command];
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

function samplesOf(page: string, name: string): Sample[] {
  return page.split('\n').flatMap((line) => {
    if (!line.startsWith(`${name}{`) && !line.startsWith(`${name} `)) return [];
    const labels = [...line.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, k = '', v = '']) => [k, v]);
    const value = Number(line.slice(line.lastIndexOf(' ') + 1));
    return [{ labels: Object.fromEntries(labels) as Record<string, string>, value }];
  });
}

function has(
  labels: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}

function sum(samples: readonly Sample[]): number {
  return samples.reduce((total, { value }) => total + value, 0);
}
