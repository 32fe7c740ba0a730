// pgx 5 with pgxpool: one connection string.
import type { ApplicationSettings, Library } from '../settings.ts';

export const pgxpool: Library = { name: 'pgxpool', file: 'DATABASE_URL for pgxpool.New', render };

function render(s: ApplicationSettings): string {
  // Statements without a name: pgx's own documentation warns of its named ones behind PgBouncer.
  const mode = s.mode === 'session' ? [] : ['default_query_exec_mode=cache_describe'];
  const query = [
    `pool_max_conns=${s.poolSize}`,
    'pool_min_conns=1',
    `pool_max_conn_lifetime=${s.lifetimeSeconds}s`,
    `pool_max_conn_lifetime_jitter=${Math.ceil(s.lifetimeSeconds / 10)}s`,
    `pool_max_conn_idle_time=${s.idleSeconds}s`,
    `connect_timeout=${s.connectSeconds}`,
    ...mode,
    ...(s.tlsRequired ? ['sslmode=require'] : []),
  ].join('&');
  return [
    `postgres://${encodeURIComponent(s.user)}@${s.host}:${s.port}/${encodeURIComponent(s.database)}?${query}`,
    '# the password from PGPASSWORD; wait for a connection no longer than its context:',
    `# ctx, cancel := context.WithTimeout(ctx, ${s.acquireSeconds}*time.Second)`,
  ].join('\n');
}
