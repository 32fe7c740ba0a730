// psycopg 3 with psycopg_pool.
import type { ApplicationSettings, Library } from '../settings.ts';
import { prepareThreshold, python } from './python.ts';

export const psycopgPool: Library = { name: 'psycopg_pool', file: 'Python', render };

function render(s: ApplicationSettings): string {
  return [
    'pool = ConnectionPool(',
    '    kwargs={',
    `        "host": ${python(s.host)},`,
    `        "port": ${s.port},`,
    `        "dbname": ${python(s.database)},`,
    `        "user": ${python(s.user)},`,
    '        "password": os.environ["PGPASSWORD"],',
    `        "connect_timeout": ${s.connectSeconds},`,
    ...prepareThreshold(s).map((line) => `        ${line}`),
    ...(s.tlsRequired ? ['        "sslmode": "require",'] : []),
    '    },',
    '    min_size=1,',
    `    max_size=${s.poolSize},`,
    `    timeout=${s.acquireSeconds},`,
    `    max_idle=${s.idleSeconds},`,
    `    max_lifetime=${s.lifetimeSeconds},`,
    '    check=ConnectionPool.check_connection,',
    ')',
  ].join('\n');
}
