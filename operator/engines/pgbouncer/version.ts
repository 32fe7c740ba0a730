/** Which versions of PgBouncer do what Spillway relies on. */

/** Older ones may fail a reload without a word, and close a client that begins a transaction just then. */
export const oldestVersion = '1.25.2';

/**
 * Whether `version` ("1.24.1", or all of the answer to SHOW VERSION) is older than `oldestVersion`. What is behind the
 * numbers, as in "1.26.1-dev", does not count. One that cannot be read is not too old: it is not known to be.
 */
export function tooOld(version: string): boolean {
  const numbers = /^(?:PgBouncer )?([0-9]+(?:\.[0-9]+)*)/.exec(version)?.[1]?.split('.');
  if (numbers === undefined) return false;
  for (const [i, oldest] of oldestVersion.split('.').entries()) {
    const difference = Number(numbers[i] ?? 0) - Number(oldest);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
