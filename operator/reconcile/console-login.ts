// Where the processes of a pool let the operator in, and with what.
import { namesOf, ordinalOf, peerIdOf } from '../core/pool/names.ts';
import { CONSOLE_USER, readConsoleSecret } from '../core/pool/objects/console-secret.ts';
import { LISTEN_PORT, USER_LIST_KEY } from '../core/pool/paths.ts';
import { dataOf, processAddress, processesOfPod } from '../core/pool/read.ts';
import type { ConsoleAddress, Engine } from '../engines/engine.ts';
import type { KubeObject } from '../kube/types.ts';
import type { World } from './world.ts';

export interface ConsoleLogin {
  readonly user: string;
  readonly password: string;
}

/**
 * What the list of users says, because that is what the processes have read: a console Secret that somebody deletes or
 * edits must not lock the operator out, since only over the console can a process be told of another password. The
 * Secret counts where there is no list, or one that was edited.
 */
export function consoleLogin(
  world: World,
  engine: Engine,
  namespace: string,
  pool: string,
): ConsoleLogin | undefined {
  const names = namesOf(pool);
  const list = dataOf(world.secrets.get(namespace, names.userListSecret))[USER_LIST_KEY] ?? '';
  const listed = engine.secretOf(Buffer.from(list, 'base64').toString('utf8'), CONSOLE_USER);
  if (listed !== undefined) return { user: CONSOLE_USER, password: listed };
  return readConsoleSecret(dataOf(world.secrets.get(namespace, names.consoleSecret)));
}

/**
 * Where the console of a process of a pod of the pool is asked, and as whom; undefined while it has no address, or no
 * login is there. Where several share the pod's port a call has the time of as many: it may come to each of them first.
 */
export function consoleAddress(
  world: World,
  engine: Engine,
  pool: { readonly namespace: string; readonly name: string },
  pod: KubeObject,
  process: number,
  call: Pick<ConsoleAddress, 'timeoutMs'> & { readonly signal: AbortSignal },
): ConsoleAddress | undefined {
  const { namespace, name } = pool;
  const host = processAddress(pod, process);
  const of = processesOfPod(pod);
  // Only pods of a StatefulSet have an ordinal, and several processes.
  const ordinal = ordinalOf(name, pod.metadata.name);
  const peer = of === 1 || ordinal === undefined ? undefined : peerIdOf(ordinal, process);
  const credential = consoleLogin(world, engine, namespace, name);
  if (host === undefined || credential === undefined) return undefined;
  if (of > 1 && peer === undefined) return undefined;
  return {
    host,
    port: LISTEN_PORT,
    user: credential.user,
    password: credential.password,
    ...call,
    ...(peer === undefined
      ? {}
      : { timeoutMs: of * call.timeoutMs, process: { peerId: peer, of } }),
    ...(world.requiresTls(namespace, name) ? { tls: {} } : {}),
  };
}
