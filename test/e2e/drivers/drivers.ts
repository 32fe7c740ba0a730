// The drivers that are measured, and how the programs with them are started.
import { join } from 'node:path';
import { clientSources, hikaricpFolder, pgxProgram, pythonModules } from '../../cluster/clients.ts';
import type { Driver } from './program.ts';

const ways = ['hold', 'trust', 'reconnect'] as const;
const libraries = ['hikaricp-0.jar', join('libraries', '*')];

export const nodePostgres: Driver = {
  name: 'node-postgres',
  command: ['node', join(clientSources, 'node-postgres.ts')],
  ways,
};

export const psycopg: Driver = {
  name: 'psycopg',
  command: ['python3', join(clientSources, 'psycopg-client.py')],
  env: { PYTHONPATH: pythonModules },
  ways,
};

export const pgx: Driver = { name: 'pgx', command: [pgxProgram], ways };

export const pgjdbc: Driver = {
  name: 'pgjdbc',
  command: [
    ...['java', '-Xmx128m', '-cp'],
    libraries.map((file) => join(hikaricpFolder, 'target', file)).join(':'),
    'clients.Application',
  ],
  ways,
};
