import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkParameter } from '../../operator/engines/pgbouncer/check-parameter.ts';
import { parameters } from '../../operator/engines/pgbouncer/parameters.ts';

const judge = (name: string, value: string) => {
  const check = checkParameter(name, value);
  return check.ok ? 'ok' : `${check.reason}: ${check.message}`;
};

test('each parameter is either managed or has a type, and stands once, in order', () => {
  const names = parameters.map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)].sort());
  for (const { name, type, managed } of parameters) {
    assert.equal(type === undefined, managed !== undefined, name);
  }
});

test('values of the right type and range are accepted', () => {
  const table: Record<string, readonly string[]> = {
    query_wait_timeout: ['0', '30', '0.5', '31536000'],
    server_lifetime: ['3600'],
    log_connections: ['0', '1'],
    max_prepared_statements: ['0', '100000'],
    verbose: ['3'],
    server_reset_query: ['', 'DISCARD ALL', "SET a = 'b; c'"],
    server_check_query: ['<empty>', 'select 1'],
    ignore_startup_parameters: ['', 'options', 'extra_float_digits, options'],
    track_extra_parameters: ['search_path,IntervalStyle', 'citus.x'],
    client_tls_protocols: ['secure', 'tlsv1.2,tlsv1.3'],
    server_tls_ciphers: ['default', 'HIGH:!aNULL'],
    server_tls13_ciphers: ['TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256'],
    min_pool_size: ['2'],
    tcp_user_timeout: ['2147483647'],
  };
  for (const [name, values] of Object.entries(table)) {
    for (const value of values) assert.equal(judge(name, value), 'ok', `${name}=${value}`);
  }
});

test('a wrong value is refused with what it must be', () => {
  const table: readonly (readonly [string, string, RegExp])[] = [
    ['log_connections', 'true', /^ValueInvalid.*"1" for on/],
    ['log_connections', 'off', /^ValueInvalid.*"0" for off/],
    ['log_connections', '2', /^ValueInvalid.*"0" \(off\) or "1" \(on\)/],
    ['query_wait_timeout', '30s', /^ValueInvalid.*number of seconds.*without a unit/],
    ['query_wait_timeout', '-1', /^ValueInvalid/],
    ['query_wait_timeout', '1e3', /^ValueInvalid/],
    ['query_wait_timeout', '', /^ValueInvalid/],
    ['query_wait_timeout', '31536001', /^ValueInvalid/],
    ['max_prepared_statements', '010', /^ValueInvalid.*whole number from 0 to 100000/],
    ['max_prepared_statements', '0x10', /^ValueInvalid/],
    ['max_prepared_statements', '1.5', /^ValueInvalid/],
    ['pkt_buf', '16', /^ValueInvalid.*bytes/],
    ['server_tls_ciphers', 'NO-SUCH', /^ValueInvalid.*colon list/],
    ['client_tls_dheparams', '/etc/dh', /^ValueInvalid.*one of auto, none, legacy/],
    ['ignore_startup_parameters', 'a b', /^ValueInvalid.*comma list of names/],
    ['server_reset_query', 'a\nadmin_users = me', /^ControlCharacter/],
    ['server_reset_query', 'a\r', /^ControlCharacter/],
    ['server_reset_query', ' a', /^BlankAtEnd/],
    ['server_check_query', 'x'.repeat(5000), /^TooLong/],
    ['pool_idle_timeout', '1', /^ParameterTooNew.*1\.26/],
  ];
  for (const [name, value, expected] of table) assert.match(judge(name, value), expected);
});

test('what breaks the budget, the login or the operator is refused with the field to use', () => {
  const table: Record<string, RegExp> = {
    default_pool_size: /use spec\.sizing/,
    max_db_connections: /use spec\.sizing/,
    max_user_connections: /use spec\.sizing/,
    reserve_pool_size: /use spec\.sizing/,
    pool_mode: /use spec\.mode/,
    max_client_conn: /use spec\.clients\.max/,
    auth_file: /use spec\.users/,
    server_tls_sslmode: /use spec\.tls\.server\.mode/,
    client_tls_key_file: /use spec\.tls\.client/,
    admin_users: /remove it/,
    conffile: /remove it/,
    disable_pqexec: /remove it/,
    syslog_ident: /remove it/,
    job_name: /remove it/,
    so_reuseport: /use spec\.pooler\.processes/,
    unix_socket_dir: /remove it/,
  };
  for (const [name, expected] of Object.entries(table)) {
    assert.match(judge(name, '1'), /^ManagedParameter/);
    assert.match(judge(name, '1'), expected);
  }
});

test('an unknown parameter is refused with the nearest one', () => {
  assert.match(
    judge('query_wait_timout', '1'),
    /^UnknownParameter.*did you mean query_wait_timeout/,
  );
  assert.match(judge('Query_Wait_Timeout', '1'), /did you mean query_wait_timeout/);
  assert.match(judge('server_idle_time', '1'), /did you mean server_idle_timeout/);
  assert.match(judge('completely_else', '1'), /: remove it$/);
  assert.match(judge('constructor', '1'), /^UnknownParameter/);
  assert.match(judge('%include /etc/passwd', '1'), /^UnknownParameter/);
});

test('no value that is accepted has a character that could end its line', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...parameters.map(({ name }) => name)),
      fc.string({ unit: 'binary', maxLength: 8 }),
      (name, value) => {
        if (checkParameter(name, value).ok) assert.doesNotMatch(value, /\p{Cc}/u);
      },
    ),
  );
});
