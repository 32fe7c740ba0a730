// Who holds what a process is to give back, in words: in session mode a connection comes back when its client leaves.
import type { CapAxis, CapEntry, Observation } from '../../engines/engine.ts';
import { some } from '../pool/some.ts';

/**
 * Like "holds 3 more than its file allows: database a (user batch 3, user web 1)": each entry with who has server
 * connections in it, the most first. Undefined where it holds no more than `caps`, those of its file.
 */
export function heldInWords(
  { sessions, pools }: Pick<Observation, 'sessions' | 'pools'>,
  axis: CapAxis,
  caps: readonly CapEntry[],
): string | undefined {
  const other = axis === 'database' ? 'user' : 'database';
  const allowed = new Map(caps.map(({ name, connections }) => [name, connections]));
  const over = Object.entries(axis === 'database' ? sessions.byDatabase : sessions.byUser)
    .map(([name, connections]) => ({ name, more: connections - (allowed.get(name) ?? 0) }))
    .filter(({ more }) => more > 0)
    .sort((a, b) => b.more - a.more || (a.name < b.name ? -1 : 1));
  if (over.length === 0) return undefined;
  const words = over.map(({ name }) => {
    const holders = pools
      .filter((pool) => pool[axis] === name && pool.serversActive > 0)
      .sort((a, b) => b.serversActive - a.serversActive || (a[other] < b[other] ? -1 : 1))
      .map((pool) => `${other} ${pool[other]} ${pool.serversActive}`);
    return `${axis} ${name}${holders.length === 0 ? '' : ` (${some(holders)})`}`;
  });
  const more = over.reduce((sum, entry) => sum + entry.more, 0);
  return `holds ${more} more than its file allows: ${some(words)}`;
}
