// What the Python libraries share: literals, and psycopg's prepared statements.
import type { ApplicationSettings } from '../settings.ts';

/** A string literal: JSON's escapes are Python's too. */
export function python(text: string): string {
  return JSON.stringify(text);
}

/**
 * psycopg prepares a statement after 5 uses. Through PgBouncer that needs psycopg 3.2 with libpq 17 (psycopg's own
 * documentation, "Using prepared statements with PgBouncer"), so it is off unless somebody knows that it is there.
 */
export function prepareThreshold({ mode, preparedStatements }: ApplicationSettings): string[] {
  if (mode === 'session') return [];
  const when = preparedStatements
    ? '  # 5 with psycopg 3.2 and libpq 17 or newer'
    : '  # max_prepared_statements is 0';
  return [`"prepare_threshold": None,${when}`];
}
