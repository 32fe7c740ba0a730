/**
 * Reads an ini file as PgBouncer's own parser does (libusual's cfparser.c), so that what we conclude
 * from a file is what the process concludes from it. Total: a file with a fault yields the lines
 * before the fault, which is also what PgBouncer has then applied.
 */

export interface IniLine {
  readonly section: string;
  /** Undefined: the section's header itself. */
  readonly key: string | undefined;
  readonly value: string;
}

export interface Ini {
  readonly lines: readonly IniLine[];
  /** Why reading stopped, or undefined when the file was read to its end. */
  readonly fault: string | undefined;
}

const isSpace = (c: string | undefined) => c !== undefined && ' \t\n\v\f\r'.includes(c);

export function parseIni(text: string): Ini {
  const lines: IniLine[] = [];
  let section: string | undefined;
  let at = 0;
  const stop = (fault: string): Ini => ({
    lines,
    fault: `${fault} in line ${text.slice(0, at).split('\n').length}`,
  });
  for (;;) {
    while (isSpace(text[at])) at++;
    if (at >= text.length) return { lines, fault: undefined };
    const eol = text.indexOf('\n', at);
    const end = eol < 0 ? text.length : eol;
    const first = text[at];
    if (/^%include[ \t]/.test(text.slice(at, at + 9))) return stop('an %include');
    if (first === '#' || first === ';') {
      at = end;
      continue;
    }
    if (first === '[') {
      const close = text.indexOf(']', at);
      if (close < 0 || close > end) return stop('a section without an end');
      section = text.slice(at + 1, close);
      lines.push({ section, key: undefined, value: '' });
      at = close + 1;
      continue;
    }
    let key: string;
    let next: number;
    if (first === "'") {
      const close = text.indexOf("'", at + 1);
      if (close < 0 || close === at + 1) return stop('a name without an end');
      key = text.slice(at + 1, close);
      next = close + 1;
    } else {
      key = /^[A-Za-z0-9_.*-]*/.exec(text.slice(at, end))?.[0] ?? '';
      next = at + key.length;
    }
    while (text[next] === ' ' || text[next] === '\t') next++;
    if (text[next] !== '=') return stop('a line without "="');
    next++;
    while (text[next] === ' ' || text[next] === '\t') next++;
    const lineEnd = text.indexOf('\n', next);
    let last = lineEnd < 0 ? text.length : lineEnd;
    const after = last;
    while (last > next && isSpace(text[last - 1])) last--;
    if (section === undefined) return stop('a line before the first section');
    lines.push({ section, key, value: text.slice(next, last) });
    at = after;
  }
}

/** A connect string as its key=value pairs, or undefined when PgBouncer would refuse it. */
export function parseConnectString(text: string): ReadonlyMap<string, string> | undefined {
  const pairs = new Map<string, string>();
  let at = 0;
  const skip = () => {
    while (text[at] === ' ' || text[at] === '\t') at++;
  };
  for (;;) {
    skip();
    if (at >= text.length) return pairs;
    const start = at;
    while (at < text.length && text[at] !== '=' && text[at] !== ' ') at++;
    const key = text.slice(start, at);
    skip();
    if (text[at] !== '=' || key === '') return undefined;
    at++;
    skip();
    let value = '';
    if (text[at] === "'") {
      at++;
      for (;;) {
        if (at >= text.length) return undefined;
        if (text[at] === "'") {
          if (text[at + 1] !== "'") break;
          at++;
        }
        value += text[at];
        at++;
      }
      at++;
    } else {
      while (at < text.length && text[at] !== ' ') {
        value += text[at];
        at++;
      }
    }
    if (value === '') return undefined;
    // After a quoted value PgBouncer drops one character whatever it is; ours is always a blank.
    if (at < text.length) at++;
    pairs.set(key, value);
  }
}
