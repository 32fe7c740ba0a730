// The settings that a Postgres container is started with, as far as its command line and variables say.
import type { Sourced } from './adapter.ts';
import { asCount, asList, asMap, asText, type RawMap } from './raw.ts';

/** PostgreSQL's documented defaults; also what postgresql.conf has when nobody changed it. */
const defaults = {
  max_connections: 100,
  superuser_reserved_connections: 3,
  reserved_connections: 0,
  port: 5432,
} as const;

export type Setting = keyof typeof defaults;

/** Variables by which images set what others take as arguments (Bitnami). */
const variables: Readonly<Partial<Record<Setting, string>>> = {
  max_connections: 'POSTGRESQL_MAX_CONNECTIONS',
  port: 'POSTGRESQL_PORT_NUMBER',
};

/** Options with one letter that mean a setting. */
const letters: Readonly<Partial<Record<Setting, string>>> = { max_connections: 'N', port: 'p' };

/**
 * The value of a setting and where it was found: the last word of the command line, as Postgres itself
 * takes it, else the image's variable, else PostgreSQL's default. What is set in a file is not seen.
 */
export function setting(container: RawMap, name: Setting, where: string): Sourced<number> {
  const environment = variablesOf(container);
  const written = onCommandLine(container, name, environment);
  if (written !== undefined) return { value: written, source: `the command line of ${where}` };
  const variable = variables[name];
  const fromVariable = variable === undefined ? undefined : asCount(environment.get(variable));
  if (variable !== undefined && fromVariable !== undefined) {
    return { value: fromVariable, source: `${variable} of ${where}` };
  }
  return { value: defaults[name], source: "PostgreSQL's default", assumed: true };
}

/** As `setting`, but undefined where only the default would be left. */
export function writtenSetting(container: RawMap, name: Setting): number | undefined {
  const found = setting(container, name, '');
  return found.assumed === true ? undefined : found.value;
}

function onCommandLine(
  container: RawMap,
  name: Setting,
  environment: ReadonlyMap<string, string>,
): number | undefined {
  const words = [...asList(container.command), ...asList(container.args)]
    .map((word) => (typeof word === 'string' ? word : ''))
    .map((word) => expand(word, environment))
    .join(' ');
  // Postgres takes - for _ in long options, any case, and spaces around the equals sign.
  const long = new RegExp(
    `(?:^|[\\s'"])(?:-c\\s*['"]?|--)${name.replaceAll('_', '[-_]')}\\s*=\\s*['"]?([0-9]{1,9})(?=$|[\\s'"])`,
    'gi',
  );
  const found = [...words.matchAll(long)];
  const letter = letters[name];
  if (letter !== undefined) {
    found.push(...words.matchAll(new RegExp(`(?:^|\\s)-${letter}\\s*([0-9]{1,9})(?=$|\\s)`, 'g')));
  }
  // The later one counts, as it does for Postgres.
  const last = found.sort((a, b) => a.index - b.index).at(-1);
  return asCount(last?.[1]);
}

/** As the kubelet does it: `$(NAME)` is a variable, `$$` a dollar; one that is not known stays as it is. */
function expand(word: string, environment: ReadonlyMap<string, string>): string {
  return word.replace(/\$\$|\$\(([-._A-Za-z0-9]+)\)/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (environment.get(name) ?? whole),
  );
}

/** Variables with a value of their own; the last of a name counts, as in the kubelet. */
function variablesOf(container: RawMap): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const entry of asList(container.env)) {
    const name = asText(asMap(entry).name);
    const value = asMap(entry).value;
    if (name !== undefined && typeof value === 'string') found.set(name, value);
  }
  return found;
}
