// SQLAlchemy 2 with psycopg 3.
import type { ApplicationSettings, Library } from '../settings.ts';
import { prepareThreshold, python } from './python.ts';

export const sqlalchemy: Library = { name: 'SQLAlchemy', file: 'Python', render };

function render(s: ApplicationSettings): string {
  return [
    'engine = create_engine(',
    '    URL.create(',
    '        "postgresql+psycopg",',
    `        username=${python(s.user)},`,
    '        password=os.environ["PGPASSWORD"],',
    `        host=${python(s.host)},`,
    `        port=${s.port},`,
    `        database=${python(s.database)},`,
    '    ),',
    `    pool_size=${s.poolSize},`,
    '    max_overflow=0,  # else there are 10 more than pool_size says',
    `    pool_timeout=${s.acquireSeconds},`,
    `    pool_recycle=${s.lifetimeSeconds},`,
    '    pool_pre_ping=True,',
    '    connect_args={',
    `        "connect_timeout": ${s.connectSeconds},`,
    ...prepareThreshold(s).map((line) => `        ${line}`),
    ...(s.tlsRequired ? ['        "sslmode": "require",'] : []),
    '    },',
    ')',
  ].join('\n');
}
