// What is said of a server by everyone who says something: its object, or the pools that name it as an endpoint. The
// controller and `spillway plan` size servers from this, and from nothing that one pool alone says.
import type { ConnectionPoolSpec } from '../../api/connection-pool.ts';
import type { Found } from '../../postgres/adapter.ts';
import { type EndpointSaid, endpointsFacts } from '../../postgres/endpoint.ts';
import type { PostgresTarget } from '../budget-name.ts';

type Postgres = ConnectionPoolSpec['postgres'];

/** One pool that draws from the budget, in whatever role, whether it may or not. */
export interface Sayer {
  readonly namespace: string;
  readonly name: string;
  readonly postgres: Postgres;
}

export interface DeclaredInput {
  /** `namespace/name` of the ConnectionBudget. */
  readonly budgetKey: string;
  /** spec.postgres of that budget, where there is one. */
  readonly owner: PostgresTarget | undefined;
  readonly role: Postgres['role'];
  readonly pools: readonly Sayer[];
  /** Reads the object of a cluster; the namespace is that of who names it. */
  readonly find: (postgres: Postgres, namespace: string) => Found;
  /** Puts together what is said of an endpoint: `endpointsFacts`, or the same with a memory. */
  readonly together?: (said: readonly EndpointSaid[]) => Found;
}

/** Pure but for `find`; the order of the pools does not matter. Without the server's own word. */
export function declaredFacts(input: DeclaredInput): Found {
  const { budgetKey, owner, role, pools, find, together = endpointsFacts } = input;
  const home = budgetKey.slice(0, budgetKey.indexOf('/'));
  if (owner?.clusterRef !== undefined) {
    return find({ clusterRef: { ...owner.clusterRef, namespace: home }, role }, home);
  }
  const said: EndpointSaid[] = [];
  for (const { namespace, name, postgres } of pools) {
    if (postgres.clusterRef !== undefined) return find({ ...postgres, role }, namespace);
    if (postgres.endpoint === undefined) continue;
    said.push({ endpoint: postgres.endpoint, by: `ConnectionPool ${namespace}/${name}` });
  }
  if (said.length > 0) return together(said);
  return {
    ok: false,
    fault: { reason: 'PostgresNotNamed', message: `no pool of ${budgetKey} names a Postgres` },
  };
}
