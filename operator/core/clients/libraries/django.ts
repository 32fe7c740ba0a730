// Django 5.1 or newer with psycopg 3 and its pool.
import type { ApplicationSettings, Library } from '../settings.ts';
import { python } from './python.ts';

export const django: Library = { name: 'Django', file: 'settings.py', render };

function render(s: ApplicationSettings): string {
  return [
    'DATABASES = {',
    '    "default": {',
    '        "ENGINE": "django.db.backends.postgresql",',
    `        "HOST": ${python(s.host)},`,
    `        "PORT": ${s.port},`,
    `        "NAME": ${python(s.database)},`,
    `        "USER": ${python(s.user)},`,
    '        "PASSWORD": os.environ["PGPASSWORD"],',
    '        "CONN_MAX_AGE": 0,  # the pool below keeps connections; the two exclude each other',
    ...(s.mode === 'session'
      ? []
      : ['        "DISABLE_SERVER_SIDE_CURSORS": True,  # they live longer than a transaction']),
    '        "OPTIONS": {',
    `            "connect_timeout": ${s.connectSeconds},`,
    ...(s.tlsRequired ? ['            "sslmode": "require",'] : []),
    '            # Each process has one. Before Django 5.1: leave "pool" out; each thread has a connection.',
    '            "pool": {',
    '                "min_size": 1,',
    `                "max_size": ${s.poolSize},`,
    `                "timeout": ${s.acquireSeconds},`,
    `                "max_idle": ${s.idleSeconds},`,
    `                "max_lifetime": ${s.lifetimeSeconds},`,
    '            },',
    '        },',
    '    },',
    '}',
  ].join('\n');
}
