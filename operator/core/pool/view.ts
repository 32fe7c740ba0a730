// Everything that the renderers of one pool's objects need, decided before any of them runs.
import type { ConnectionPoolSpec } from '../../api/connection-pool.ts';
import type { CapAxis, DatabaseEntry } from '../../engines/engine.ts';
import type { Fault, ServerFacts } from '../../postgres/adapter.ts';
import type { Grant } from '../ledger/grant.ts';
import type { Rollout } from './read-shared.ts';

/** The operator's own settings that show in rendered objects. */
export interface RenderSettings {
  /** Image of the pooler where the pool names none. */
  readonly poolerImage: string;
  /** DNS domain of the Kubernetes cluster, usually "cluster.local". */
  readonly clusterDomain: string;
  /** Namespace of the operator, from which consoles are asked. */
  readonly operatorNamespace: string;
}

/** The pool itself, without what the API server adds. */
export interface PoolIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Labels and annotations of the ConnectionPool are not passed on; this is only who owns the objects. */
}

/** One holder, a pooler process, as it is to be written now. */
export interface HolderView {
  /** `<pod>-<process>`, and the stem of its file key. */
  readonly name: string;
  readonly pod: string;
  readonly ordinal: number;
  /** Of the pod's processes, from 0. */
  readonly process: number;
  /** PgBouncer's peer_id, 1 to 16383, stable for ordinal and process; absent where all pods have the same file. */
  readonly peerId?: number;
  /** Processes that the pod that is there was made with; absent where there is none. */
  readonly inPod?: number;
  /** What it may hold; only the ledger makes one. */
  readonly grant: Grant;
  /**
   * Epochs of the file paths that live pods of this name were started with, besides the pool's present
   * one: the same file stands under these keys too, or a reload would find none.
   */
  readonly olderEpochs: readonly number[];
}

export interface PoolView {
  readonly identity: PoolIdentity;
  readonly spec: ConnectionPoolSpec;
  readonly settings: RenderSettings;
  readonly server: ServerFacts;
  /** The axis on which PgBouncer counts exactly, and its entries in a stable order. */
  readonly axis: CapAxis;
  readonly entries: readonly string[];
  /** Client connections that each pod accepts; see `processClients`. */
  readonly maxClientConn: number;
  /** See `HolderConfig.sharers`; absent until starving was seen. */
  readonly sharers?: number;
  /** Sorted by ordinal and process; the holders that may have a file now. */
  readonly holders: readonly HolderView[];
  /** Pods that the workload asks for now. */
  readonly replicas: number;
  /** Processes, one a container, that its pod template asks for now. */
  readonly processes: number;
  /** Epoch of the file path in the pod template; see docs/decisions. */
  readonly epoch: number;
  /** Of a Deployment: what there is, and whether a new template may replace the pods now. */
  readonly rollout?: { readonly live?: Rollout; readonly mayRoll: boolean };
  /** Version of the Secret with the server's CA; absent when there is none, or it is not known. */
  readonly caVersion?: string;
  /** The users with their passwords as read from their Secrets; sorted by name. */
  readonly users: readonly UserCredential[];
  /**
   * Users that a running process remembers although nobody lists them now: they stay in the list, with a
   * secret that nobody has, or PgBouncer would go on letting them in. See `Engine.remembered`.
   */
  readonly revoked?: readonly string[];
  /** The list of users as it is written, and the marks of lists that running processes show. */
  readonly userList?: { readonly before: string | undefined; readonly seen: readonly string[] };
  /** Clients wait in the pods: none may go. */
  readonly paused?: boolean;
  /** Entries that the spec names no more and whose clients are still there. */
  readonly leaving?: {
    readonly databases: readonly DatabaseEntry[];
    readonly users: readonly string[];
  };
  /** The console's generated credentials. */
  readonly console: ConsoleCredential;
}

export interface UserCredential {
  readonly name: string;
  readonly password: string;
}

export interface ConsoleCredential {
  readonly user: string;
  readonly password: string;
  /** Secret of the user list's mark; nobody logs in with it. */
  readonly markSecret: string;
}

export type { Fault };
