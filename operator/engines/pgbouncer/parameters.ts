/**
 * Every parameter that PgBouncer 1.26 documents, and what Spillway makes of it: who sets it, which
 * values it takes, and when a change comes true. The list is held against `SHOW CONFIG` of the real
 * process by a test. Types and limits are PgBouncer's (main.c, config.md), narrowed where a value
 * would stop the process, lock the operator out, or say something else than it seems to.
 */

export type ValueType =
  /** PgBouncer knows no words for it: 0 or 1. */
  | { readonly kind: 'boolean' }
  | {
      readonly kind: 'integer';
      readonly min: number;
      readonly max: number;
      readonly unit?: 'bytes' | 'seconds' | 'milliseconds';
    }
  /** Seconds, with a fraction if need be. */
  | { readonly kind: 'duration'; readonly min: number; readonly max: number }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  /** Comma list of words, each one of `values`. */
  | { readonly kind: 'choices'; readonly values: readonly string[]; readonly separator: ',' | ':' }
  /** Comma list of names. */
  | { readonly kind: 'names' }
  | { readonly kind: 'text' };

export interface Parameter {
  readonly name: string;
  /** 'restart': a reload ignores a changed value without a word. */
  readonly applies: 'reload' | 'restart';
  /**
   * PgBouncer has no default to go back to: a line that is taken out of the file keeps its value in
   * the running process until it restarts.
   */
  readonly sticky: boolean;
  /** The user may set it, with this type. Undefined: `managed` says who does. */
  readonly type: ValueType | undefined;
  readonly managed: Managed | undefined;
  /** First version that knows it, when that is newer than the oldest that we support (1.25.2). */
  readonly since: string | undefined;
  /** First version that knows it no more: it would refuse the whole file. */
  readonly until: string | undefined;
}

export interface Managed {
  /** The field of the ConnectionPool that sets it; undefined when nothing may. */
  readonly field: string | undefined;
  readonly why: string;
}

const boolean: ValueType = { kind: 'boolean' };
const text: ValueType = { kind: 'text' };
const names: ValueType = { kind: 'names' };
/** A year: far above any use, and exact in PgBouncer's microseconds. */
const year = 365 * 24 * 3600;
const maxInt = 2_147_483_647;
const duration = (min = 0, max = year): ValueType => ({ kind: 'duration', min, max });
const integer = (min: number, max: number, unit?: 'bytes' | 'seconds' | 'milliseconds') =>
  ({ kind: 'integer', min, max, ...(unit === undefined ? {} : { unit }) }) as const;
const choice = (...values: string[]): ValueType => ({ kind: 'choice', values });

const tlsProtocols: ValueType = {
  kind: 'choices',
  values: ['tlsv1.2', 'tlsv1.3', 'secure', 'all', 'tlsv1.0', 'tlsv1.1'],
  separator: ',',
};
// A name that OpenSSL does not know stops the process at its next start, so free text is not taken.
const tlsCiphers: ValueType = {
  kind: 'choices',
  values: [
    'default',
    'secure',
    'normal',
    'fast',
    'HIGH',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    'ECDHE-RSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-RSA-CHACHA20-POLY1305',
    'DHE-RSA-AES128-GCM-SHA256',
    'DHE-RSA-AES256-GCM-SHA384',
    '!aNULL',
    '!MD5',
    '!3DES',
  ],
  separator: ':',
};
const tls13Ciphers: ValueType = {
  kind: 'choices',
  values: [
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_128_CCM_8_SHA256',
    'TLS_AES_128_CCM_SHA256',
  ],
  separator: ':',
};

const free = (name: string, type: ValueType, more: Partial<Parameter> = {}): Parameter => ({
  name,
  applies: 'reload',
  sticky: false,
  type,
  managed: undefined,
  since: undefined,
  until: undefined,
  ...more,
});
const managed = (
  name: string,
  field: string | undefined,
  why: string,
  more: Partial<Parameter> = {},
): Parameter => ({ ...free(name, text, more), type: undefined, managed: { field, why } });

const restart = { applies: 'restart' } as const;
const sticky = { sticky: true } as const;

const capacity = 'it would change how many server connections there can be';
const login = 'it decides who may log in';
const listener = 'the probes, the Service and the operator use it';
const files = 'the pod has a read-only file system and logs to its standard error';
const witness = 'the operator proves with it what the process runs with';
const sockets = 'only processes that share a pod have Unix sockets, for cancel requests';

