// Stores of the operator that say what a test says, for a pool `shop` whose pods are poolers on this machine.
import { DRAINING_ANNOTATION, labelsOf, SERVING_LABEL } from '../../operator/core/pool/labels.ts';
import { fileKey, namesOf } from '../../operator/core/pool/names.ts';
import type { Console, ConsoleAddress } from '../../operator/engines/engine.ts';
import { console as admin } from '../../operator/engines/pgbouncer/console.ts';
import type { Client } from '../../operator/kube/client.ts';
import type { KubeObject } from '../../operator/kube/types.ts';
import type { Shelf } from '../../operator/reconcile/shelf.ts';
import { World } from '../../operator/reconcile/world.ts';
import { adminUser } from '../engines/pooler.ts';

export const identity = { name: 'shop', namespace: 'shop', uid: 'u1' };
export const names = namesOf(identity.name);
const base64 = (text: string) => Buffer.from(text).toString('base64');
export const podName = (ordinal: number) => `shop-pooler-${ordinal}`;
/** Of the file that a pod reads. */
export const keyOfFile = (ordinal: number) => fileKey(`${podName(ordinal)}-0`, identity.uid, 1);
export const podUid = (ordinal: number) => `uid-${podName(ordinal)}`;
export const podKey = (ordinal: number) => `shop/shop/${podName(ordinal)}`;
/** Each pod has an address of its own; `portOf` leads from it to the pooler. */
export const hostOf = (ordinal: number) => `127.0.0.${ordinal + 1}`;

/** The address of a pod's console as it is in a test. Port 1: nobody listens. */
export function addressIn(
  poolers: readonly ({ readonly port: number } | undefined)[],
  address: ConsoleAddress,
): ConsoleAddress {
  const pooler = poolers[Number(address.host.split('.').at(-1)) - 1];
  return { ...address, host: '127.0.0.1', port: pooler?.port ?? 1 };
}

/** The console as the operator asks it, where the poolers are on this machine. */
export function consoleOf(poolers: Parameters<typeof addressIn>[0]): Console {
  const at = (address: ConsoleAddress) => addressIn(poolers, address);
  return {
    ...admin,
    observe: (address) => admin.observe(at(address)),
    reload: (address) => admin.reload(at(address)),
    reconnect: (address, databases) => admin.reconnect(at(address), databases),
  };
}

let version = 0;
export function put(shelf: Shelf, objects: readonly KubeObject[]): void {
  const resourceVersion = String(++version);
  shelf.reflectors[0]?.store.replace(
    objects.map((one) => ({ ...one, metadata: { ...one.metadata, resourceVersion } })),
    resourceVersion,
  );
}

export function object(kind: string, name: string, more: object): KubeObject {
  const labels = { ...labelsOf(identity) };
  const metadata = { namespace: identity.namespace, name, uid: `uid-${name}`, labels };
  return { apiVersion: 'v1', kind, metadata, ...more };
}

/** `drainingSince` in RFC 3339: out of the Service since then. */
export function pod(ordinal: number, drainingSince?: string): KubeObject {
  const one = object('Pod', podName(ordinal), {
    spec: {
      containers: [{ name: 'pooler', args: [`/etc/spillway/${keyOfFile(ordinal)}`] }],
    },
    status: {
      podIP: hostOf(ordinal),
      containerStatuses: [{ state: { running: {} } }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  });
  if (drainingSince === undefined) return one;
  const labels = { ...one.metadata.labels, [SERVING_LABEL]: 'false' };
  const annotations = { [DRAINING_ANNOTATION]: drainingSince };
  return { ...one, metadata: { ...one.metadata, labels, annotations } };
}

/** With pods and the login of the operator. */
export function worldOf(pods: readonly KubeObject[]): World {
  const world = new World({ client: {} as Client, namespaces: [], operatorNamespace: 'system' });
  put(world.pods, pods);
  const data = { username: base64(adminUser.name), password: base64(adminUser.secret) };
  put(world.secrets, [
    object('Secret', names.consoleSecret, { data: { ...data, mark: base64('m') } }),
  ]);
  return world;
}

/** No replica was ever promoted. */
export const noRenewals = {
  look: () => undefined,
  told: () => undefined,
  forget: () => undefined,
};
