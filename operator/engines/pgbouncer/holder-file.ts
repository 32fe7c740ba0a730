/**
 * The ini file of one PgBouncer process. Its order is part of the protocol (a reload applies line by
 * line and is not undone when it fails): databases, users, peers, then one single [pgbouncer] with
 * administration and authentication first, so that a fault never locks the operator out, then the
 * caps, the rest, and the mark as the last line. Caps stand in the lines of their databases or users
 * too, because those survive a failed reload while everything in [pgbouncer] falls back to PgBouncer's
 * defaults at its header.
 */
import { type DatabaseEntry, EngineError, type HolderConfig } from '../engine.ts';
import { checkConfig } from './check-config.ts';
import { formatMark } from './mark.ts';
import { quoteConnectValue, quoteName } from './quote.ts';

/** Below every ConfigMap and file limit, far above every real configuration (64 users: 10 KiB). */
const maxFileBytes = 900 * 1024;

/**
 * A client of a user that leaves is closed after so long a silence between two transactions; whole seconds. The process
 * judges that and acts upon it in one step, so no transaction can begin in between.
 */
const leavingSilenceSeconds = 2;
/** The longest silence that `client_idle_timeout` accepts from a user of ours: a year. */
const neverSeconds = 31_536_000;

/** Sockets to another pooler pod that only carry cancel requests; they never reach Postgres. */
const peerPoolSize = 20;

/**
 * What a pool gets that nobody named: users without a line of their own (the operator's own users and
 * marks, which no role of the server answers to). 0 would be "unlimited".
 */
const unnamed = 1;

/**
 * Where we differ from PgBouncer's own defaults, and why. Users may set each of them.
 */
const defaults: Readonly<Record<string, string>> = {
  // A host that is not there yet, or that moves in a switchover, is asked for again at once. The
  // engine's 15 s would make a switchover of 3 s last a minute.
  dns_nxdomain_ttl: '1',
  // A pod that comes in another's place has its name and another address: while the old one is remembered, cancel
  // requests for its queries are lost. PgBouncer looks a name up only when it makes a connection.
  dns_max_ttl: '1',
  server_login_retry: '1',
  // Sent by JDBC in each start-up packet; unknown ones are refused.
  ignore_startup_parameters: 'extra_float_digits',
  // The operator's look comes every few seconds, which would be most of the log.
  log_connections: '0',
  log_disconnections: '0',
  max_prepared_statements: '200',
  // A peer whose node is gone is noticed after a minute; the kernel's own default is two hours.
  tcp_keepcnt: '3',
  tcp_keepidle: '30',
  tcp_keepintvl: '10',
  // Versions differ in their default, and only a restart applies it: one value for all.
  track_extra_parameters: 'IntervalStyle',
  // Written always: PgBouncer has no default to fall back to when the line goes away.
  verbose: '0',
};

/** Throws `EngineError` for everything that PgBouncer would refuse or understand in another way. */
export function renderHolderFile(config: HolderConfig): string {
  checkConfig(config);
  const body = [
    '; Written by Spillway, which writes it again: change the ConnectionPool instead.',
    '[databases]',
    ...databaseLines(config),
    '',
    '[users]',
    ...userLines(config),
    '',
    '[peers]',
    ...peerLines(config),
    '',
    '[pgbouncer]',
    ...settings(config),
    '',
  ].join('\n');
  const text = `${body}syslog_ident = ${formatMark(config.generation, body)}\n`;
  const size = Buffer.byteLength(text);
  if (size > maxFileBytes) {
    throw new EngineError(
      'ConfigInvalid',
      'config',
      `the file would have ${size} bytes, at most ${maxFileBytes} fit: list fewer users or databases`,
    );
  }
  return text;
}

function databaseLines(config: HolderConfig): string[] {
  const { host, port } = config.target;
  const server = `host=${quoteConnectValue(host)} port=${port}`;
  // Never a size in the connect string of "*": each change would close every server connection.
  // And without a capped user no "*" at all, so that a user list that is ahead opens nothing.
  if (config.databases === 'any') return config.caps.length === 0 ? [] : [`* = ${server}`];
  const caps = new Map(config.caps.map((cap) => [cap.name, cap.connections]));
  return sorted(config.databases).flatMap((database: DatabaseEntry) => {
    const cap = caps.get(database.name);
    if (cap === undefined) return [];
    const mode = database.mode === undefined ? '' : ` pool_mode=${database.mode}`;
    const user = database.user === undefined ? '' : ` user=${quoteConnectValue(database.user)}`;
    const door = database.leaving === true ? ' max_db_client_connections=1' : '';
    return [
      `${quoteName(database.name)} = ${server} dbname=${quoteConnectValue(
        database.dbname ?? database.name,
      )}${user} pool_size=${user === '' ? poolSize(config, cap) : cap} max_db_connections=${cap}${door}${mode}`,
    ];
  });
}

