// Keys of single processes in the queues of consoles and drains: one that is slow holds up no other of its pool.
import { numbersOf } from '../core/pool/read.ts';
import type { World } from './world.ts';

/** One for each process of the pods of a pool, whose key is `namespace/name`. */
export function podKeysOf(world: Pick<World, 'podsOf'>, poolKey: string): string[] {
  const [namespace = '', pool = ''] = poolKey.split('/');
  return world
    .podsOf(namespace, pool)
    .flatMap((pod) => numbersOf(pod).map((process) => keyOf(poolKey, pod.metadata.name, process)));
}

function keyOf(poolKey: string, pod: string, process: number): string {
  return `${poolKey}/${pod}${process === 0 ? '' : `/${process}`}`;
}

export function partsOf(key: string) {
  const [namespace = '', pool = '', pod = '', process = '0'] = key.split('/');
  return { namespace, pool, pod, process: Number(process), poolKey: `${namespace}/${pool}` };
}
