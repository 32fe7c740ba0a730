// One line of a watch: JSON from outside, not to be trusted to be what it should be.
import { ApiError, TransportError } from './errors.ts';
import { type KubeObject, keyOf } from './types.ts';

/** What a line of a watch says. */
export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; object: T }
  | { type: 'ERROR'; error: ApiError };

/** One line of a watch. Throws TransportError 'garbage' for what is not one. */
export function parseLine<T extends KubeObject>(line: string): WatchEvent<T> {
  let event: { type?: unknown; object?: unknown } | null;
  try {
    event = JSON.parse(line);
  } catch {
    throw new TransportError('garbage', 'a watch line that is not JSON');
  }
  const object = event?.object;
  if (typeof object !== 'object' || object === null) {
    throw new TransportError('garbage', 'a watch line without an object');
  }
  switch (event?.type) {
    case 'ERROR': {
      const status: StatusLine = object;
      const error = new ApiError(
        typeof status.code === 'number' ? status.code : 500,
        status.reason ?? 'Unknown',
        status.message ?? 'the watch ended with an error',
        status.details?.retryAfterSeconds,
        (status.details?.causes ?? []).map((cause) => ({
          reason: cause.reason ?? '',
          message: cause.message ?? '',
          field: '',
        })),
      );
      return { type: 'ERROR', error };
    }
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK': {
      if (!isObject<T>(object)) throw new TransportError('garbage', 'an object without metadata');
      return { type: event.type, object };
    }
    default:
      throw new TransportError('garbage', 'a watch line of an unknown type');
  }
}

/** Which version of which object a line brings. */
export interface Brought {
  readonly key: string;
  readonly uid: string;
  readonly version: string;
}

/** Fields in the order of the API server's own types. */
const builtIn =
  /^\{"type":"(?:ADDED|MODIFIED)","object":\{"kind":"[A-Za-z]+","apiVersion":"[a-z0-9./]+","metadata":\{"name":"([^"\\]*)"(?:,"generateName":"[^"\\]*")?(?:,"namespace":"([^"\\]*)")?,"uid":"([^"\\]*)","resourceVersion":"([^"\\]*)"/;
/** Custom resources have their fields by name: metadata comes before spec, with its own fields by name too. */
const custom =
  /^\{"type":"(?:ADDED|MODIFIED)","object":\{"apiVersion":"[a-z0-9./]+","kind":"[A-Za-z]+","metadata":\{/;
const customEnd =
  /"name":"([^"\\]*)"(?:,"namespace":"([^"\\]*)")?(?:,"ownerReferences":\[[^\]]*\])?,"resourceVersion":"([^"\\]*)","uid":"([^"\\]*)"\}$/;

/** What the line brings, from its beginning alone; undefined where that does not tell. */
export function broughtBy(line: string): Brought | undefined {
  const [, name, namespace, uid, version] = builtIn.exec(line) ?? [];
  if (name !== undefined && uid !== undefined && version !== undefined) {
    return { key: keyOf({ namespace, name }), uid, version };
  }
  return custom.test(line) ? broughtByCustom(line) : undefined;
}

/** A quote inside a text is escaped, so that the first `,"spec":{` after a bracket ends the metadata. */
function broughtByCustom(line: string): Brought | undefined {
  const end = line.indexOf('},"spec":{');
  if (end < 0) return undefined;
  const [, name, namespace, version, uid] = customEnd.exec(line.slice(end - 400, end + 1)) ?? [];
  if (name === undefined || uid === undefined || version === undefined) return undefined;
  return { key: keyOf({ namespace, name }), uid, version };
}

interface StatusLine {
  code?: unknown;
  reason?: string;
  message?: string;
  details?: { retryAfterSeconds?: number; causes?: { reason?: string; message?: string }[] };
}

function isObject<T extends KubeObject>(object: object): object is T {
  if (!('metadata' in object)) return false;
  return typeof object.metadata === 'object' && object.metadata !== null;
}
