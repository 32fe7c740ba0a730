// What the API server itself has counted: the other side of the operator's own figures.
import { readMetrics } from './metrics.ts';
import type { PlainClient } from './plain-client.ts';

/** Written by the API server for itself, or by the lease that says who leads. */
const notOurs = new Set([
  'apiservices',
  'customresourcedefinitions',
  'flowschemas',
  'leases',
  'prioritylevelconfigurations',
]);

const writing = new Set(['POST', 'PUT', 'PATCH', 'APPLY', 'DELETE', 'DELETECOLLECTION']);

/** Writes since its start, refused ones included, by `VERB resource`. */
export async function apiServerWrites(
  client: PlainClient,
): Promise<{ total: number; by: ReadonlyMap<string, number> }> {
  const by = new Map<string, number>();
  let total = 0;
  for (const { labels, value } of readMetrics(
    await client.send('GET', '/metrics'),
    'apiserver_request_total',
  )) {
    const { verb = '', resource = '', subresource = '' } = labels;
    if (!writing.has(verb) || notOurs.has(resource)) continue;
    const key = `${verb} ${resource}${subresource === '' ? '' : `/${subresource}`}`;
    by.set(key, (by.get(key) ?? 0) + value);
    total += value;
  }
  return { total, by };
}
