// What one holder's file is to say, in the engine's terms: from the pool and the holder's grant.
import { isShared } from '../../api/workload.ts';
import type { DatabaseEntry, HolderConfig, Peer, UserEntry } from '../../engines/engine.ts';
import { processClients } from '../clients/limit.ts';
import { processesOf } from '../sizing/size-server.ts';
import { compare, sortedKeys } from './manifest.ts';
import { holderName, peerIdOf, podHost, podName, sharedHolder, socketOf } from './names.ts';
import {
  CLIENT_CERT_FILE,
  CLIENT_KEY_FILE,
  LISTEN_PORT,
  SERVER_CA_FILE,
  USER_LIST_FILE,
} from './paths.ts';
import { serverTlsOf } from './server-tls.ts';
import type { HolderView, PoolView } from './view.ts';

/** May only read the statistics. No password is made for it, so nobody logs in as it yet. */
export const STATS_USER = 'spillway-stats';

export function holderConfig(view: PoolView, holder: HolderView): HolderConfig {
  const { spec, server } = view;
  const { client } = spec.tls;
  const tls = serverTlsOf(spec, view.identity.namespace, server);
  return {
    generation: holder.grant.generation,
    listenPort: LISTEN_PORT,
    mode: spec.mode,
    target: { host: server.host, port: server.port },
    databases: databasesOf(view),
    users: usersOf(view, holder),
    axis: view.axis,
    caps: [...holder.grant.caps].sort((a, b) => compare(a.name, b.name)),
    // Clients have no others to go to before the pod has been replaced.
    maxClientConnections: processClients(
      view.maxClientConn,
      holder.inPod ?? processesIn(view, holder),
    ),
    ...(view.sharers === undefined ? {} : { sharers: view.sharers }),
    ...(holder.peerId === undefined ? {} : { peerId: holder.peerId }),
    // Pods of a Deployment have no names by which others could find them.
    peers: isShared(view.spec) ? [] : peersOf(view, holder),
    ...(processesIn(view, holder) > 1 ? { socket: socketOf(holder.process) } : {}),
    admin: { adminUser: view.console.user, statsUser: STATS_USER },
    authFile: USER_LIST_FILE,
    serverTls: {
      mode: tls.mode,
      ...(tls.ca !== undefined ? { caFile: SERVER_CA_FILE } : {}),
      ...(tls.ca !== undefined && view.caVersion !== undefined
        ? { caVersion: view.caVersion }
        : {}),
    },
    ...(client !== undefined
      ? { clientTls: { mode: client.mode, certFile: CLIENT_CERT_FILE, keyFile: CLIENT_KEY_FILE } }
      : {}),
    parameters: sortedKeys({ ...defaultsOf(spec), ...spec.parameters }),
  };
}

/**
 * A session of a read pool is made anew every five minutes, as soon as it is released: new replicas get their part, and
 * where the cluster does not say who its primary is, a promoted replica is left by itself.
 */
function defaultsOf({ postgres }: PoolView['spec']): Readonly<Record<string, string>> {
  return postgres.role === 'replicas' ? { server_lifetime: '300' } : {};
}

function databasesOf({ spec, leaving }: PoolView): HolderConfig['databases'] {
  if (spec.databases.some((database) => database.name === '*')) return 'any';
  return spec.databases
    .map(
      ({ name, dbname, mode, user }): DatabaseEntry => ({
        name,
        ...(dbname !== undefined ? { dbname } : {}),
        ...(mode !== undefined ? { mode } : {}),
        ...(user !== undefined ? { user } : {}),
      }),
    )
    .concat((leaving?.databases ?? []).map((database) => ({ ...database, leaving: true })))
    .sort((a, b) => compare(a.name, b.name));
}

/** Where users are the axis, one that the grant does not bound gets no line. */
function usersOf({ spec, axis, leaving }: PoolView, holder: HolderView): readonly UserEntry[] {
  const capped = new Set(holder.grant.caps.map((cap) => cap.name));
  return (spec.users ?? [])
    .map(({ name }): UserEntry => ({ name }))
    .concat((leaving?.users ?? []).map((name) => ({ name, leaving: true })))
    .filter((user) => axis === 'database' || capped.has(user.name))
    .sort((a, b) => compare(a.name, b.name));
}

/**
 * Every process that there is or is soon to be, so that a cancel request which the Service sends to the
 * wrong pod finds its way. A name that does not resolve (yet) is looked up only when a cancel is for it.
 * The pods asked for are listed before they exist: else each new one would mean another reload of all.
 *
 * The processes of another pod share its port, so a request may come to a sibling of the one that it is for; that one
 * forwards it again, over the socket that only the right one listens on (PgBouncer forwards a request three times).
 */
function peersOf(
  { identity, spec, settings, holders, replicas }: PoolView,
  own: HolderView,
): readonly Peer[] {
  const ids = new Map<number, Peer>();
  const siblings = new Set(holders.filter((h) => h.ordinal === own.ordinal).map((h) => h.process));
  const add = (ordinal: number, process: number) => {
    const isSibling = ordinal === own.ordinal && process !== own.process && siblings.has(process);
    ids.set(peerIdOf(ordinal, process), {
      id: peerIdOf(ordinal, process),
      host: isSibling
        ? socketOf(process)
        : podHost(identity.name, identity.namespace, ordinal, settings.clusterDomain),
      port: LISTEN_PORT,
    });
  };
  const pods = Math.max(spec.pooler.replicas, replicas);
  for (let ordinal = 0; ordinal < pods; ordinal++) {
    for (let process = 0; process < processesOf(spec); process++) add(ordinal, process);
  }
  for (const holder of holders) add(holder.ordinal, holder.process);
  return [...ids.values()].sort((a, b) => a.id - b.id);
}

/**
 * Processes that a pod of this ordinal may have now: while one of several runs, none of them may say that it has the
 * port for itself, or it would not get it after a restart.
 */
function processesIn({ holders }: PoolView, { ordinal }: HolderView): number {
  return Math.max(...holders.filter((h) => h.ordinal === ordinal).map((h) => h.process + 1));
}

/** The holder of an ordinal and process, as far as names go; the ledger adds the grant. */
export function holderIdentity(
  pool: string,
  ordinal: number,
  process: number,
): Omit<HolderView, 'grant' | 'olderEpochs' | 'inPod'> {
  const pod = podName(pool, ordinal);
  return {
    name: holderName(pod, process),
    pod,
    ordinal,
    process,
    peerId: peerIdOf(ordinal, process),
  };
}

/** The one holder of a pool whose pods all read the same file. */
export function sharedIdentity(pool: string): Omit<HolderView, 'grant' | 'olderEpochs'> {
  return { name: sharedHolder(pool), pod: '', ordinal: 0, process: 0 };
}
