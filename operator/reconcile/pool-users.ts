// Who may log in to a pool's processes: the passwords that it may know, whom the list names, and the console.
import { randomBytes } from 'node:crypto';
import type { ConnectionBudgetSpec } from '../api/connection-budget.ts';
import type { ConnectionPool } from '../api/resources.ts';
import { isConfirmed } from '../core/ledger/state.ts';
import { type Access, sharedFault } from '../core/pool/access.ts';
import { namesOf } from '../core/pool/names.ts';
import { CONSOLE_USER, readConsoleSecret } from '../core/pool/objects/console-secret.ts';
import { dataOf, type PoolObjects, processKey, recordsOf, runningKeys } from '../core/pool/read.ts';
import { readProcesses } from '../core/pool/read-shared.ts';
import type { ServerTlsChoice } from '../core/pool/server-tls.ts';
import type { ConsoleCredential, PoolView, UserCredential } from '../core/pool/view.ts';
import type { Fault } from '../postgres/adapter.ts';
import type { Run } from '../runtime/controller.ts';
import { consoleLogin } from './console-login.ts';
import type { Context } from './context.ts';

/** The passwords that the pool may know. */
export function credentialsOf(
  { world, passwords }: Context,
  access: Access,
  pool: ConnectionPool,
  budgetKey: string | undefined,
  run: Run,
): Promise<{ users: UserCredential[]; faults: Fault[] }> {
  const budget = budgetKey === undefined ? undefined : world.budgets.getKey(budgetKey);
  const owner = budget?.spec as ConnectionBudgetSpec | undefined;
  const fault = sharedFault(access, pool.metadata.namespace, owner, budgetKey);
  return fault === undefined
    ? passwords.of(access.users, run.signal)
    : Promise.resolve({ users: [], faults: [fault] });
}

/** Pods cannot start without the Secret that they mount. */
export function caMissing(namespace: string, { ca }: ServerTlsChoice): Fault {
  return {
    reason: 'CaDoesNotExist',
    message: `there is no Secret ${namespace}/${ca?.name} with the CA of the Postgres cluster: its operator makes it soon; else set spec.tls.server.mode`,
  };
}

/**
 * Users that the list may name. Where users are the axis, one is listed only when every live process bounds it, which
 * has then read a file with a cap for it; who is listed already stays, because taking a user out ends its clients. What
 * a process says it runs with does not tell: that of a user who was locked out is not counted until somebody can log in.
 * One that does not run yet reads file and list when it starts, and one that ends is told to read nothing any more.
 */
export function usersToList(
  context: Context,
  objects: PoolObjects,
  users: readonly UserCredential[],
  axis: 'database' | 'user',
): readonly UserCredential[] {
  if (axis === 'database' || objects.userList === undefined) return users;
  const listed = new Set(objects.userList.users);
  const runs = new Set(objects.pods.flatMap(runningKeys));
  const running = readProcesses(objects, axis, context.engine).filter(
    ({ pod, process }) => pod?.terminating === false && runs.has(processKey(pod.uid, process)),
  );
  const bounded = (user: string) =>
    running.every(
      ({ file, ...h }) =>
        file !== undefined &&
        file !== 'unreadable' &&
        isConfirmed({ ...h, file }) &&
        file.caps.some(({ name, connections }) => name === user && connections > 0),
    );
  return users.filter((user) => listed.has(user.name) || bounded(user.name));
}

/** Users that a running process would still let in, although the list has them no more. */
export function revokedUsers(
  { consoles, engine }: Context,
  objects: PoolObjects,
  listed: readonly string[],
): string[] {
  const names = objects.pods
    .flatMap((pod) => recordsOf(consoles.records, pod))
    .flatMap((record) =>
      record?.observation === undefined ? [] : engine.remembered(record.observation, listed),
    );
  return [...new Set(names)].sort();
}

/** The list as it is written, and which lists the running processes have read. */
export function listsSeen(
  { consoles }: Pick<Context, 'consoles'>,
  { pods, userList }: PoolObjects,
): NonNullable<PoolView['userList']> {
  const seen = pods
    .flatMap((pod) => recordsOf(consoles.records, pod))
    .flatMap((record) => record?.observation?.userMarks ?? []);
  return { before: userList?.text, seen };
}

/** The credentials with which the processes can be asked, or new ones where none are left. */
export function consoleOf({ engine, world }: Context, pool: ConnectionPool): ConsoleCredential {
  const { namespace, name } = pool.metadata;
  const secret = readConsoleSecret(
    dataOf(world.secrets.get(namespace, namesOf(name).consoleSecret)),
  );
  const login = consoleLogin(world, engine, namespace, name);
  const made = () => randomBytes(24).toString('base64url');
  return {
    user: CONSOLE_USER,
    password: login?.password ?? made(),
    markSecret: secret?.markSecret ?? made(),
  };
}
