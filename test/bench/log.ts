// What of the operator's log is worth showing when something went wrong.

const ordinary = /"level":"(trace|debug|info)"/;

/** The last lines that are more than information; the last ones of any kind when there is none. */
export function tellingLines(log: string, lines = 12): string {
  const all = log.trim().split('\n');
  const told = all.filter((line) => !ordinary.test(line));
  return (told.length > 0 ? told : all).slice(-lines).join('\n').slice(-6000);
}
