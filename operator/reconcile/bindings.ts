// The Secrets for applications: written after everything that the pool runs with, and emptied when the spec asks for
// them no more.
import type { ConnectionPool } from '../api/resources.ts';
import { hashOf } from '../core/pool/manifest.ts';
import { emptyBindingSecret, isBinding } from '../core/pool/objects/binding-secret.ts';
import { dataOf } from '../core/pool/read.ts';
import type { Rendered } from '../core/pool/render.ts';
import type { Fault } from '../core/pool/view.ts';
import { type KubeObject, secrets } from '../kube/types.ts';
import type { Run } from '../runtime/controller.ts';
import type { Context } from './context.ts';

/** Returns the first that could not be written, because a Secret of that name belongs to somebody else. */
export async function applyBindings(
  context: Context,
  pool: ConnectionPool,
  bindings: readonly Rendered[],
  run: Run,
): Promise<Fault | undefined> {
  const { world } = context;
  const { uid } = pool.metadata;
  const asked = new Set((pool.spec.users ?? []).map((user) => user.binding?.secretName));
  const left = world.secrets
    .byIndex('poolUid', uid)
    .filter(({ metadata }) => !asked.has(metadata.name))
    .filter((secret) => isBinding(dataOf(secret)));
  const wanted = [
    ...bindings,
    ...left.map(({ metadata }) => {
      const manifest = emptyBindingSecret(pool.metadata, metadata.name);
      return { manifest, hash: hashOf(manifest) };
    }),
  ];
  for (const { manifest, hash } of wanted) {
    const { namespace, name } = manifest.metadata;
    const result = await context.writer.ensure(
      {
        type: secrets,
        manifest: manifest as unknown as KubeObject,
        hash,
        ownerUid: uid,
        live: world.secrets.get(namespace, name),
        guarded: false,
      },
      run.signal,
    );
    if (result.kind === 'foreign') {
      return {
        reason: 'ObjectNotOurs',
        message: `Secret ${name} exists and is not Spillway's: choose another binding.secretName, or delete that Secret`,
      };
    }
  }
  return undefined;
}

/** The Secret that `status.binding` names: that of the first user who asks for one, once it is there. */
export function bindingOf({ world }: Context, pool: ConnectionPool): string | undefined {
  const names = (pool.spec.users ?? []).map((user) => user.binding?.secretName);
  return names.find((name) => {
    if (name === undefined) return false;
    return isBinding(dataOf(world.secrets.get(pool.metadata.namespace, name)));
  });
}
