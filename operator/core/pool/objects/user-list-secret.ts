// The Secret with PgBouncer's user list: who may log in, the console's admin, and the list's mark.
import type { Engine } from '../../../engines/engine.ts';
import { base64, compare, type Manifest, metadataOf } from '../manifest.ts';
import { namesOf } from '../names.ts';
import { USER_LIST_KEY } from '../paths.ts';
import { checkSize } from '../size.ts';
import type { PoolView, UserCredential } from '../view.ts';

export function userListSecret(view: PoolView, engine: Engine): Manifest {
  const { identity, console } = view;
  const name = namesOf(identity.name).userListSecret;
  const list = engine.renderUserList(
    [
      { name: console.user, secret: console.password },
      ...listedUsers(view).map((user) => ({ name: user.name, secret: user.password })),
    ],
    console.markSecret,
    { revoked: view.revoked ?? [], ...view.userList },
  );
  checkSize('the user list', list.text, 'list fewer users');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadataOf(identity, name),
    type: 'Opaque',
    data: { [USER_LIST_KEY]: base64(list.text) },
  };
}

/**
 * The users that may log in. All pods read the same list, and where users are the axis of the caps, a
 * user without a cap in a process could open a connection that nobody granted: only those stay whom
 * every holder's file bounds.
 */
export function listedUsers(view: PoolView): readonly UserCredential[] {
  const users = [...view.users].sort((a, b) => compare(a.name, b.name));
  if (view.axis !== 'user') return users;
  const capped = view.holders.map((holder) => new Set(holder.grant.caps.map((cap) => cap.name)));
  return users.filter((user) => capped.length > 0 && capped.every((names) => names.has(user.name)));
}
