// Reads the passwords that pools refer to. A Secret that no pool referred to when it was read is in the stores without
// its content: then it is asked for by name, once for each version.
import type { PoolUser } from '../core/pool/access.ts';
import type { UserCredential } from '../core/pool/view.ts';
import type { Engine } from '../engines/engine.ts';
import type { Client } from '../kube/client.ts';
import { secrets } from '../kube/types.ts';
import type { Fault } from '../postgres/adapter.ts';
import type { World } from './world.ts';

interface Read {
  readonly resourceVersion: string;
  readonly data: Readonly<Record<string, string>>;
}

export class Passwords {
  readonly #client: Client;
  readonly #world: World;
  readonly #engine: Engine;
  readonly #read = new Map<string, Read>();

  constructor(client: Client, world: World, engine: Engine) {
    this.#client = client;
    this.#world = world;
    this.#engine = engine;
  }

  /** The users whose password was found, sorted by name, and a fault for each other one. */
  async of(
    asked: readonly PoolUser[],
    signal: AbortSignal,
  ): Promise<{ users: UserCredential[]; faults: Fault[] }> {
    const users: UserCredential[] = [];
    const faults: Fault[] = [];
    for (const { name, namespace, secret, key, field, fix } of asked) {
      const data = await this.#dataOf(namespace, secret, signal);
      const encoded = data?.[key];
      const password = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
      if (data === undefined) {
        faults.push({
          reason: 'SecretDoesNotExist',
          message: `${field}: there is no Secret ${namespace}/${secret}: ${fix}`,
        });
      } else if (password === '') {
        faults.push({
          reason: 'SecretHasNoPassword',
          message: `${field}: Secret ${namespace}/${secret} has no value under "${key}": add it, or set secretRef.key`,
        });
      } else {
        const check = this.#engine.checkSecret(password);
        if (check.ok) users.push({ name, password });
        else {
          faults.push({
            reason: 'PasswordCannotBeWritten',
            message: `${field}: the password in Secret ${namespace}/${secret} cannot be used: ${check.message}`,
          });
        }
      }
    }
    return { users: users.sort((a, b) => (a.name < b.name ? -1 : 1)), faults };
  }

  /** Forgets a Secret that is gone. */
  forget(key: string): void {
    this.#read.delete(key);
  }

  async #dataOf(
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, string>> | undefined> {
    const known = this.#world.secrets.get(namespace, name);
    if (known === undefined) return undefined;
    const key = `${namespace}/${name}`;
    if (known.data !== undefined) {
      this.#read.delete(key);
      return known.data as Record<string, string>;
    }
    const cached = this.#read.get(key);
    if (cached !== undefined && cached.resourceVersion === known.metadata.resourceVersion) {
      return cached.data;
    }
    const secret = await this.#client.get(secrets, { namespace, name }, { signal });
    if (secret === undefined) return undefined;
    const data = (secret.data ?? {}) as Record<string, string>;
    this.#read.set(key, { resourceVersion: secret.metadata.resourceVersion ?? '', data });
    return data;
  }
}