/** By name, in the order of `SHOW CONFIG`. */
export const parameters: readonly Parameter[] = [
  managed('admin_users', undefined, 'only the operator administers the poolers'),
  free('application_name_add_host', boolean),
  managed('auth_dbname', undefined, login, sticky),
  managed('auth_file', 'spec.users', login, sticky),
  managed('auth_hba_file', undefined, login),
  managed('auth_ident_file', undefined, login, sticky),
  managed('auth_ldap_options', undefined, login, sticky),
  managed('auth_query', undefined, login),
  managed('auth_type', 'spec.users', `${login}; every client uses SCRAM`),
  managed('auth_user', undefined, login, sticky),
  free('autodb_idle_timeout', duration()),
  free('cancel_wait_timeout', duration()),
  free('client_idle_timeout', duration()),
  free('client_login_timeout', duration(1)),
  free('client_tls13_ciphers', tls13Ciphers, sticky),
  managed('client_tls_ca_file', 'spec.tls.client', 'the operator mounts the certificates'),
  managed('client_tls_cert_file', 'spec.tls.client', 'the operator mounts the certificates'),
  free('client_tls_ciphers', tlsCiphers),
  free('client_tls_dheparams', choice('auto', 'none', 'legacy')),
  free('client_tls_ecdhcurve', choice('auto', 'none', 'prime256v1', 'secp384r1', 'secp521r1')),
  managed('client_tls_key_file', 'spec.tls.client', 'the operator mounts the certificates'),
  free('client_tls_protocols', tlsProtocols),
  managed('client_tls_sslmode', 'spec.tls.client.mode', 'it belongs to the certificates'),
  managed('conffile', undefined, 'it would make the process read another file'),
  managed('default_pool_size', 'spec.sizing', capacity),
  managed('disable_pqexec', undefined, 'the admin console speaks only that protocol', restart),
  free('dns_max_ttl', duration()),
  free('dns_nxdomain_ttl', duration()),
  free('dns_zone_check_period', duration()),
  free('idle_transaction_timeout', duration()),
  free('ignore_startup_parameters', names),
  managed('job_name', undefined, witness, restart),
  managed('listen_addr', undefined, listener, restart),
  free('listen_backlog', integer(1, 65_535), restart),
  managed('listen_port', undefined, listener, restart),
  free('log_connections', boolean),
  free('log_disconnections', boolean),
  free('log_pooler_errors', boolean),
  free('log_stats', boolean),
  managed('logfile', undefined, files),
  free('login_notify_message', text, { since: '1.26' }),
  managed('max_client_conn', 'spec.clients.max', 'it belongs to the sizes'),
  free('max_db_client_connections', integer(0, 1_000_000)),
  managed('max_db_connections', 'spec.sizing', capacity),
  free('max_packet_size', integer(1024, maxInt, 'bytes')),
  free('max_prepared_statements', integer(0, 100_000)),
  free('max_user_client_connections', integer(0, 1_000_000)),
  managed('max_user_connections', 'spec.sizing', capacity),
  // Never more than the pool's size and the caps (check_pool_size in janitor.c): it fills, no more.
  free('min_pool_size', integer(0, 10_000)),
  managed('peer_id', undefined, 'it carries query cancellation between the pods'),
  managed('pidfile', undefined, files, restart),
  free('pkt_buf', integer(1024, 1_048_576, 'bytes'), restart),
  free('pool_idle_timeout', duration(), { since: '1.26' }),
  managed('pool_mode', 'spec.mode', 'it decides when a connection is free again'),
  free('query_timeout', duration()),
  free('query_wait_notify', integer(0, maxInt, 'seconds')),
  free('query_wait_timeout', duration()),
  managed('reserve_pool_size', 'spec.sizing', capacity),
  free('reserve_pool_timeout', duration()),
  managed('resolv_conf', undefined, "the pod's own name resolution is used", restart),
  free('sbuf_loopcnt', integer(0, 1_000_000)),
  free('scram_iterations', integer(4096, 1_000_000)),
  free('server_check_delay', duration()),
  free('server_check_query', text),
  free('server_connect_timeout', duration(1)),
  free('server_fast_close', boolean),
  free('server_idle_timeout', duration()),
  free('server_lifetime', duration()),
  free('server_login_retry', duration()),
  free('server_reset_query', text),
  free('server_reset_query_always', boolean),
  free('server_round_robin', boolean),
  free('server_tls13_ciphers', tls13Ciphers, sticky),
  managed('server_tls_ca_file', 'spec.tls.server.caRef', 'the operator mounts the certificates'),
  managed('server_tls_cert_file', 'spec.tls.server', 'the operator mounts the certificates'),
  free('server_tls_ciphers', tlsCiphers),
  managed('server_tls_key_file', 'spec.tls.server', 'the operator mounts the certificates'),
  free('server_tls_protocols', tlsProtocols),
  managed('server_tls_sslmode', 'spec.tls.server.mode', 'it belongs to the certificates'),
  managed('service_name', undefined, witness, restart),
  managed(
    'so_reuseport',
    'spec.pooler.processes',
    'it belongs to the number of processes',
    restart,
  ),
  free('stats_period', integer(1, 86_400, 'seconds')),
  managed('stats_users', undefined, "the operator sets up the pool's metrics"),
  managed('suspend_timeout', undefined, 'PgBouncer 1.26 does not know it any more', {
    until: '1.26',
  }),
  managed('syslog', undefined, files),
  managed('syslog_facility', undefined, files),
  managed('syslog_ident', undefined, witness),
  free('tcp_defer_accept', boolean),
  free('tcp_keepalive', boolean),
  free('tcp_keepcnt', integer(0, 127)),
  free('tcp_keepidle', integer(0, 32_767, 'seconds')),
  free('tcp_keepintvl', integer(0, 32_767, 'seconds')),
  free('tcp_socket_buffer', integer(0, 1_073_741_823, 'bytes')),
  free('tcp_user_timeout', integer(0, maxInt, 'milliseconds')),
  free('track_extra_parameters', names, restart),
  free('transaction_timeout', duration()),
  managed('unix_socket_dir', undefined, sockets, restart),
  managed('unix_socket_group', undefined, sockets, restart),
  managed('unix_socket_mode', undefined, sockets, restart),
  managed('user', undefined, 'the container already runs as a user without rights', restart),
  free('verbose', integer(0, 3), sticky),
];

const byName: ReadonlyMap<string, Parameter> = new Map(parameters.map((p) => [p.name, p]));

export function findParameter(name: string): Parameter | undefined {
  return byName.get(name);
}
