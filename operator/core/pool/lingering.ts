// Users who cannot log in any more, and of whom a process still has somebody: for so long its connections for them count.
import type { Engine, LockedOut, Observation } from '../../engines/engine.ts';
import type { ConsoleRecord, ReadUserList } from './read.ts';

/** The process that said so has read this list, and maybe older ones. */
export function hasRead({ userMarks }: Observation, list: ReadUserList): boolean {
  return userMarks.includes(list.mark);
}

/** Whom the process does not let in by its list; undefined where it has not read the list. */
export function lockedOut(
  { observation, gone = [] }: Pick<ConsoleRecord, 'observation' | 'gone'>,
  list: ReadUserList | undefined,
): LockedOut | undefined {
  if (list === undefined || observation === undefined || !hasRead(observation, list))
    return undefined;
  const listed = new Set(list.users);
  const names = observation.users.map(({ name }) => name).filter((name) => !listed.has(name));
  return { names, gone };
}

/** Their names. Nothing is known of them before the process has read the list. */
export function lingering(
  record: Pick<ConsoleRecord, 'observation' | 'gone'>,
  list: ReadUserList | undefined,
  engine: Pick<Engine, 'runningCapacity'>,
): readonly string[] {
  const { observation } = record;
  const locked = lockedOut(record, list);
  if (observation === undefined || locked === undefined) return [];
  const names = new Set(locked.names);
  return engine
    .runningCapacity(observation, 'user', locked)
    .caps.map(({ name }) => name)
    .filter((name) => names.has(name));
}

/**
 * Users who cannot come any more, whatever they try: one look has shown that the process has read the list which locks
 * them out, and that nobody of them was connected, not even to log in. Whoever comes later is asked for the password of
 * that list; only a login from before it can still end well. Not one whom the list merely leaves out: the process may
 * remember him. `before` is what was known of the process until this look.
 */
export function goneSince(
  before: Pick<ConsoleRecord, 'observation' | 'gone'> | undefined,
  seen: Observation,
  list: ReadUserList | undefined,
): readonly string[] {
  if (list === undefined || !hasRead(seen, list)) return [];
  // Each list leaves a mark that stays: other marks are another list, or another process.
  const isSame = before?.observation?.userMarks.join() === seen.userMarks.join();
  const known = new Set(isSame ? before?.gone : []);
  const absent = new Set(seen.users.filter((u) => u.currentClients === 0).map((u) => u.name));
  return list.revoked.filter((name) => known.has(name) || absent.has(name));
}
