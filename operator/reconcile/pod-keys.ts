// Keys of single pods in the queues of consoles and drains: one that is slow holds up no other of its pool.
import type { World } from './world.ts';

/** One for each pod of a pool, whose key is `namespace/name`. */
export function podKeysOf(world: Pick<World, 'podsOf'>, poolKey: string): string[] {
  const [namespace = '', pool = ''] = poolKey.split('/');
  return world.podsOf(namespace, pool).map(({ metadata }) => `${poolKey}/${metadata.name}`);
}

export function partsOf(key: string) {
  const [namespace = '', pool = '', pod = ''] = key.split('/');
  return { namespace, pool, pod, poolKey: `${namespace}/${pool}` };
}
