/** PgBouncer as an engine: the pure half. The I/O half is `console.ts`. */
import type { Engine } from '../engine.ts';
import { change, closesSilent, pendingRestart } from './change.ts';
import { checkParameter } from './check-parameter.ts';
import { capsAreExact } from './exactness.ts';
import { renderHolderFile } from './holder-file.ts';
import { checkDatabaseName, checkSecret, checkUserName } from './quote.ts';
import { entriesOf, markOf, readHolderFile } from './read-file.ts';
import { remembered, runningCapacity, starving } from './running.ts';
import { renderUserList, revokedOf, secretOf, userMarkOf, usersOf } from './user-list.ts';
import { oldestVersion, tooOld } from './version.ts';

export const pgbouncer: Engine = {
  name: 'pgbouncer',
  oldestVersion,
  tooOld,
  renderHolderFile,
  readHolderFile,
  markOf,
  renderUserList,
  remembered,
  userMarkOf,
  usersOf,
  secretOf,
  revokedOf,
  entriesOf,
  capsAreExact,
  change,
  pendingRestart,
  closesSilent,
  checkParameter,
  checkDatabaseName,
  checkUserName,
  checkSecret,
  starving,
  runningCapacity,
};
