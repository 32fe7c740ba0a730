// One connection to the cluster's API server for a file of tests: a process of kubectl for each look costs too much.
import { Client } from '../../operator/kube/client.ts';
import { connectionSource, loadKubeConfig } from '../../operator/kube/config.ts';
import { Transport } from '../../operator/kube/transport.ts';

const transport = new Transport(connectionSource(loadKubeConfig()));

export const client = new Client(transport, 'tester');

export function closeClient(): Promise<void> {
  return transport.close();
}
