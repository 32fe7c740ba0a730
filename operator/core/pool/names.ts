// The names of everything that belongs to one pool, and the way back from a name. Pure arithmetic on
// strings: two pools never get the same name for the same kind of object, except as said at `namesOf`.

/**
 * Longest name of a ConnectionPool. The StatefulSet is `<pool>-pooler`, and Kubernetes writes its name
 * with an 11-character hash into a label of 63, so that it may have 52.
 */
export const MAX_POOL_NAME = 45;

/** Most pods of a pool (spec.pooler.replicas) and most processes in a pod; both bound the peer ids. */
export const MAX_PODS = 100;
export const MAX_PROCESSES = 160;

export interface PoolNames {
  /** What applications connect to. */
  readonly clientService: string;
  readonly statefulSet: string;
  readonly deployment: string;
  /** Gives pods their DNS names. */
  readonly headlessService: string;
  readonly configMap: string;
  readonly disruptionBudget: string;
  readonly autoscaler: string;
  readonly serviceAccount: string;
  readonly networkPolicy: string;
  readonly userListSecret: string;
  readonly consoleSecret: string;
}

/**
 * The client Service is named as the pool itself, because it stands in connection strings. A pool
 * `shop-pooler` beside a pool `shop` therefore wants the name of the other's headless Service: whoever
 * comes second is told so in a condition, and nothing is taken over.
 */
export function namesOf(pool: string): PoolNames {
  const workload = `${pool}-pooler`;
  return {
    clientService: pool,
    statefulSet: workload,
    deployment: workload,
    headlessService: workload,
    configMap: workload,
    disruptionBudget: workload,
    autoscaler: workload,
    serviceAccount: workload,
    networkPolicy: workload,
    userListSecret: `${workload}-users`,
    consoleSecret: `${workload}-console`,
  };
}

export function podName(pool: string, ordinal: number): string {
  return `${namesOf(pool).statefulSet}-${ordinal}`;
}

/** The holder of a pool whose pods are those of a Deployment: the file that all of them read. */
export function sharedHolder(pool: string): string {
  return `${namesOf(pool).deployment}-shared`;
}

/** The epoch in the path of such a file. Another path is another template, for which all pods would be replaced. */
export const SHARED_PATH_EPOCH = 0;

/** The ordinal of a pool's pod, or undefined when the name is not one that its StatefulSet gives. */
export function ordinalOf(pool: string, pod: string): number | undefined {
  const prefix = `${namesOf(pool).statefulSet}-`;
  if (!pod.startsWith(prefix)) return undefined;
  return parseNumber(pod.slice(prefix.length));
}

/** The name of a holder: one pooler process of a pod. */
export function holderName(pod: string, process = 0): string {
  return `${pod}-${process}`;
}

/** PgBouncer's peer_id of a process, 1 to 16000; stable for the ordinal. */
export function peerIdOf(ordinal: number, process = 0): number {
  if (ordinal >= MAX_PODS || process >= MAX_PROCESSES) {
    throw new RangeError(`no peer id for process ${process} of pod ${ordinal}`);
  }
  return process * MAX_PODS + ordinal + 1;
}

/** The Unix socket of one process among those of its pod: an abstract one, which needs no file. */
export function socketOf(process: number): string {
  return `@spillway-${process}`;
}

/** The DNS name of a pod, complete, so that no search list is tried. */
export function podHost(
  pool: string,
  namespace: string,
  ordinal: number,
  clusterDomain: string,
): string {
  return `${podName(pool, ordinal)}.${namesOf(pool).headlessService}.${namespace}.svc.${clusterDomain}`;
}

/** The DNS name that applications use. */
export function clientHost(pool: string, namespace: string, clusterDomain: string): string {
  return `${namesOf(pool).clientService}.${namespace}.svc.${clusterDomain}`;
}

/**
 * The key of a holder's file in the ConfigMap, at most 114 characters. All of it is a part of the path in the pod
 * template: a pod finds no file that an older epoch or another pool of this name has had under that path. `poolUid` is
 * that of the ConnectionPool, whole, because nothing shorter is promised to be its own.
 */
export function fileKey(holder: string, poolUid: string, epoch: number): string {
  return `${holder}.${poolUid}.${epoch}.ini`;
}

export interface FileKey {
  readonly holder: string;
  readonly pod: string;
  readonly ordinal: number;
  readonly process: number;
  readonly epoch: number;
}

/** Reads a key of the pool's ConfigMap back; undefined for one that this very pool never writes. */
export function parseFileKey(
  { name, uid }: { readonly name: string; readonly uid: string },
  key: string,
): FileKey | undefined {
  // No part has a dot: a pool's name is a label, a uid is a UUID.
  const [holderText = '', uidText, epochText = '', end, ...more] = key.split('.');
  if (uidText !== uid || end !== 'ini' || more.length > 0) return undefined;
  const parsed = placeOfHolder(name, holderText);
  const epoch = parseNumber(epochText);
  if (parsed === undefined || epoch === undefined) return undefined;
  return { holder: holderText, ...parsed, epoch };
}

/** The epoch in a key that is that of the file of all pods; undefined for any other. */
export function parseSharedKey(
  { name, uid }: { readonly name: string; readonly uid: string },
  key: string,
): { readonly holder: string; readonly epoch: number } | undefined {
  const holder = sharedHolder(name);
  const epoch = parseNumber(key.slice(`${holder}.${uid}.`.length, -'.ini'.length));
  return epoch !== undefined && key === fileKey(holder, uid, epoch) ? { holder, epoch } : undefined;
}

/** Pod and process of a holder of the pool, or undefined when the name is not one that it gives. */
export function placeOfHolder(
  pool: string,
  holder: string,
): { pod: string; ordinal: number; process: number } | undefined {
  const dash = holder.lastIndexOf('-');
  const pod = holder.slice(0, Math.max(0, dash));
  const ordinal = ordinalOf(pool, pod);
  const process = parseNumber(holder.slice(dash + 1));
  return ordinal === undefined || process === undefined ? undefined : { pod, ordinal, process };
}

/** Decimal without leading zeros: a text that is not exactly what we write is not ours. */
export function parseNumber(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,14})$/.test(text)) return undefined;
  return Number(text);
}
