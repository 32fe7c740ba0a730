/**
 * What a pooler engine is to the rest of Spillway: the words (types) and the functions of one engine.
 * Pure: `core` renders and judges through this interface, `reconcile` adds
 * the I/O half (`Console`). Everything about capacity counts *server connections of one process*.
 */

import type { Mark, Observation, ObservedPool } from './observation.ts';

export * from './observation.ts';

export type PoolMode = 'transaction' | 'session' | 'statement';

/** The axis on which the engine counts exactly, over everything that one process does. */
export type CapAxis = 'database' | 'user';

/** What one database (or one user) may open at most: server connections, at least 1. */
export interface CapEntry {
  readonly name: string;
  readonly connections: number;
}

export interface DatabaseEntry {
  /** The name that clients ask for. */
  readonly name: string;
  /** The name on the server, when it is another one. */
  readonly dbname?: string;
  readonly mode?: PoolMode;
  /**
   * The role that every connection to it logs in as, whoever the client is; its password is in the user list. What
   * an entry says here never changes while the process lives.
   */
  readonly user?: string;
  /**
   * It is about to go from the file, which cuts its clients: until then it keeps its cap and lets no
   * further client in while it has one.
   */
  readonly leaving?: boolean;
}

export interface UserEntry {
  readonly name: string;
  readonly mode?: PoolMode;
  /** As for a database. */
  readonly leaving?: boolean;
}

export interface Peer {
  /** 1 to 16383, the same for one process as long as it lives. */
  readonly id: number;
  /** Or a Unix socket, "@name". */
  readonly host: string;
  readonly port: number;
}

