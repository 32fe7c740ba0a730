// What one running process is asked to do next, so that it follows its file.
import type { CapAxis, CapEntry } from '../../engines/engine.ts';
import { mapOf } from './targets.ts';

export interface ProcessState {
  readonly axis: CapAxis;
  /** What its file says. */
  readonly file: { readonly revision: string; readonly caps: readonly CapEntry[] };
  /** The mark user of its user list; undefined when there is no list. */
  readonly userMark: string | undefined;
  /** What it said of itself. */
  readonly running: {
    /** Its mark; undefined where it shows none of ours. */
    readonly revision: string | undefined;
    readonly userMarks: readonly string[];
    readonly sessions: readonly HeldSessions[];
  };
}

/** Connections to the server of one entry. */
export interface HeldSessions extends CapEntry {
  /** Of these: those that end as soon as they are released, since a reconnect. */
  readonly closing: number;
}

export type ConsoleStep =
  /** It has not read its files: refresh the volume and reload. */
  | { readonly kind: 'reload' }
  /** It holds more than its file says: its connections are closed as they are released. */
  | { readonly kind: 'reconnect'; readonly databases: 'all' | readonly string[] }
  /** It does, and has been told: what is too many ends by itself. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'done' };

/**
 * A shrink takes both, in this order: without RECONNECT a busy pool never shrinks. Whatever is not its file is read
 * anew, also what has a higher generation: it may have started with a file that is not of this pool.
 */
export function nextConsoleStep({ axis, file, userMark, running }: ProcessState): ConsoleStep {
  const unread = userMark !== undefined && !running.userMarks.includes(userMark);
  if (running.revision !== file.revision || unread) return { kind: 'reload' };
  const caps = mapOf(file.caps);
  const over = running.sessions.filter((s) => s.connections > (caps.get(s.name) ?? 0));
  if (over.length === 0) return { kind: 'done' };
  // Once told, nothing opens before there are fewer than the cap: what is not closing then is of a later shrink.
  const untold = over.filter((s) => s.closing < s.connections);
  if (untold.length === 0) return { kind: 'wait' };
  // PgBouncer reconnects databases, not users.
  return {
    kind: 'reconnect',
    databases: axis === 'user' ? 'all' : untold.map((s) => s.name).sort(),
  };
}
