/**
 * What the console of a running process shows, and how it is asked: the I/O half of an engine. The
 * types are pure, and come to their users through `engine.ts`.
 */

/** `text` is what the process shows once everything before it was read. */
export interface Mark {
  readonly text: string;
  readonly generation: number;
  /** Of everything before the mark: two files of equal hash differ at most in their generation. */
  readonly hash: string;
}

/** What one look at the console of a running process saw. */
export interface Observation {
  /** Of the engine, like 1.25.2. */
  readonly version: string;
  /** The mark as running, when it has our form. Its file was read to the end. */
  readonly mark: Mark | undefined;
  /** Mark users that the process knows, of every list that it has read since its start. */
  readonly userMarks: readonly string[];
  /** Every parameter as running. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly databases: readonly ObservedDatabase[];
  readonly users: readonly ObservedUser[];
  readonly pools: readonly ObservedPool[];
  readonly sessions: ObservedSessions;
  readonly clients: { readonly active: number; readonly waiting: number };
  /** Of the client that has been waiting longest. */
  readonly maxWaitSeconds: number;
  readonly paused: boolean;
  /** Counters since the process started, by database; they start again with the process. */
  readonly totals: readonly ObservedTotals[];
}

export interface ObservedDatabase {
  readonly name: string;
  readonly host: string;
  readonly poolSize: number;
  /** 0 is unlimited. */
  readonly maxConnections: number;
  readonly currentConnections: number;
  readonly paused: boolean;
  readonly disabled: boolean;
}

export interface ObservedUser {
  readonly name: string;
  /** 0 is unlimited. */
  readonly maxConnections: number;
  readonly currentConnections: number;
  readonly currentClients: number;
}

/** Counts of sockets in one (database, user) pool. */
export interface ObservedPool {
  readonly database: string;
  readonly user: string;
  readonly clientsActive: number;
  readonly clientsWaiting: number;
  readonly serversActive: number;
  readonly serversIdle: number;
  readonly serversUsed: number;
  readonly serversTested: number;
  readonly serversLogin: number;
  /** Connections that only carry a cancel request, and those whose query is being cancelled. */
  readonly serversCancelling: number;
  readonly serversBeingCancelled: number;
  readonly maxWaitSeconds: number;
  readonly mode: string;
}

/**
 * Server connections, counted one by one in every state, login included. Sockets that carry a cancel
 * request are apart: they end within a round trip and take no session of the server.
 */
export interface ObservedSessions extends SessionCounts {
  readonly cancelling: number;
  /** Of these: those that end as soon as they are released, since a reconnect. Absent: not told. */
  readonly closing?: SessionCounts;
}

export interface SessionCounts {
  readonly total: number;
  readonly byDatabase: Readonly<Record<string, number>>;
  readonly byUser: Readonly<Record<string, number>>;
}

/** Counters of one database; times in seconds. */
export interface ObservedTotals {
  readonly database: string;
  readonly transactions: number;
  readonly queries: number;
  readonly assignments: number;
  readonly transactionSeconds: number;
  readonly querySeconds: number;
  readonly waitSeconds: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** One client connection; consoles are not among them. */
export interface ObservedClient {
  /** For the process that was asked, as long as it lives. */
  readonly id: string;
  readonly database: string;
  readonly user: string;
  /**
   * 'idle': no server connection is linked to it and it waits for none; between two transactions, or
   * before its first statement. In session mode a client is 'busy' from its first statement on.
   */
  readonly state: 'idle' | 'busy' | 'waiting';
  /** Since its last message, in whole seconds, rounded by up to one in either direction. */
  readonly silentSeconds: number;
}

/** Which clients a process is to let go. */
export interface Closing {
  /**
   * Ids, closed at once whatever they do by then: a client that begins a transaction between the look
   * and the close is cut inside of it. So only those that were silent for long.
   */
  readonly close: readonly string[];
  /**
   * From now on the process itself closes every idle client that has been silent for so many seconds,
   * which can never hit one inside a transaction. It goes on with that when it was told to stop and
   * its console is closed; its next reload ends it.
   */
  readonly silentSeconds?: number;
  /**
   * From now on no transaction begins: a client that wants a server connection is refused and closed, before anything
   * of what it asked for has run. Those that have one keep it to the end of their transaction (in session mode, of
   * their session). Kept up when the process was told to stop. A process in this state forwards no cancel request to
   * Postgres, so it is for one that has nothing before it but its end.
   */
  readonly refuses?: true;
}

/** Clients of one database that are to be closed between two transactions. */
export interface Hold {
  readonly database: string;
  /** Whether a client of the database is to be closed; one with a server connection is left until it has none. */
  wants(client: ObservedClient): boolean;
  /** So many at most, the most silent first. */
  readonly most: number;
  /** So long it waits for those that are wanted and have a server connection; seconds. 0: one look. */
  readonly seconds: number;
}

/** Where a console is, and as whom. The password never appears in an error. */
export interface ConsoleAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /**
   * TLS to the console, for poolers that ask it of their clients. With a CA (PEM) the certificate is
   * checked for the host's name; without one the connection is only encrypted. The password is safe
   * in both cases, because it goes by SCRAM.
   */
  readonly tls?: { readonly ca?: string };
  /** For the whole call, from dial to close. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /**
   * The process that is meant, where several share the port and the kernel leads each connection to any of them.
   * Absent: whoever answers.
   */
  readonly process?: {
    /** That it runs with. */
    readonly peerId: number;
    /** How many share the port. */
    readonly of: number;
  };
}

