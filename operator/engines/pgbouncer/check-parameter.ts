/**
 * Whether a user may set a parameter to a value: known, not managed by a field, of the right type and
 * in range, and impossible to mistake for another line of the file. A refusal says what to write.
 */

import type { Check } from '../engine.ts';
import { nearest } from '../nearest.ts';
import { findParameter, parameters, type ValueType } from './parameters.ts';
import { checkRawValue, refuse } from './quote.ts';

const ok: Check = { ok: true };

/** Reasons: UnknownParameter, ManagedParameter, ParameterTooNew, ValueInvalid, and those of quoting. */
export function checkParameter(name: string, value: string): Check {
  const parameter = findParameter(name);
  if (parameter === undefined) {
    const near = nearest(
      name,
      parameters.map((parameter) => parameter.name),
    );
    return refuse(
      'UnknownParameter',
      `PgBouncer has no parameter ${JSON.stringify(name)}${
        near === undefined ? ': remove it' : `: did you mean ${near}?`
      }`,
    );
  }
  if (parameter.managed !== undefined) {
    const { field, why } = parameter.managed;
    return refuse(
      'ManagedParameter',
      `${name} is set by Spillway, because ${why}: ${
        field === undefined ? 'remove it' : `use ${field} instead`
      }`,
    );
  }
  if (parameter.since !== undefined) {
    return refuse(
      'ParameterTooNew',
      `${name} came with PgBouncer ${parameter.since}, and an older one would refuse the whole file: remove it`,
    );
  }
  const raw = checkRawValue(`the value of ${name}`, value);
  if (!raw.ok || parameter.type === undefined) return raw;
  return checkValue(name, value, parameter.type);
}

function checkValue(name: string, value: string, type: ValueType): Check {
  const invalid = (expected: string) =>
    refuse('ValueInvalid', `${name} is ${JSON.stringify(value)}: it must be ${expected}`);
  switch (type.kind) {
    case 'boolean': {
      if (value === '0' || value === '1') return ok;
      const on = /^(true|yes|on)$/i.test(value);
      const off = /^(false|no|off)$/i.test(value);
      return invalid(on ? '"1" for on' : off ? '"0" for off' : '"0" (off) or "1" (on)');
    }
    case 'integer': {
      const unit = type.unit === undefined ? '' : ` (${type.unit})`;
      const expected = `a whole number from ${type.min} to ${type.max}${unit}`;
      // Decimal only: PgBouncer reads 010 as eight.
      if (!/^(0|[1-9]\d{0,9})$/.test(value)) return invalid(expected);
      const n = Number(value);
      return n >= type.min && n <= type.max ? ok : invalid(expected);
    }
    case 'duration': {
      const expected = `a number of seconds from ${type.min} to ${type.max}, without a unit`;
      if (!/^\d{1,9}(\.\d{1,6})?$/.test(value)) return invalid(expected);
      const n = Number(value);
      return n >= type.min && n <= type.max ? ok : invalid(expected);
    }
    case 'choice':
      return type.values.includes(value) ? ok : invalid(`one of ${type.values.join(', ')}`);
    case 'choices': {
      const fine = value.split(type.separator).every((word) => type.values.includes(word));
      const list = type.separator === ',' ? 'comma' : 'colon';
      return fine ? ok : invalid(`a ${list} list of: ${type.values.join(', ')}`);
    }
    case 'names':
      return /^([A-Za-z_][A-Za-z0-9_.]*(\s*,\s*[A-Za-z_][A-Za-z0-9_.]*)*)?$/.test(value)
        ? ok
        : invalid('a comma list of names of Postgres parameters');
    case 'text':
      return ok;
  }
}