export interface ServerTls {
  readonly mode: 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';
  /** Path inside the pod. Needed by the two verify modes. */
  readonly caFile?: string;
  /** Stands in the file as a remark, so that a CA with other content makes another file, which is then read. */
  readonly caVersion?: string;
  /** Paths inside the pod of the certificate that the pooler shows to Postgres: both or none. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface ClientTls {
  readonly mode: 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile?: string;
}

/**
 * How users that no list names are looked up on the server. Only with listed databases: the lookup
 * itself takes a server connection, counted in the database where it runs.
 */
export interface UserLookup {
  readonly user: string;
  /** Without it, PgBouncer's own query, which honours VALID UNTIL. */
  readonly query?: string;
  /** Where it runs, when not in the client's own database. Must be one of the listed databases. */
  readonly database?: string;
}

/** Everything that the file of one holder (one process) says. */
export interface HolderConfig {
  /** Only grows, over the whole life of the holder's name. Part of the mark. 0 to 2^53 - 1. */
  readonly generation: number;
  readonly listenPort: number;
  readonly mode: PoolMode;
  /** `host` may be a comma list (replicas). */
  readonly target: { readonly host: string; readonly port: number };
  /** 'any' is PgBouncer's `*`: every database, each under the name that the client asks for. */
  readonly databases: 'any' | readonly DatabaseEntry[];
  readonly users: readonly UserEntry[];
  readonly lookup?: UserLookup;
  /** 'database' where databases are listed, 'user' for 'any' with listed users. */
  readonly axis: CapAxis;
  /**
   * One for each database (or user) that may open connections now. A database that has no cap is not
   * written into the file; a user without one gets no line either, and see `renderUserList`: it must
   * not be in the user list, where it would be able to open one connection.
   */
  readonly caps: readonly CapEntry[];
  /**
   * How many users of one database (axis 'database') or databases of one user (axis 'user') were seen
   * to want connections at the same time. That many share a cap, and each is kept one connection of
   * it. Without it: listed users are kept a part, databases nothing. See `starving`.
   */
  readonly sharers?: number;
  /** Clients that this process accepts. The admin console is not counted against it. */
  readonly maxClientConnections: number;
  /** Absent: it has no peers that could tell it from others, and none of them finds it. */
  readonly peerId?: number;
  /**
   * Where the processes of a pod share its port: a Unix socket of this one's own, in the abstract namespace ("@name"),
   * over which its siblings forward cancel requests to it.
   */
  readonly socket?: string;
  /** All processes of the pool; the own one may be among them. */
  readonly peers: readonly Peer[];
  readonly admin: { readonly adminUser: string; readonly statsUser: string };
  /** Path of the user list inside the pod. */
  readonly authFile: string;
  readonly serverTls: ServerTls;
  readonly clientTls?: ClientTls;
  /** What the user set by hand, each accepted by `checkParameter` before. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** What a file lets its process open, read back from the file itself. */
export interface HolderFile {
  readonly mark: Mark;
  readonly axis: CapAxis;
  readonly caps: readonly CapEntry[];
  /** The sum of the caps: what the process may open altogether. */
  readonly connections: number;
  /** False: the mark's hash is not that of the text, which somebody has changed by hand. */
  readonly intact: boolean;
}

export interface FileEntries {
  readonly axis: CapAxis;
  readonly databases: readonly DatabaseEntry[];
  readonly users: readonly string[];
}

/** Why a file cannot be read back. Whoever accounts must take the holder's charge as unknown. */
export interface HolderFileFault {
  readonly error: string;
}

export interface UserSecret {
  readonly name: string;
  /** A plain password, or a SCRAM or md5 secret as Postgres stores it. */
  readonly secret: string;
}

export interface UserList {
  readonly text: string;
  /** The user without any right whose name in the running process proves that the list was read. */
  readonly markUser: string;
}

export interface UserListOptions {
  /** Users that stay in the list with a secret that nobody has. */
  readonly revoked?: readonly string[];
  /** The list that is written now: one that says the same is the same, with its mark. */
  readonly before?: string | undefined;
  /** Mark users that running processes show: another list gets a mark that is newer than all of them. */
  readonly seen?: readonly string[];
}

export type ChangeKind = 'none' | 'reload' | 'restart';

export interface Change {
  readonly kind: ChangeKind;
  /** Parameters which only a restart applies, sorted. Empty unless `kind` is 'restart'. */
  readonly restart: readonly string[];
  /**
   * The running process must never read `after`: its clients would be cut or its caps not hold. Only
   * with 'restart'. The file is written when the process has gone, before the next one starts.
   */
  readonly cold: boolean;
  /** Databases that the reload takes away: their clients are cut and their sessions closed. */
  readonly removed: readonly string[];
  /** Databases to reconnect after the reload so that the change comes true; 'all' for every one. */
  readonly reconnect: 'all' | readonly string[];
  /** Caps that became smaller or went away: connections stay until a count has proven otherwise. */
  readonly shrinks: readonly CapShrink[];
}

export interface CapShrink {
  readonly name: string;
  readonly from: number;
  /** 0: the entry has gone from the file. */
  readonly to: number;
}

export type Check = { readonly ok: true } | Refusal;

/** A refusal in one word for conditions, and one sentence that names the fix. */
export interface Refusal {
  readonly ok: false;
  readonly reason: string;
  readonly message: string;
}

export type Exactness = { readonly axis: CapAxis } | { readonly refusal: Refusal };

/** The pure half of an engine. */
export interface Engine {
  readonly name: string;
  /** The oldest version that does what Spillway relies on. */
  readonly oldestVersion: string;
  /**
   * Whether a process of this version (`Observation.version`) is older than that: what it says of its file proves
   * nothing. Total; a version that cannot be read is not too old.
   */
  tooOld(version: string): boolean;
  /** Throws `EngineError` that names the field, for everything that must not reach a pod. */
  renderHolderFile(config: HolderConfig): string;
  /** Total: never throws, whatever the text. */
  readHolderFile(text: string): HolderFile | HolderFileFault;
  /** What a file names; undefined for one that cannot be read. "*" is not among the databases. */
  entriesOf(text: string): FileEntries | undefined;
  markOf(text: string): Mark | undefined;
  /**
   * The users that may log in, admin and stats user included. `seed` is a secret of the operator; it
   * makes the secrets that nobody has: that of the mark user, and those of `revoked` users. A user
   * must not just go away from the list: PgBouncer would keep letting it in with the password that it
   * last used, until its process restarts. The same input gives the same bytes. Throws `EngineError`.
   */
  renderUserList(users: readonly UserSecret[], seed: string, options?: UserListOptions): UserList;
  /**
   * Users that the process remembers although none of `listed` has their name, sorted: those to be
   * revoked in the next list, for as long as any process remembers them.
   */
  remembered(observation: Observation, listed: readonly string[]): readonly string[];
  /** The mark user of a list, to be looked for among `Observation.userMarks`. */
  userMarkOf(text: string): string | undefined;
  /** Users of a list, made with `seed`, who can log in with it: all but revoked ones and the mark. */
  usersOf(text: string, seed: string): readonly string[];
  /** What a user of a list logs in with; undefined where the list has no such user. Total. */
  secretOf(text: string, user: string): string | undefined;
  /** Users of a list, made with `seed`, whom nobody can log in as any more; without the mark. */
  revokedOf(text: string, seed: string): readonly string[];
  /** Which axis bounds this choice exactly, or why none does. */
  capsAreExact(
    databases: 'any' | readonly DatabaseEntry[],
    users: readonly UserEntry[],
    lookup?: UserLookup,
  ): Exactness;
  /** What a process that has read `before` does with `after`. */
  change(before: string, after: string): Change;
  /**
   * Parameters in which the process as running differs from `text` although it has read it, sorted:
   * only a restart applies them. To be asked once the mark of `text` has been seen.
   */
  pendingRestart(observation: Observation, text: string): readonly string[];
  /**
   * The process closes silent clients although `text`, which it has read, does not say so: see
   * `Closing.silentSeconds`. A reload ends that.
   */
  closesSilent(observation: Observation, text: string): boolean;
  checkParameter(name: string, value: string): Check;
  checkDatabaseName(name: string): Check;
  checkUserName(name: string): Check;
  checkSecret(secret: string): Check;
  /**
   * Pools whose clients wait without one connection while others have taken all of their entry's
   * cap. PgBouncer hands a released connection to the next client of the same pool, so this does not
   * end by itself under load, and its clients are dropped in the end; the console shows no waiting
   * time for those among them that never had a connection. The remedy is `sharers`, and a reconnect.
   */
  starving(observation: Observation, axis: CapAxis): readonly ObservedPool[];
  /**
   * The most connections that the process can hold: for each entry the larger of its cap as running
   * and its sessions. This, never less, is what an observation adds to a holder's charge.
   * Without `lockedOut` every user that the process knows counts.
   */
  runningCapacity(observation: Observation, axis: CapAxis, lockedOut?: LockedOut): RunningCapacity;
}

/** Users who are not in a list whose mark user is in the observation. They count only as long as somebody is left. */
export interface LockedOut {
  readonly names: readonly string[];
  /**
   * Of these: nobody of them was there at some moment since. A client that logs in counts as one that will get in, as one
   * from before may; of these users none can, and whoever goes on trying holds no connections back.
   */
  readonly gone: readonly string[];
}

export interface RunningCapacity {
  /** Server connections; Infinity when something may open connections without a bound. */
  readonly connections: number;
  readonly caps: readonly CapEntry[];
  /** What is not bounded, in words; empty when all is. */
  readonly unbounded: readonly string[];
}

export type EngineErrorCode =
  | 'NameCannotBeWritten'
  | 'ValueCannotBeWritten'
  | 'ParameterRefused'
  | 'CapInvalid'
  | 'ConfigInvalid';

/** Something that must not reach a pod. `field` is a path in the value that was given. */
export class EngineError extends Error {
  readonly code: EngineErrorCode;
  readonly field: string;
  constructor(code: EngineErrorCode, field: string, message: string) {
    super(`${field}: ${message}`);
    this.name = 'EngineError';
    this.code = code;
    this.field = field;
  }
}
