// Generators of configurations and of text that tries to be something else in PgBouncer's files.

import fc from 'fast-check';
import type { HolderConfig } from '../../operator/engines/engine.ts';

/** Pieces with a meaning somewhere: ini, connect string, user list, SQL, JavaScript objects. */
const pieces = [
  ...["'", '"', "''", '""', '\\', ' ', '=', ';', '#', '[pgbouncer]', '%include /etc/passwd', '*'],
  ...['$1', '{}', '--', '/*', '`', 'é', '漢', '😀', '\u00a0', '__proto__', 'pgbouncer', 'max', ','],
];

/** May hold anything that both files can express. */
export const hostileText = fc
  .array(fc.oneof(fc.constantFrom(...pieces), fc.stringMatching(/^[a-z0-9_]{1,6}$/)), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts) => parts.join(''));

const short = (text: string) => Buffer.byteLength(text) <= 63;

export const hostileName = hostileText
  .map((text) => text.replaceAll("'", ''))
  .filter((name) => name !== '' && name !== '*' && name !== 'pgbouncer' && short(name));

export const hostileSecret = hostileText;

const mode = fc.constantFrom('transaction', 'session', 'statement');
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const names = (max: number) => fc.uniqueArray(hostileName, { minLength: 1, maxLength: max });

const parameters = fc.record(
  {
    query_wait_timeout: fc.integer({ min: 0, max: 1000 }).map(String),
    server_idle_timeout: fc.constantFrom('0', '2.5', '600'),
    server_reset_query: fc.constantFrom('', 'DISCARD ALL', "SET x = 'y; [z]'"),
    ignore_startup_parameters: fc.constantFrom('', 'options', 'options, extra_float_digits'),
    min_pool_size: fc.integer({ min: 0, max: 5 }).map(String),
    log_connections: fc.constantFrom('0', '1'),
    server_tls_ciphers: fc.constantFrom('default', 'HIGH:!aNULL'),
  },
  { requiredKeys: [] },
);

/** Valid configurations of one axis. */
export function configs(axis: 'database' | 'user'): fc.Arbitrary<HolderConfig> {
  return fc
    .record({
      generation: fc.integer({ min: 0, max: 2 ** 40 }),
      mode,
      databases: names(5),
      dbnames: fc.array(optional(hostileText.filter(short)), { minLength: 5, maxLength: 5 }),
      users: names(5),
      modes: fc.array(optional(mode), { minLength: 10, maxLength: 10 }),
      sizes: fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 5, maxLength: 5 }),
      maxClientConnections: fc.integer({ min: 1, max: 5000 }),
      peerId: fc.integer({ min: 1, max: 16_383 }),
      parameters,
    })
    .map(({ databases, dbnames, users, modes, sizes, ...rest }): HolderConfig => {
      const listed = axis === 'database' ? databases : users;
      const moded = (name: string, i: number) => ({
        name,
        ...(modes[i] === undefined ? {} : { mode: modes[i] }),
      });
      return {
        ...rest,
        listenPort: 6432,
        target: { host: 'db.example.com', port: 5432 },
        databases:
          axis === 'user'
            ? 'any'
            : databases.map((name, i) => ({
                ...moded(name, i),
                // Some of them as one of the users, whoever the client is.
                ...(i % 2 === 1 && users[i] !== undefined ? { user: users[i] } : {}),
                ...(dbnames[i] === undefined ? {} : { dbname: dbnames[i] }),
              })),
        users: users.map((name, i) => moded(name, i + 5)),
        axis,
        // A size of 0 stands for an entry that has no cap yet.
        caps: listed.flatMap((name, i) =>
          (sizes[i] ?? 0) > 0 ? [{ name, connections: sizes[i] ?? 0 }] : [],
        ),
        peers: [
          { id: 1, host: 'shop-0.shop-pods', port: 6432 },
          { id: 2, host: 'shop-1.shop-pods', port: 6432 },
        ],
        admin: { adminUser: 'spillway-admin', statsUser: 'spillway-stats' },
        authFile: '/etc/spillway/users.txt',
        serverTls: { mode: 'disable' },
      };
    });
}

export const anyConfig = fc.oneof(configs('database'), configs('user'));
