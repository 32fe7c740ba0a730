// What the operator has not written yet, of all that it has to write for a fleet.
import type { Fleet } from './fleet.ts';
import { type Kind, pathOf, pluralOf } from './pattern.ts';
import type { PlainClient, PlainObject } from './plain-client.ts';
import { lackOfBudget, lackOfPool } from './whole.ts';

/** One line for each kind of which objects are missing and each fault of a status; nothing when all is well. */
export async function missing(client: PlainClient, fleet: Fleet): Promise<string[]> {
  const faults: string[] = [];
  const wanted: Readonly<Partial<Record<Kind, number>>> = {
    ServiceAccount: fleet.pools,
    Secret: 2 * fleet.pools,
    ConfigMap: fleet.pools,
    Service: 2 * fleet.pools,
    NetworkPolicy: fleet.pools,
    PodDisruptionBudget: fleet.pools,
    StatefulSet: fleet.pools,
  };
  const selector = '?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dspillway';
  for (const [kind, count] of Object.entries(wanted) as [Kind, number][]) {
    const found = await client.list(`${pathOf(kind)}${selector}`);
    if (found.length !== count) {
      faults.push(`${found.length} of ${count} ${pluralOf(kind)}`);
    }
    if (kind !== 'StatefulSet') continue;
    const idle = found.filter((s) => ((s.spec as { replicas?: number }).replicas ?? 0) === 0);
    if (idle.length > 0) faults.push(`${idle.length} statefulsets ask for no pod`);
  }
  const pools = await client.list(pathOf('ConnectionPool'));
  // One that its owner made has no label of ours.
  const budgets = await client.list(pathOf('ConnectionBudget'));
  if (budgets.length !== fleet.clusters) {
    faults.push(`${budgets.length} of ${fleet.clusters} connectionbudgets`);
  }
  const of = Map.groupBy(pools, ({ metadata }) => metadata.namespace);
  const uids = ({ metadata }: PlainObject) =>
    (of.get(metadata.namespace) ?? []).map((pool) => pool.metadata.uid ?? '');
  faults.push(
    ...counted('pools', pools.map(lackOfPool)),
    ...counted(
      'budgets',
      budgets.map((budget) => lackOfBudget(budget, uids(budget))),
    ),
  );
  return faults;
}

function counted(what: string, lacks: readonly (string | undefined)[]): string[] {
  const found = lacks.filter((lack) => lack !== undefined);
  return [...Map.groupBy(found, (lack) => lack)].map(
    ([lack, { length }]) => `${length} ${what}: ${lack}`,
  );
}
