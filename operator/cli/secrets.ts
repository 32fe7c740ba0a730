// Secrets in files: their values, and what an API server would refuse of them. No message holds a value.
import { type FieldFault, formatPath } from '../api/parse.ts';
import type { RawObject } from '../postgres/adapter.ts';
import { asMap, asTexts } from '../postgres/raw.ts';

/** As the API server would keep it: stringData over data. A value that is not base64 is not there. */
export function decodedSecret(secret: RawObject): Readonly<Record<string, string>> {
  const data = Object.entries(asTexts(secret.data))
    .filter(([, value]) => isBase64(value))
    .map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')] as const);
  return { ...Object.fromEntries(data), ...asTexts(secret.stringData) };
}

/** Values of the wrong type, or not in base64. Total. */
export function judgeSecret(secret: RawObject): FieldFault[] {
  const faults: FieldFault[] = [];
  for (const field of ['data', 'stringData'] as const) {
    for (const [key, value] of Object.entries(asMap(secret[field]))) {
      const path = formatPath([field, key]);
      if (value === null) continue;
      if (typeof value !== 'string') {
        faults.push({ path, message: 'must be a string: put it in quotes' });
      } else if (field === 'data' && !isBase64(value)) {
        const message = 'is not base64: encode it, or write it as it is in stringData';
        faults.push({ path, message });
      }
    }
  }
  return faults;
}

/** As Go reads it: with its padding, and line ends anywhere. */
function isBase64(value: string): boolean {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(
    value.replaceAll(/[\r\n]/g, ''),
  );
}