/**
 * What one pool (one user in one database) may take of a cap that several share. PgBouncer hands a
 * released connection to the next client of the same pool, so one busy pool that held them all would
 * let the others wait for ever. Sharers that were seen are kept one each. Listed users who may not
 * even be there are kept one each too, but never more than a quarter of the cap. Databases behind "*"
 * are not known beforehand.
 */
function poolSize(config: HolderConfig, cap: number): number {
  const { sharers, axis, users } = config;
  if (sharers !== undefined) return Math.max(1, cap - (sharers - 1));
  if (axis === 'user') return cap;
  return cap - Math.min(Math.max(0, users.length - 1), Math.floor(cap / 4));
}

/** A line for each user, an empty one too: what a line says no more is only forgotten that way. */
function userLines(config: HolderConfig): string[] {
  const caps = new Map(config.caps.map((cap) => [cap.name, cap.connections]));
  return sorted(config.users).flatMap((user) => {
    const cap = config.axis === 'user' ? caps.get(user.name) : undefined;
    if (config.axis === 'user' && cap === undefined) return [];
    const words = [
      ...(cap === undefined
        ? []
        : [`pool_size=${poolSize(config, cap)} max_user_connections=${cap}`]),
      ...(user.leaving === true
        ? [`max_user_client_connections=1 client_idle_timeout=${leavingSilenceSeconds}`]
        : []),
      ...(user.mode === undefined ? [] : [`pool_mode=${user.mode}`]),
    ];
    return [`${quoteName(user.name)} = ${words.join(' ')}`.trimEnd()];
  });
}

function peerLines(config: HolderConfig): string[] {
  return [...config.peers]
    .sort((a, b) => a.id - b.id)
    .map(({ id, host, port }) => `${id} = host=${host} port=${port} pool_size=${peerPoolSize}`);
}

function settings(config: HolderConfig): string[] {
  const { admin, lookup, serverTls, clientTls } = config;
  const pairs: (readonly [string, string | number])[] = [
    ['admin_users', admin.adminUser],
    ['stats_users', admin.statsUser],
    ['auth_type', 'scram-sha-256'],
    ['auth_file', config.authFile],
  ];
  if (lookup) {
    pairs.push(['auth_user', lookup.user]);
    if (lookup.query !== undefined) pairs.push(['auth_query', lookup.query]);
    if (lookup.database !== undefined) pairs.push(['auth_dbname', lookup.database]);
  }
  pairs.push(
    ['default_pool_size', unnamed],
    [config.axis === 'database' ? 'max_db_connections' : 'max_user_connections', unnamed],
    // The one 0 that does not mean "unlimited". A reserve would only be a second way to a pool's
    // full size, since the caps count it in.
    ['reserve_pool_size', 0],
    // Without a meaning on Linux, shown by the console and kept until a restart: so it witnesses
    // which kind of file the process was started with. See `change.ts`.
    ['job_name', `spillway-${config.axis}`],
    ['listen_addr', '*'],
    ['listen_port', config.listenPort],
    ...(config.socket === undefined ? [] : [['so_reuseport', 1] as const]),
    ['unix_socket_dir', config.socket ?? ''],
    ['pool_mode', config.mode],
    ['max_client_conn', config.maxClientConnections],
    ...(config.peerId === undefined ? [] : [['peer_id', config.peerId] as const]),
    ['server_tls_sslmode', serverTls.mode],
  );
  if (serverTls.caFile !== undefined) pairs.push(['server_tls_ca_file', serverTls.caFile]);
  if (serverTls.certFile !== undefined) pairs.push(['server_tls_cert_file', serverTls.certFile]);
  if (serverTls.keyFile !== undefined) pairs.push(['server_tls_key_file', serverTls.keyFile]);
  if (clientTls) {
    pairs.push(
      ['client_tls_sslmode', clientTls.mode],
      ['client_tls_cert_file', clientTls.certFile],
      ['client_tls_key_file', clientTls.keyFile],
    );
    if (clientTls.caFile !== undefined) pairs.push(['client_tls_ca_file', clientTls.caFile]);
  }
  const parameters = { ...config.parameters };
  if (config.users.some((user) => user.leaving === true)) {
    // As soon as one user has a timeout, a general one of 0 is no "never" but 0 seconds for all others (found on 1.26.1).
    const general = Number(parameters.client_idle_timeout ?? 0);
    parameters.client_idle_timeout = String(general > 0 ? general : neverSeconds);
  }
  const free = Object.entries({ ...defaults, ...parameters });
  pairs.push(...free.sort(([a], [b]) => (a < b ? -1 : 1)));
  const remarks = serverTls.caVersion === undefined ? [] : [`; server CA ${serverTls.caVersion}`];
  return [...remarks, ...pairs.map(([name, value]) => `${name} = ${value}`.trimEnd())];
}

/** By code unit, so that the order of a list or a locale changes no byte. */
function sorted<T extends { readonly name: string }>(entries: readonly T[]): T[] {
  return [...entries].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
