// spec.parameters: PgBouncer's own settings. The engine's table makes one rule for each, so that the API
// server's messages name it; offline the engine judges each value, with a message for that very value.
import { checkParameter } from '../engines/pgbouncer/check-parameter.ts';
import {
  type Parameter,
  parameters as table,
  type ValueType,
} from '../engines/pgbouncer/parameters.ts';
import { described, mapOf, ruled, text } from './meta.ts';
import { cel, matching, type Rule } from './rules.ts';
import { knownNames } from './unknown-name.ts';

type Values = Record<string, string>;

/** CEL that is true for a good value, and what a good value is, in words. */
interface Form {
  readonly good: (value: string) => string;
  readonly words: string;
}

const nameList = /^([A-Za-z_][A-Za-z0-9_.]*( *, *[A-Za-z_][A-Za-z0-9_.]*)*)?$/;

function formOf(type: ValueType): Form | undefined {
  switch (type.kind) {
    case 'boolean':
      return { good: (v) => `${v} in ['0', '1']`, words: '"0" (off) or "1" (on)' };
    case 'integer':
      return {
        // Decimal only: PgBouncer reads 010 as eight.
        good: (v) =>
          `${v}.matches('^(0|[1-9][0-9]{0,9})$') && int(${v}) >= ${type.min} && int(${v}) <= ${type.max}`,
        words: `a whole number from ${type.min} to ${type.max}${
          type.unit === undefined ? '' : ` (${type.unit})`
        }, in quotes`,
      };
    case 'duration':
      return {
        good: (v) =>
          `${v}.matches('^[0-9]{1,9}([.][0-9]{1,6})?$') && double(${v}) >= ${type.min}.0 && double(${v}) <= ${type.max}.0`,
        words: `a number of seconds from ${type.min} to ${type.max}, without a unit, in quotes`,
      };
    case 'choice':
      return {
        good: (v) => `${v} in ${cel(type.values)}`,
        words: `one of ${type.values.join(', ')}`,
      };
    case 'choices': {
      const word = `(${type.values.join('|')})`;
      return {
        good: (v) => `${v}.matches(${cel(`^${word}(${type.separator}${word})*$`)})`,
        words: `a list, separated by "${type.separator}", of ${type.values.join(', ')}`,
      };
    }
    case 'names':
      return {
        good: (v) => `${v}.matches(${cel(nameList.source)})`,
        words: 'a comma list of names of Postgres parameters',
      };
    case 'text':
      return undefined;
  }
}

/** One parameter: CEL that is true when it is there and wrong, and what is then said. */
interface Refusal {
  readonly wrong: string;
  readonly says: string;
}

/** Why a parameter may not be set at all; undefined when it may. */
export function refusalOf({ name, managed, since }: Parameter): string | undefined {
  if (managed === undefined && since === undefined) return undefined;
  const check = checkParameter(name, '');
  return check.ok ? undefined : check.message;
}

/** What a value must be, in words; undefined when any text of one line will do. */
export function parameterForm({ type }: Parameter): string | undefined {
  return type === undefined ? undefined : formOf(type)?.words;
}

function refusalOfName(parameter: Parameter): Refusal[] {
  const says = refusalOf(parameter);
  return says === undefined ? [] : [{ wrong: `${cel(parameter.name)} in self`, says }];
}

function refusalOfValue(parameter: Parameter): Refusal[] {
  const { name, type } = parameter;
  if (refusalOf(parameter) !== undefined || type === undefined) return [];
  const form = formOf(type);
  if (form === undefined) return [];
  const wrong = `${cel(name)} in self && !(${form.good(`self[${cel(name)}]`)})`;
  return [{ wrong, says: `${name} must be ${form.words}` }];
}

/**
 * All of them as one rule, whose message is put together from what is wrong: a rule for each would cost
 * the API server half a millisecond for every pool that it writes. Without `holds`, because offline the
 * engine is asked.
 */
function none(refusals: readonly Refusal[], message: string): Rule<Values> {
  const parts = refusals.map(({ wrong, says }) => `(${wrong} ? ${cel(` ${says};`)} : '')`);
  return {
    cel: `self.size() == 0 || !(${refusals.map(({ wrong }) => `(${wrong})`).join(' || ')})`,
    message: `parameters: ${message}`,
    messageExpression: `'parameters:' + ${parts.join(' + ')}`,
  };
}

const managed = none(
  table.flatMap(refusalOfName),
  'some are set by Spillway itself, or too new: remove them',
);
const values = none(
  table.flatMap(refusalOfValue),
  'some have a value that PgBouncer would not take: correct them',
);

const known = knownNames(
  'parameters',
  'parameters: PgBouncer has no parameter ',
  table.map((p) => p.name),
);

/** Invisible, and a blank to JavaScript alone. */
const byteOrderMark = String.fromCharCode(0xfeff);

const value = ruled(
  text(1024, 0),
  matching(
    new RegExp(`^[^\\x00-\\x1f\\x7f-\\x9f${byteOrderMark}]*$`),
    'must not have a newline or another control character, which could end the line of the configuration file: remove it',
  ),
  {
    cel: 'self == self.trim()',
    holds: (self) => self === self.trim(),
    message: 'must not begin or end with a blank, which would be lost: remove it',
  },
);

/** A blank beyond ASCII in a list of names, which PgBouncer would take for a part of a name. */
function strayBlank(name: string, given: string): string | undefined {
  const parameter = table.find((p) => p.name === name);
  if (parameter?.type?.kind !== 'names' || nameList.test(given)) return undefined;
  return `${name} must be ${parameterForm(parameter)}`;
}

export const parameters = described(
  ruled(mapOf(value, 100), known, managed, values)
    .superRefine((map, context) => {
      for (const [name, given] of Object.entries(map)) {
        const check = checkParameter(name, given);
        const message = check.ok ? strayBlank(name, given) : check.message;
        if (message !== undefined) context.addIssue({ code: 'custom', message, path: [name] });
      }
    })
    .default({}),
  "PgBouncer's own settings, by its own names, as strings. Settings that Spillway computes are refused with the field to use instead.",
);
