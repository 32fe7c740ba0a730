// From the stores to what the plans are made from.

import type { ConnectionBudgetStatus } from '../api/connection-budget.ts';
import type { ConnectionPoolSpec } from '../api/connection-pool.ts';
import type { ConnectionPool } from '../api/resources.ts';
import { isShared } from '../api/workload.ts';
import { boundedCharge } from '../core/ledger/bounded.ts';
import { charge } from '../core/ledger/state.ts';
import { type AxisOf, axisNameOf, axisOf } from '../core/plan-pool.ts';
import { isOwnedBy } from '../core/pool/labels.ts';
import { comesTooLate } from '../core/pool/late.ts';
import { namesOf } from '../core/pool/names.ts';
import { readConsoleSecret } from '../core/pool/objects/console-secret.ts';
import { USER_LIST_KEY } from '../core/pool/paths.ts';
import {
  dataOf,
  type PoolObjects,
  type ReadUserList,
  readHolders,
  runningKeys,
} from '../core/pool/read.ts';
import { readShared } from '../core/pool/read-shared.ts';
import type { Engine } from '../engines/engine.ts';
import type { KubeObject } from '../kube/types.ts';
import type { Context } from './context.ts';
import { poolUidOf } from './trim.ts';
import { statusOf } from './world.ts';

/** The API server has checked and completed the object; what it does not know is checked by the plan. */
export function asPool(object: KubeObject): ConnectionPool {
  const { name, namespace = '', uid = '', resourceVersion = '', generation = 0 } = object.metadata;
  const { creationTimestamp, deletionTimestamp } = object.metadata;
  return {
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion,
      generation,
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    spec: object.spec as ConnectionPoolSpec,
    status: statusOf(object),
  };
}

/** What there is of a pool, by its uid: objects of a predecessor under its name are not its own. */
export function objectsOf({ world, consoles, engine }: Context, pool: ConnectionPool): PoolObjects {
  const { namespace, name, uid } = pool.metadata;
  const names = namesOf(name);
  const own = (object: KubeObject | undefined) => ownedBy(pool, object);
  return {
    name,
    uid,
    grants: pool.status.grants ?? [],
    configMap: own(world.configMaps.get(namespace, names.configMap)),
    workload: pool.spec.pooler.workload,
    statefulSet: own(world.statefulSets.get(namespace, names.statefulSet)),
    deployment: own(world.deployments.get(namespace, names.deployment)),
    pods: world.podsOf(namespace, name).filter((pod) => poolUidOf(pod) === uid),
    consoles: consoles.records,
    userList: userListOf(
      engine,
      own(world.secrets.get(namespace, names.userListSecret)),
      own(world.secrets.get(namespace, names.consoleSecret)),
    ),
  };
}

/** The object, if this very pool controls it. */
export function ownedBy(
  { metadata }: Pick<ConnectionPool, 'metadata'>,
  object: KubeObject | undefined,
): KubeObject | undefined {
  return object !== undefined && isOwnedBy(object.metadata, metadata) ? object : undefined;
}

function userListOf(
  engine: Engine,
  secret: KubeObject | undefined,
  consoleSecret: KubeObject | undefined,
): ReadUserList | undefined {
  const list = readList(secret, consoleSecret);
  const mark = list && engine.userMarkOf(list.text);
  if (list === undefined || mark === undefined) return undefined;
  const { text, seed } = list;
  return { text, mark, users: engine.usersOf(text, seed), revoked: engine.revokedOf(text, seed) };
}

/** The same by the pool's name, whoever owns the objects. */
export function userListIn(
  world: Context['world'],
  engine: Engine,
  namespace: string,
  pool: string,
): ReadUserList | undefined {
  const { consoleSecret, userListSecret } = namesOf(pool);
  return userListOf(
    engine,
    world.secrets.get(namespace, userListSecret),
    world.secrets.get(namespace, consoleSecret),
  );
}

/** The list of users as it is written, and the secret that it was made with. */
export function readList(
  secret: KubeObject | undefined,
  consoleSecret: KubeObject | undefined,
): { readonly text: string; readonly seed: string } | undefined {
  const encoded = dataOf(secret)[USER_LIST_KEY];
  const seed = readConsoleSecret(dataOf(consoleSecret))?.markSecret;
  if (encoded === undefined || seed === undefined) return undefined;
  return { text: Buffer.from(encoded, 'base64').toString('utf8'), seed };
}

/** See `comesTooLate`. */
export function isLate(pool: KubeObject, budget: KubeObject | undefined): boolean {
  const { uid = '', creationTimestamp = '' } = pool.metadata;
  return comesTooLate(
    { uid, createdAt: creationTimestamp, taken: statusOf(pool).allotment },
    {
      deletedAt: budget?.metadata.deletionTimestamp,
      status: budget?.status as ConnectionBudgetStatus | undefined,
    },
  );
}

/** The sum of the charges of a pool's holders; infinite when one is unknown. */
export function chargeOf(context: Context, pool: ConnectionPool, axis: AxisOf): number {
  const which = axis.ok ? axis.axis : axisNameOf(pool.spec);
  const objects = objectsOf(context, pool);
  if (isShared(pool.spec)) return boundedCharge(readShared(objects, which, context.engine, false));
  const holders = readHolders(objects, which, context.engine);
  return holders.reduce((total, holder) => total + charge(holder), 0);
}

/** Every live process of the pool was asked once since this operator started, whether it answered or not. */
export function allAsked({ world, consoles }: Context, pool: ConnectionPool): boolean {
  const { namespace, name } = pool.metadata;
  return world
    .podsOf(namespace, name)
    .every(
      (pod) =>
        pod.metadata.deletionTimestamp !== undefined ||
        runningKeys(pod).every((key) => consoles.records.has(key)),
    );
}

/** By spec as the store has it, which is never changed. */
const axes = new WeakMap<ConnectionPoolSpec, AxisOf>();

export function axisFor(
  { engine }: Pick<Context, 'engine'>,
  { spec }: Pick<ConnectionPool, 'spec'>,
): AxisOf {
  const axis = axes.get(spec) ?? axisOf(spec, engine);
  axes.set(spec, axis);
  return axis;
}
