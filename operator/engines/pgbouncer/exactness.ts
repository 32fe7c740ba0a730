/**
 * On which axis PgBouncer counts a choice of databases and users exactly. `max_db_connections` counts
 * one listed database over all its users; `max_user_connections` counts one user over all databases.
 * With "*" each database would have a counter of its own, and nobody knows how many there will be, so
 * only the users bound it; and with a look-up nobody knows the users either.
 */
import type { DatabaseEntry, Exactness, UserEntry, UserLookup } from '../engine.ts';
import { refuse } from './quote.ts';

export function capsAreExact(
  databases: 'any' | readonly DatabaseEntry[],
  users: readonly UserEntry[],
  lookup?: UserLookup,
): Exactness {
  if (databases === 'any') {
    if (lookup) {
      return {
        refusal: refuse(
          'UnboundedUsersAndDatabases',
          'with "*" and a look-up of users neither the databases nor the users are known, so nothing bounds their connections: list the databases, or the users',
        ),
      };
    }
    if (users.length === 0) {
      return {
        refusal: refuse(
          'NoUsers',
          'with "*" the connections are counted by user, and none is listed: list the users, or the databases',
        ),
      };
    }
    return { axis: 'user' };
  }
  if (databases.length === 0) {
    return { refusal: refuse('NoDatabases', 'no database is listed: list one, or "*"') };
  }
  if (databases.some(({ name }) => name === '*')) {
    return {
      refusal: refuse(
        'AnyAmongListed',
        '"*" stands for every database and must be the only entry: remove it or the others',
      ),
    };
  }
  if (lookup?.database !== undefined && !databases.some(({ name }) => name === lookup.database)) {
    return {
      refusal: refuse(
        'LookupDatabaseNotListed',
        `users are looked up in ${lookup.database}, whose connections would not be counted: list it among the databases`,
      ),
    };
  }
  return { axis: 'database' };
}
