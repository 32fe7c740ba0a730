// The facts of a server that no object in the cluster stands for: what its owner says of it.
import type { Endpoint } from '../api/postgres-target.ts';
import { milliOf } from '../api/quantity.ts';
import type { Found } from './adapter.ts';

export function endpointFacts(endpoint: Endpoint): Found {
  const field = (name: string) => `spec.postgres.endpoint.${name}`;
  const milliCores = milliOf(endpoint.cores);
  if (milliCores === undefined || milliCores <= 0) {
    return {
      ok: false,
      fault: {
        reason: 'CoresInvalid',
        message: `${field('cores')}: "${endpoint.cores}" is not a number of cores above 0: write 8, "8" or "2500m"`,
      },
    };
  }
  return {
    ok: true,
    facts: {
      host: endpoint.host,
      port: endpoint.port,
      milliCores: { value: milliCores, source: field('cores') },
      instances: 1,
      replicas: 0,
      maxConnections: { value: endpoint.maxConnections, source: field('maxConnections') },
      reservedConnections: {
        value: endpoint.reservedConnections,
        source: field('reservedConnections'),
      },
    },
  };
}
