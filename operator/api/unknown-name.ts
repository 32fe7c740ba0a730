// A rule in CEL that refuses unknown keys of a map, names the first of them and the nearest known one.
//
// The API server estimates what an expression may cost before it takes a CRD, and takes the keys of a map
// for strings without a bound: to join, compare or cut one is then "too expensive". What is left is
// arithmetic: the position of a single character in an alphabet is a number, and numbers are cheap. So
// the key is written letter by letter from the alphabet, and names are compared by such positions.
import { cel, type Rule } from './rules.ts';

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ-.';
/** Characters of a key that are shown; longer ones are cut off. */
const shown = 40;

/** The position of character `at` of the string `name`, or -1: an expression for a number. */
const position = (name: string, at: string) => `${cel(alphabet)}.indexOf(${name}.charAt(${at}))`;

/** The first characters of `name`, one by one; "?" for one that is not in the alphabet. */
function shownName(name: string): string {
  const letters = Array.from({ length: shown }, (_, i) => {
    const p = position(name, String(i));
    const letter = `${cel(alphabet)}.substring(${p}, ${p} + 1)`;
    return `(${name}.size() > ${i} ? (${p} >= 0 ? ${letter} : '?') : '')`;
  });
  return `(${letters.join(' + ')})`;
}

/**
 * Whether `name` is `known` with one typing error. Of equal length: nearly all characters agree. Else those
 * that agree from the front and those from the back are together nearly all, since one edit leaves all
 * before it in place, and all after it.
 */
function isNear(known: string, name: string, longest: number): string {
  const positions = `[${Array.from({ length: longest }, (_, i) => i).join(', ')}]`;
  const within = `i < ${known}.size() && i < ${name}.size()`;
  const back = (of: string) => `${of}.size() - 1 - i`;
  const agreeing = (a: string, b: string) =>
    `${positions}.filter(i, ${within} && ${position(known, a)} == ${position(name, b)}).size()`;
  const front = agreeing('i', 'i');
  const rear = agreeing(back(known), back(name));
  const enough = `${known}.size() - (${known}.size() > 8 ? 2 : 1)`;
  const alike = `${known}.size() <= ${name}.size() + 2 && ${name}.size() <= ${known}.size() + 2`;
  return `${alike} && ${front} + (${known}.size() == ${name}.size() ? 0 : ${rear}) >= ${enough}`;
}

/**
 * `what` begins the message ("parameters: PgBouncer has no parameter "), `field` is for the message where
 * the expression fails (a key of several lines).
 */
export function knownNames(
  field: string,
  what: string,
  names: readonly string[],
): Rule<Record<string, string>> {
  const width = Math.max(...names.map((name) => name.length));
  const known = cel(names);
  // Fixed width, because a piece of a literal has a bound, which an element of a list has not.
  const table = cel(names.map((name) => name.padEnd(width)).join(''));
  const indexes = `[${names.map((_, index) => index).join(', ')}]`;
  const near = `${indexes}.filter(j, [${known}[j]].exists(n, ${isNear('n', 'u', width + 2)}))`;
  const suggestion = `${table}.substring(f[0] * ${width}, (f[0] + 1) * ${width}).trim()`;
  // A list of one is how an expression gives a value a name.
  const message = `${cel(what)} + ${shownName('u')} + (f.size() > 0 ? ': did you mean ' + ${suggestion} + '?' : ': remove it, or correct its name')`;
  return {
    cel: `self.all(k, k in ${known})`,
    message: `${field} has a name that is not known: remove it, or correct it`,
    messageExpression: `[self.filter(k, !(k in ${known}))[0]].map(u, [${near}].map(f, ${message})[0])[0]`,
  };
}
