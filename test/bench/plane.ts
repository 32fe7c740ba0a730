// The API server that a part of the bench runs on, with a fleet on it.
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { applyFleet, applyResources, type Fleet } from './fleet.ts';
import { PlainClient } from './plain-client.ts';
import { childrenNamed, cpuMs } from './use.ts';

/** A new API server with the fleet applied and nothing else. */
export async function withPlane<T>(
  fleet: Fleet,
  inFlight: number,
  work: (plane: ControlPlane, client: PlainClient) => Promise<T>,
  apiServerFlags: readonly string[] = [],
): Promise<T> {
  const plane = await startControlPlane({ apiServerFlags });
  try {
    const client = await PlainClient.connect(plane.kubeconfig, inFlight);
    try {
      await applyResources(client);
      await applyFleet(client, fleet, inFlight);
      return await work(plane, client);
    } finally {
      await client.close();
    }
  } finally {
    await plane.stop();
  }
}

/** CPU time of the API server and etcd so far; milliseconds. */
export function serverCpu(plane: ControlPlane): number {
  const etcd = childrenNamed('etcd').reduce((total, pid) => total + cpuMs(pid), 0);
  return etcd + cpuMs(plane.apiServerPid());
}
