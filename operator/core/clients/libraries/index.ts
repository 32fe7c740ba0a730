// The libraries for which settings are printed: one file and one line each.
import type { Library } from '../settings.ts';
import { django } from './django.ts';
import { hikaricp } from './hikaricp.ts';
import { nodePostgres } from './node-postgres.ts';
import { pgxpool } from './pgxpool.ts';
import { psycopgPool } from './psycopg-pool.ts';
import { sqlalchemy } from './sqlalchemy.ts';

export const libraries: readonly Library[] = [
  hikaricp,
  sqlalchemy,
  django,
  pgxpool,
  psycopgPool,
  nodePostgres,
];
