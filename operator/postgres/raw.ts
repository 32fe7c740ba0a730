// Reading raw objects of unknown shape without a throw: each reader answers undefined for what is not there.

import { milliOf } from '../api/quantity.ts';

export type RawMap = Readonly<Record<string, unknown>>;

export function asMap(value: unknown): RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as RawMap)
    : {};
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Non-empty text. */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The largest int32, which is what Kubernetes and Postgres count with. */
const MOST = 2 ** 31 - 1;

/** A whole number from 0, also when written as text. */
export function asCount(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^[0-9]{1,10}$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= MOST
    ? number
    : undefined;
}

/** Cores in thousandths, above 0; undefined for what is no quantity, or more than a machine can have. */
export function asMilliCores(value: unknown): number | undefined {
  const milli = milliOf(value);
  return milli !== undefined && milli > 0 && milli <= MOST ? milli : undefined;
}

/** The value at a path of keys. */
export function at(value: unknown, ...keys: readonly string[]): unknown {
  return keys.reduce((inner, key) => asMap(inner)[key], value);
}

/** The entries whose values are texts. */
export function asTexts(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(asMap(value)).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
}

/** Without the fields that are undefined, as an optional property wants it. */
export function defined<T extends object>(
  fields: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
