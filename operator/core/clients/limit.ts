// max_client_conn: the client connections that one pooler pod and each of its processes accept, and the files that takes.
import { DEFAULT_MAX_CLIENTS, MAX_CLIENTS } from '../../api/clients.ts';

/** What is added to the workloads' connections: pods that still end, a shell, a migration. */
const HEADROOM = 0.25;
const LEAST_HEADROOM = 20;
/** Rounded up to a multiple, so that a pod more or less is no change of the poolers' files. */
const STEP = 100;

/**
 * Files of a process besides its clients: PgBouncer's own (it counts 10, `check_limits` in main.c), its server
 * connections, the cancel requests to the server (up to 2 for each of these), and those to its peers.
 */
const OWN_FILES = 10;
const FILES_PER_PEER = 20;

/** What containerd 2 gives a container: it took `LimitNOFILE` out of its unit, and systemd's soft limit is this. */
export const LEAST_FILE_LIMIT = 1024;

export interface ClientLimit {
  /** max_client_conn of each pod. */
  readonly max: number;
  readonly source: string;
}

export interface LimitInput {
  /** spec.clients.max. */
  readonly max?: number | undefined;
  /** Connections that the counted workloads can open together; absent when none is named. */
  readonly connections?: number | undefined;
  /** Not all of them are there: what was computed before stays, because they may come back. */
  readonly incomplete: boolean;
  /** max_client_conn as it was computed before. */
  readonly before?: number | undefined;
  /** Files that a process may open besides those of clients; see `filesBesides`. */
  readonly besides: number;
  /** spec.clients.fileLimit; of each process. */
  readonly fileLimit?: number | undefined;
  /** In each pod; absent: 1. */
  readonly processes?: number;
}

/**
 * Each pod accepts all of them: a Service does not balance connections, and when a pod is lost its clients go to the
 * others. With a known limit of files never more than fit, because a client beyond max_client_conn is told so, while
 * one beyond the files waits without an answer.
 */
export function clientLimit(input: LimitInput): ClientLimit {
  const { max, connections, fileLimit, processes = 1 } = input;
  if (max !== undefined) return { max, source: 'spec.clients.max' };
  if (connections === undefined) return { max: DEFAULT_MAX_CLIENTS, source: 'the default' };
  const headroom = Math.max(LEAST_HEADROOM, Math.ceil(connections * HEADROOM));
  const wanted = Math.min(MAX_CLIENTS, Math.ceil((connections + headroom) / STEP) * STEP);
  const kept = input.incomplete ? Math.max(wanted, input.before ?? 0) : wanted;
  const fits =
    fileLimit === undefined
      ? kept
      : mostClients(Math.max(1, fileLimit - input.besides), processes, kept);
  if (fits < kept) {
    return {
      max: fits,
      source: `spec.clients.fileLimit ${fileLimit} less ${input.besides} for other than clients`,
    };
  }
  return kept > wanted
    ? { max: kept, source: 'as before, because not all workloads are there' }
    : {
        max: wanted,
        source: `${connections} connections of the workloads, ${headroom} more for what is not counted, rounded up`,
      };
}

/** Standard deviations above the mean; a process in 30,000 has more. */
const SPREAD = 4;

/**
 * max_client_conn of each of `processes` in a pod that is to accept `max` clients. The kernel leads each connection to
 * one of them by a hash, as by lot: a process has max / n on average, with the deviation of a binomial distribution,
 * √(max × 1/n × (1 − 1/n)). Four of these are added, so that a pod with its `max` clients refuses none of them; together
 * the processes accept a little more than `max`.
 */
export function processClients(max: number, processes: number): number {
  const part = 1 / processes;
  return Math.min(max, Math.ceil(max * part + SPREAD * Math.sqrt(max * part * (1 - part))));
}

/** The most clients of a pod, up to `most`, of which no process has to accept more than `room`. */
function mostClients(room: number, processes: number, most: number): number {
  let [fits, beyond] = [Math.min(room, most), most + 1];
  while (beyond - fits > 1) {
    const middle = Math.floor((fits + beyond) / 2);
    if (processClients(middle, processes) <= room) fits = middle;
    else beyond = middle;
  }
  return fits;
}

/** Of a process: its server connections at most, and all processes of the pool. */
export function filesBesides(connections: number, processes: number): number {
  return OWN_FILES + 3 * connections + FILES_PER_PEER * Math.max(0, processes - 1);
}
