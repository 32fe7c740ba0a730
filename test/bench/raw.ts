// The limit: the very objects that the operator writes, by plain POSTs, and their statuses by plain PUTs.
import { type Fleet, namespaceOf } from './fleet.ts';
import { fill, type Kind, type Pattern, pathOf } from './pattern.ts';
import { type PlainClient, type PlainObject, sideBySide } from './plain-client.ts';

export interface Raw {
  readonly writes: number;
  readonly seconds: number;
  /** Of this process, which is the client. */
  readonly cpuMs: number;
}

/** How often the operator writes the status of each: the ledger needs more than one write. */
export interface StatusWrites {
  readonly ConnectionPool: number;
  readonly ConnectionBudget: number;
}

interface Status {
  readonly live: PlainObject;
  readonly text: string;
}

/** The fleet is there, and nothing of what the operator makes. Bodies are made before the clock starts. */
export async function measureRaw(
  client: PlainClient,
  fleet: Fleet,
  pattern: Pattern,
  times: StatusWrites,
  inFlight: number,
): Promise<Raw> {
  const live = await client.list(pathOf('ConnectionPool'));
  const byName = new Map(live.map((pool) => [pool.metadata.name, pool]));
  const uids = new Map(live.map((pool) => [pool.metadata.name, pool.metadata.uid ?? '']));
  const posts: { kind: Kind; path: string; text: string }[] = [];
  const statuses: Status[] = [];
  for (let cluster = 0; cluster < fleet.clusters; cluster++) {
    const namespace = namespaceOf(cluster);
    const filled = (text: string) => fill(text, pattern, fleet, cluster, uids);
    for (const { kind, text } of pattern.objects) {
      posts.push({ kind, path: pathOf(kind, namespace), text: filled(text) });
    }
    for (const { kind, name, text } of pattern.statuses) {
      const pool = byName.get(filled(name));
      if (kind === 'ConnectionPool' && pool !== undefined) {
        statuses.push({ live: pool, text: filled(text) });
      }
    }
  }
  const budgets = pattern.statuses.find((s) => s.kind === 'ConnectionBudget');
  let writes = 0;
  const cpu = process.cpuUsage();
  const started = performance.now();
  const put = async (kind: Kind, status: Status, count: number) => {
    let object = status.live;
    for (let i = 0; i < count; i++) {
      const { namespace, name } = object.metadata;
      const path = `${pathOf(kind, namespace)}/${name}/status`;
      // A status that says the same would not be written.
      const text = status.text.replaceAll(/("lastTransitionTime":"[^"]*:)[0-9]{2}Z/g, `$10${i}Z`);
      const body = JSON.stringify({ ...object, status: JSON.parse(text) });
      object = JSON.parse(await client.send('PUT', path, body)) as PlainObject;
      writes += 1;
    }
  };
  await sideBySide(posts, inFlight, async ({ kind, path, text }) => {
    const answer = await client.send('POST', path, text);
    writes += 1;
    if (kind !== 'ConnectionBudget' || budgets === undefined) return;
    const made = JSON.parse(answer) as PlainObject;
    const cluster = Number(/[0-9]+$/.exec(made.metadata.namespace ?? '')?.[0] ?? 0);
    const status = { live: made, text: fill(budgets.text, pattern, fleet, cluster, uids) };
    await put(kind, status, times.ConnectionBudget);
  });
  await sideBySide(statuses, inFlight, (status) =>
    put('ConnectionPool', status, times.ConnectionPool),
  );
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { writes, seconds, cpuMs: (user + system) / 1000 };
}
