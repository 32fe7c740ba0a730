// Users who cannot log in any more, and of whom a process still has somebody: for so long its connections for them count.
import type { Engine, Observation } from '../../engines/engine.ts';
import type { ConsoleRecord, ReadUserList } from './read.ts';

/** Who may log in to a process that has read the list; undefined where it has not. */
export function mayLogIn(
  { userMarks }: Pick<Observation, 'userMarks'>,
  list: ReadUserList | undefined,
): readonly string[] | undefined {
  return list !== undefined && userMarks.includes(list.mark) ? list.users : undefined;
}

/** Their names. Nothing is known of them before the process has read the list. */
export function lingering(
  { observation, loginsOver = false }: Pick<ConsoleRecord, 'observation' | 'loginsOver'>,
  list: ReadUserList | undefined,
  engine: Pick<Engine, 'runningCapacity'>,
): readonly string[] {
  const users = observation && mayLogIn(observation, list);
  if (observation === undefined || users === undefined) return [];
  const known = new Set(users);
  return engine
    .runningCapacity(observation, 'user', { users, loginsOver })
    .caps.map(({ name }) => name)
    .filter((name) => !known.has(name));
}

/**
 * Since when a process has had its newest list of users, as far as looks show; milliseconds since 1970. A list leaves a
 * mark that stays, so other marks are another list, or another process.
 */
export function listReadAt(
  before: { readonly observation?: Observation; readonly listReadAt?: number } | undefined,
  seen: Observation,
  now: number,
): number {
  const isSame = before?.observation?.userMarks.join() === seen.userMarks.join();
  return isSame ? (before?.listReadAt ?? now) : now;
}

/**
 * Whoever had begun to log in before the process read its newest list has been let in by now, or been turned away: until
 * then one whom the list no longer lets in may still get in with the password that was asked of him. Times in
 * milliseconds since 1970.
 */
export function areLoginsOver(readAt: number, now: number, loginSeconds: number): boolean {
  return now - readAt > loginSeconds * 1000;
}
