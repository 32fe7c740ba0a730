/**
 * The user list (PgBouncer's auth_file). A fault anywhere in it blanks every password and leaves the
 * users after it blank, while the reload reports success, so nothing is written that could be one,
 * and the last line is a user whose name shows in the console only when all before it was read.
 */
import { createHmac } from 'node:crypto';
import { EngineError, type UserList, type UserListOptions, type UserSecret } from '../engine.ts';
import { formatUserMark, isUserMark, serialOfUserMark } from './mark.ts';
import { checkSecret, checkUserName, insist, userListLine } from './quote.ts';

/** A Secret holds at most 1 MiB. */
const maxListBytes = 900 * 1024;

/**
 * Sorted and without regard to the order given. Throws `EngineError` that names the user.
 *
 * A user that a new list leaves out has a blank password then, yet still logs in where it has logged
 * in before: PgBouncer keeps the SCRAM keys of its last login and clears them only for users of the
 * list (found on 1.26.1; loader.c clears in unquote_add_authfile_user alone). So a revoked user stays
 * in the list, with a secret that nobody has.
 */
export function renderUserList(
  users: readonly UserSecret[],
  seed: string,
  { revoked = [], before, seen = [] }: UserListOptions = {},
): UserList {
  if (seed === '') throw new EngineError('ConfigInvalid', 'seed', 'must not be empty');
  const listed = new Set(users.map(({ name }) => name));
  const all = [
    ...users,
    ...[...new Set(revoked)]
      .filter((name) => !listed.has(name))
      .map((name) => ({ name, secret: nobodys(seed, name) })),
  ];
  const sorted = all.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const lines = sorted.map(({ name, secret }, index) => {
    const field = `users[${name}]`;
    insist('NameCannotBeWritten', field, checkUserName(name));
    insist('ValueCannotBeWritten', field, checkSecret(secret));
    if (isUserMark(name)) {
      throw new EngineError('NameCannotBeWritten', field, 'the name is that of a mark of Spillway');
    }
    if (sorted[index - 1]?.name === name) {
      throw new EngineError('ConfigInvalid', field, 'the user is there twice');
    }
    return `${userListLine(name, secret)}\n`;
  });
  const body = lines.join('');
  const written = before === undefined ? undefined : userMarkOf(before);
  const marked = (serial: number): UserList => {
    const markUser = formatUserMark(serial, body, seed);
    return { text: `${body}${userListLine(markUser, nobodys(seed, markUser))}\n`, markUser };
  };
  const same = marked(written === undefined ? 0 : serialOfUserMark(written));
  const newest = Math.max(0, ...[...seen, written ?? ''].map(serialOfUserMark));
  const list = written !== undefined && same.text === before ? same : marked(newest + 1);
  const { text } = list;
  const size = Buffer.byteLength(text);
  if (size > maxListBytes) {
    throw new EngineError(
      'ConfigInvalid',
      'users',
      `the user list would have ${size} bytes, at most ${maxListBytes} fit: list fewer users`,
    );
  }
  return list;
}

/** The mark user of a list that we have written, or undefined. */
export function userMarkOf(text: string): string | undefined {
  const [, name] = /(?:^|\n)"([^"\n]*)" "[^"\n]*"\n$/.exec(text) ?? [];
  return name !== undefined && isUserMark(name) ? name : undefined;
}

/** Users of a list that we have written who can log in with it: all but the revoked ones and the mark. */
export function usersOf(text: string, seed: string): string[] {
  return linesOf(text)
    .filter(({ name, secret }) => secret !== nobodys(seed, name))
    .map(({ name }) => name);
}

/** What a user logs in with, as a list that we have written says; undefined where it is not in it. */
export function secretOf(text: string, user: string): string | undefined {
  return linesOf(text).find(({ name }) => name === user)?.secret;
}

export function revokedOf(text: string, seed: string): string[] {
  return linesOf(text)
    .filter(({ name, secret }) => secret === nobodys(seed, name) && !isUserMark(name))
    .map(({ name }) => name);
}

function linesOf(text: string): UserSecret[] {
  const unquote = (quoted: string) => quoted.replaceAll('""', '"');
  return [...text.matchAll(/^"((?:[^"\n]|"")*)" "((?:[^"\n]|"")*)"$/gm)].map(
    ([, name = '', secret = '']) => ({ name: unquote(name), secret: unquote(secret) }),
  );
}

/** A secret that nobody has: it comes from one that only the operator has, and is nowhere else. */
function nobodys(seed: string, name: string): string {
  return createHmac('sha256', seed).update(name).digest('hex');
}
