// The Secret with the credentials of the pods' admin consoles: generated once, read by the operator alone.
import { base64, type Manifest, metadataOf } from '../manifest.ts';
import { namesOf } from '../names.ts';
import type { ConsoleCredential, PoolView } from '../view.ts';

/** Name of the admin user. The API refuses users whose name begins with "spillway-". */
export const CONSOLE_USER = 'spillway-admin';

export function consoleSecret({ identity, console }: PoolView): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadataOf(identity, namesOf(identity.name).consoleSecret),
    type: 'Opaque',
    data: {
      mark: base64(console.markSecret),
      password: base64(console.password),
      username: base64(console.user),
    },
  };
}

/**
 * Reads the credentials back from the live Secret; undefined when a part is missing or empty, and new
 * ones have to be made (a pod that still knows the old ones learns the new with its user list).
 */
export function readConsoleSecret(
  data: Readonly<Record<string, string>> | undefined,
): ConsoleCredential | undefined {
  const text = (key: string) => Buffer.from(data?.[key] ?? '', 'base64').toString('utf8');
  const [user, password, markSecret] = [text('username'), text('password'), text('mark')];
  if (user === '' || password === '' || markSecret === '') return undefined;
  return { user, password, markSecret };
}
