// The facts of a server as all of its pools see it: what its object or its pools say, put together with what it said
// of itself. Sizes are made from these and from no others.
import type {
  ConnectionBudgetSpec,
  ConnectionBudgetStatus,
  ObservedServer,
} from '../api/connection-budget.ts';
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import { declaredFacts as declared } from '../core/sizing/declared.ts';
import { leastOf, type ObservedLimits, withObserved } from '../core/sizing/observed.ts';
import type { KubeObject } from '../kube/types.ts';
import type { Found, ServerFacts } from '../postgres/adapter.ts';
import { type EndpointSaid, endpointsFacts } from '../postgres/endpoint.ts';
import type { Context } from './context.ts';
import { findFacts } from './facts.ts';
import { namesOfServer, poolsOfBudget, ROLES, rootOf } from './groups.ts';
import type { World } from './world.ts';

type Ground = Pick<Context, 'world' | 'settings'>;
type Role = ConnectionPoolSpec['postgres']['role'];

/** As they count, with what is written down of the server's own word. */
export function serverFacts(context: Ground, budgetKey: string, role: Role): Found {
  return factsWith(context, budgetKey, role, writtenObserved(context.world, budgetKey));
}

/** As they count with these words of the server. The same facts and words give the same object. */
export function factsWith(
  context: Ground,
  budgetKey: string,
  role: Role,
  observed: readonly ObservedServer[],
): Found {
  const { world } = context;
  const found = declaredFacts(context, budgetKey, role);
  const root = rootOf(world, { budgetKey, role });
  const words = leastOf(
    namesOfServer(world, root).flatMap((one) => {
      const isOwn = one.budgetKey === budgetKey;
      const all = isOwn ? observed : writtenObserved(world, one.budgetKey);
      return all.filter(({ server }) => server === one.role);
    }),
  );
  return found.ok && words !== undefined
    ? { ok: true, facts: put(found.facts, words, root.role) }
    : found;
}

/** What the object says, or the pools of an endpoint by all its names; without the server's own word. */
export function declaredFacts(context: Ground, anyKey: string, anyRole: Role): Found {
  const { world } = context;
  const { budgetKey, role } = rootOf(world, { budgetKey: anyKey, role: anyRole });
  const owner = (world.budgets.getKey(budgetKey)?.spec as ConnectionBudgetSpec | undefined)
    ?.postgres;
  // Where an object speaks, its many pools are not asked: every look at every pool comes here.
  const keys = new Set(
    owner?.clusterRef !== undefined
      ? []
      : ROLES.flatMap((one) =>
          namesOfServer(world, { budgetKey, role: one }).map((name) => name.budgetKey),
        ),
  );
  const pools = [...keys].flatMap((key) => poolsOfBudget(world, key));
  const known = endpoints.get(world)?.get(budgetKey);
  if (
    known?.specs.length === pools.length &&
    pools.length > 0 &&
    pools.every((pool, i) => pool.spec === known.specs[i])
  ) {
    return known.found;
  }
  return declared({
    budgetKey,
    owner,
    role,
    pools: pools.map(({ metadata: { namespace = '', name }, spec }) => ({
      namespace,
      name,
      postgres: (spec as ConnectionPoolSpec).postgres,
    })),
    find: (postgres, namespace) => findFacts(context, postgres, namespace),
    together: (said) => endpointOf(world, budgetKey, pools, said),
  });
}

export function writtenObserved(world: World, budgetKey: string): readonly ObservedServer[] {
  const status = world.budgets.getKey(budgetKey)?.status as ConnectionBudgetStatus | undefined;
  return status?.observed ?? [];
}

/** By the facts; a server says the same for months, and every look at every pool asks. */
const puts = new WeakMap<ServerFacts, Map<string, ServerFacts>>();

function put(facts: ServerFacts, observed: ObservedLimits, role: Role): ServerFacts {
  const { maxConnections, superuserReserved, reserved, inRecovery, systemIdentifier } = observed;
  const text = [role, maxConnections, superuserReserved, reserved, inRecovery, systemIdentifier];
  const key = text.join(' ');
  const known = puts.get(facts)?.get(key);
  if (known !== undefined) return known;
  const made = withObserved(facts, observed, role);
  puts.set(facts, new Map([[key, made]]));
  return made;
}

interface Said {
  readonly specs: readonly unknown[];
  readonly text: string;
  readonly found: Found;
}

/** By budget. The same words give the same object, because sizes are computed anew when it is another one. */
const endpoints = new WeakMap<World, Map<string, Said>>();

function endpointOf(
  world: World,
  budgetKey: string,
  pools: readonly KubeObject[],
  said: readonly EndpointSaid[],
): Found {
  const byBudget = endpoints.get(world) ?? new Map<string, Said>();
  endpoints.set(world, byBudget);
  const before = byBudget.get(budgetKey);
  const made = endpointsFacts(said);
  const text = JSON.stringify(made);
  const found = before?.text === text ? before.found : made;
  byBudget.set(budgetKey, { specs: pools.map((pool) => pool.spec), text, found });
  return found;
}

/** What a pool says of its Postgres: where it connects to itself, and what is known of the server there. */
export function seenFacts(own: ServerFacts, server: Found): ServerFacts {
  if (!server.ok) return own;
  const { maxConnections, reservedConnections, warning } = server.facts;
  return {
    ...own,
    maxConnections,
    reservedConnections,
    ...(warning === undefined ? {} : { warning }),
  };
}