/**
 * The I/O half. Each call opens one connection and closes it again: on a pooler that must stop, an
 * open console counts as a client and holds it up. All reject with `ConsoleError`.
 */
export interface Console {
  observe(address: ConsoleAddress): Promise<Observation>;
  /** Asks the process to read its files again. Only the mark proves that it has. */
  reload(address: ConsoleAddress): Promise<void>;
  /** Server connections are closed as they are released; of some databases, or of all. */
  reconnect(address: ConsoleAddress, databases?: readonly string[]): Promise<void>;
  /**
   * No new transaction begins, clients wait; server connections are closed as they are released. May resolve before
   * that is complete: `Observation.paused` says that it was told, `sessions` how far it is. Paused already: nothing.
   */
  pause(address: ConsoleAddress): Promise<void>;
  /** Ends every pause, also of single databases. Not paused: nothing. */
  resume(address: ConsoleAddress): Promise<void>;
  /** Looks at the clients and closes those that `choose` names. Resolves with what the look saw. */
  closeClients(
    address: ConsoleAddress,
    choose: (clients: readonly ObservedClient[]) => Closing,
  ): Promise<readonly ObservedClient[]>;
  /**
   * Closes clients of one database while none of its transactions can begin: whoever begins one waits meanwhile, and goes
   * on afterwards or, when it is among those that are wanted, is closed before anything of it has run. So nobody is cut
   * inside a transaction. The idle server connections of the database close too. Nothing where the process does not know
   * the database. Resolves with the number of clients that were closed. When it rejects, the database may still be
   * paused: `resume` then. Nobody else may resume meanwhile.
   */
  closeBetween(address: ConsoleAddress, hold: Hold): Promise<number>;
}

/** Where the clients of a process log in, and as whom. The password never appears in an error. */
export interface ClientAddress extends ConsoleAddress {
  readonly database: string;
}

/** The way of an application to the server. Rejects with `ConsoleError`. */
export interface ClientPort {
  /**
   * One connection for all statements, closed as soon as `use` has settled. Each statement has to stand alone: in
   * transaction mode the next one may reach another server.
   */
  ask<T>(
    address: ClientAddress,
    use: (
      statement: (text: string) => Promise<readonly Readonly<Record<string, string | null>>[]>,
    ) => Promise<T>,
  ): Promise<T>;
}

export type ConsoleErrorCode =
  /** No TCP connection, or it ended: the pod is away, or not listening. */
  | 'Unreachable'
  /** The deadline passed, or the caller gave up. */
  | 'TimedOut'
  /** Login refused: password, or user unknown to the list that the process runs with. */
  | 'Denied'
  /** The process answered with an error. */
  | 'Refused'
  /** An answer that this engine does not give: not PgBouncer, or a version that is too old. */
  | 'Protocol';

export class ConsoleError extends Error {
  readonly code: ConsoleErrorCode;
  constructor(code: ConsoleErrorCode, message: string) {
    super(message);
    this.name = 'ConsoleError';
    this.code = code;
  }
}
