// The pools of one server and what sizing gives each: computed once for as long as nothing changes that it is made of,
// because every look at every pool of the server asks for it.
import type { ConnectionBudgetSpec } from '../api/connection-budget.ts';
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import { specWithUsers } from '../core/pool/access.ts';
import { mayAttach, namespaceMax } from '../core/pool/attach.ts';
import { type SizedPool, type SizedServer, sizeServer } from '../core/sizing/size-server.ts';
import type { KubeObject } from '../kube/types.ts';
import type { ServerFacts } from '../postgres/adapter.ts';
import type { Context } from './context.ts';
import { axisFor } from './gather.ts';
import { namesOfServer, poolsOfServer, rootOf } from './groups.ts';

export interface ServerPools {
  readonly pools: readonly SizedPool[];
  readonly server: SizedServer;
}

interface Known extends ServerPools {
  readonly facts: ServerFacts;
  readonly owner: ConnectionBudgetSpec | undefined;
  readonly specs: readonly unknown[];
}

export class Servers {
  readonly #known = new Map<string, Known>();

  /** `role` is that of the pools; `facts` are of the server in this role. */
  of(
    context: Pick<Context, 'world' | 'engine'>,
    budgetKey: string,
    role: ConnectionPoolSpec['postgres']['role'],
    facts: ServerFacts,
  ): ServerPools {
    const { world } = context;
    // By whatever name a pool reaches the server: all of its pools share what it has.
    const root = rootOf(world, { budgetKey, role });
    const owner = world.budgets.getKey(root.budgetKey)?.spec as ConnectionBudgetSpec | undefined;
    const objects = namesOfServer(world, root).flatMap((one) => poolsOfServer(world, one));
    const specs = objects.map((pool) => pool.spec);
    const key = `${root.budgetKey} ${root.role}`;
    const known = this.#known.get(key);
    if (known !== undefined && known.facts === facts && known.owner === owner) {
      if (specs.length === known.specs.length && specs.every((s, i) => s === known.specs[i])) {
        return known;
      }
    }
    const home = root.budgetKey.slice(0, root.budgetKey.indexOf('/'));
    const pools = objects.flatMap((pool) => sized(context, pool, home, owner, facts));
    const server = sizeServer(facts, owner, pools);
    const made: Known = { pools, server, facts, owner, specs };
    this.#known.set(key, made);
    return made;
  }

  /** Of a budget that is gone. */
  forget(budgetKey: string): void {
    for (const role of ['primary', 'replicas']) this.#known.delete(`${budgetKey} ${role}`);
  }
}

/** The pool as sizing sees it; nothing when it may not draw from the server or cannot be bounded. */
function sized(
  context: Pick<Context, 'engine'>,
  object: KubeObject,
  home: string,
  owner: ConnectionBudgetSpec | undefined,
  facts: ServerFacts,
): SizedPool[] {
  const { uid = '', namespace = '', name, creationTimestamp = '' } = object.metadata;
  const spec = specWithUsers(specOf(object), facts);
  const axis = axisFor(context, { spec });
  if (!axis.ok || spec.users === undefined) return [];
  if (owner !== undefined && !mayAttach(namespace, home, owner)) return [];
  const max = namespaceMax(namespace, home, owner);
  return [
    {
      uid,
      namespace,
      name,
      createdAt: creationTimestamp,
      spec,
      entries: axis.entries.length,
      ...(max === undefined ? {} : { namespaceMax: max }),
    },
  ];
}

function specOf(pool: KubeObject): ConnectionPoolSpec {
  return pool.spec as ConnectionPoolSpec;
}
