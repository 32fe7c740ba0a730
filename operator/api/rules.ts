// Rules as data: what a schema cannot say, once in CEL for the API server and once in TypeScript for
// `spillway plan`, side by side and with one message. A test holds both halves against a real API server.

export interface Rule<T> {
  /** True for a good value, over `self` (and `oldSelf`, then only updates are judged). */
  readonly cel: string;
  /** The same in TypeScript. Absent for a rule about a change, which has nothing to compare with offline. */
  readonly holds?: (self: T) => boolean;
  /** Begins with the field, says what is wrong, and ends with the fix. */
  readonly message: string;
  /** CEL for a message that names the very value; `message` is its fallback. */
  readonly messageExpression?: string;
  /** The field inside the value that the message is about: `.role`. */
  readonly at?: string;
}

/** A rule as the API server takes it. */
export function celRule(rule: Rule<never>): object {
  return {
    rule: rule.cel,
    message: rule.message,
    ...(rule.messageExpression === undefined ? {} : { messageExpression: rule.messageExpression }),
    ...(rule.at === undefined ? {} : { fieldPath: rule.at }),
  };
}

/** A CEL literal of a string, a number, or a list of these. */
export function cel(value: string | number | readonly (string | number)[]): string {
  if (typeof value === 'object') return `[${value.map((item) => cel(item)).join(', ')}]`;
  if (typeof value === 'number') return String(value);
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** `self` matches `pattern`, which must mean the same to RE2 and to JavaScript. */
export function matching(pattern: RegExp, message: string): Rule<string> {
  return {
    cel: `self.matches(${cel(pattern.source)})`,
    holds: (self) => pattern.test(self),
    message,
  };
}

/** `self` is none of `names`. */
export function noneOf(names: readonly string[], message: string): Rule<string> {
  return {
    cel: names.length === 1 ? `self != ${cel(names[0] ?? '')}` : `!(self in ${cel(names)})`,
    holds: (self) => !names.includes(self),
    message,
  };
}

/** UTF-8 bytes, as PgBouncer and Postgres count; the API server's maxLength counts characters. */
export function atMostBytes(max: number, message: string): Rule<string> {
  return {
    cel: `bytes(self).size() <= ${max}`,
    holds: (self) => Buffer.byteLength(self, 'utf8') <= max,
    message,
  };
}
