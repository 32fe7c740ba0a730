/**
 * The marks by which a running process proves what it has read. The ini's mark is its last line: a
 * reload applies lines one by one and stops at a fault, so the mark changes only when everything
 * before it was read. The user list's mark is a user in its last line, for the same reason.
 */
import { createHash } from 'node:crypto';
import type { Mark } from '../engine.ts';

const marks = /^spillway-(0|[1-9]\d{0,15})-([0-9a-f]{16})$/;
const userMarks = /^spillway-mark-(?:([1-9]\d{0,14})-)?[0-9a-f]{16}$/;

/** 64 bits: enough to tell files apart that one operator has written. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

export function formatMark(generation: number, before: string): string {
  return `spillway-${generation}-${hashOf(before)}`;
}

export function parseMark(text: string): Mark | undefined {
  const [, generation, hash] = marks.exec(text) ?? [];
  if (generation === undefined || hash === undefined) return undefined;
  const n = Number(generation);
  return Number.isSafeInteger(n) ? { text, generation: n, hash } : undefined;
}

/**
 * A process shows the marks of every list that it ever read, so the mark of a list that says again what an older one
 * said needs a serial of its own. Lists of before had none: that is 0.
 */
export function formatUserMark(serial: number, before: string, seed: string): string {
  // The seed is in it, because the name shows in the console: without one, a weak password could be
  // guessed from the hash by whoever sees the name.
  const hash = hashOf(`${seed}\n${before}`);
  return serial === 0 ? `spillway-mark-${hash}` : `spillway-mark-${serial}-${hash}`;
}

/** Of a mark's name; 0 for one without. */
export function serialOfUserMark(name: string): number {
  return Number(userMarks.exec(name)?.[1] ?? 0);
}

export function isUserMark(name: string): boolean {
  return userMarks.test(name);
}
