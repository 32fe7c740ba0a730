// node-postgres (pg) with its pool. Times are milliseconds.
import type { ApplicationSettings, Library } from '../settings.ts';

export const nodePostgres: Library = { name: 'node-postgres', file: 'JavaScript', render };

function render(s: ApplicationSettings): string {
  return [
    'const pool = new pg.Pool({',
    `  host: ${JSON.stringify(s.host)},`,
    `  port: ${s.port},`,
    `  database: ${JSON.stringify(s.database)},`,
    `  user: ${JSON.stringify(s.user)},`,
    '  // password: pg takes it from PGPASSWORD',
    `  max: ${s.poolSize},`,
    `  connectionTimeoutMillis: ${s.acquireSeconds * 1000}, // for a free one of the pool too`,
    `  idleTimeoutMillis: ${s.idleSeconds * 1000},`,
    `  maxLifetimeSeconds: ${s.lifetimeSeconds},`,
    '  keepAlive: true,',
    ...(s.tlsRequired
      ? ['  ssl: { ca }, // PEM of the CA that signed the certificate of the pool']
      : []),
    '});',
    ...(s.mode === 'session' || s.preparedStatements
      ? []
      : ['// No query with a name: that is a prepared statement.']),
  ].join('\n');
}
