// Brings one object into the state that its manifest says, with as few writes as that takes.
//
// New objects are made by POST: it alone fails where there is one of that name, so nothing is taken over. Later
// changes are server-side applies. An object that was made by POST has its fields listed under the operation
// "Update", where an apply could not remove them: before its first apply that list is renamed to "Apply".

import { FIELD_MANAGER } from '../api/resources.ts';
import type { Client } from '../kube/client.ts';
import { ApiError, isAlreadyExists } from '../kube/errors.ts';
import type { KubeObject, ObjectRef, ResourceType } from '../kube/types.ts';
import { covers } from './covers.ts';
import { forgetRest, wholeOf } from './trim.ts';

/** Hash of the manifest that was applied last: shows when a field that we had is not wanted any more. */
export const APPLIED_ANNOTATION = 'spillway.dev/applied';

export type Written =
  /** As wanted; `wrote` says whether it took a write. */
  | { readonly kind: 'ok'; readonly object: KubeObject; readonly wrote: boolean }
  /** An object of the name is there that does not belong to this owner. */
  | { readonly kind: 'foreign'; readonly object: KubeObject };

export interface Wanted {
  readonly type: ResourceType;
  readonly manifest: KubeObject;
  readonly hash: string;
  /** uid of the owner, which must control an existing object. */
  readonly ownerUid: string;
  /** What the manifest was made from; undefined: there was none. */
  readonly live: KubeObject | undefined;
  /** Write only against the version in `live`; where there was none, only where there is none. */
  readonly guarded: boolean;
}

export interface WriterOptions {
  readonly client: Client;
  /** Carries out a write of ours and takes its answer into the stores. */
  readonly writing: (
    type: ResourceType,
    ref: ObjectRef,
    write: () => Promise<KubeObject>,
  ) => Promise<KubeObject>;
  /** The object as the stores have it now. */
  readonly stored: (type: ResourceType, ref: ObjectRef) => KubeObject | undefined;
}

export class Writer {
  readonly #options: WriterOptions;
  /** uids of objects whose fields are listed as applied. */
  readonly #adopted = new Set<string>();
  /** By object as the store has it: hash of the manifest that it agrees with, found by comparing or by writing it. */
  readonly #agreed = new WeakMap<KubeObject, string>();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Rejects with what the API server says; a conflict means that the manifest was made from what is no more. */
  async ensure(wanted: Wanted, signal: AbortSignal): Promise<Written> {
    const { client, writing } = this.#options;
    const manifest = marked(wanted);
    const ref = manifest.metadata;
    let { live } = wanted;
    if (live === undefined) {
      try {
        const object = await writing(wanted.type, ref, () =>
          client.create(wanted.type, manifest, { signal, brief: true }),
        );
        this.#agreeAfter(object, wanted);
        return { kind: 'ok', object, wrote: true };
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
        live = await client.get(wanted.type, manifest.metadata, { signal });
        if (live === undefined) throw error;
        // Perhaps it says as little as this manifest by now, because somebody has lowered it since.
        if (wanted.guarded && isControlledBy(live, wanted.ownerUid)) throw madeSince(manifest);
      }
    }
    if (!isControlledBy(live, wanted.ownerUid)) return { kind: 'foreign', object: live };
    if (this.#isAsWanted(live, manifest, wanted.hash)) {
      return { kind: 'ok', object: live, wrote: false };
    }
    const read = await this.#adopt(wanted, live, signal);
    const resourceVersion = wanted.guarded ? read : undefined;
    const { uid } = live.metadata;
    const object = await writing(wanted.type, ref, async () => {
      const applied = await client.apply(wanted.type, manifest, {
        signal,
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        // Gone or made anew since: then it is for the next look to say what is to be done.
        ...(uid === undefined ? {} : { uid }),
      });
      return this.#dropKeys(wanted, applied, signal);
    });
    this.#agreeAfter(object, wanted);
    return { kind: 'ok', object, wrote: true };
  }

  /** An apply leaves alone what others applied; in a ConfigMap or Secret of ours nobody else has a key. */
  async #dropKeys(wanted: Wanted, object: KubeObject, signal: AbortSignal): Promise<KubeObject> {
    const data = wanted.manifest.data as Record<string, string> | undefined;
    if (data === undefined || sameKeys(object.data, data)) return object;
    const foreign = Object.keys(object.data ?? {}).filter((key) => !Object.hasOwn(data, key));
    const { uid, resourceVersion } = object.metadata;
    return this.#options.client.patch(
      wanted.type,
      object.metadata,
      {
        metadata: { uid, resourceVersion },
        data: Object.fromEntries(foreign.map((key) => [key, null])),
      },
      { signal },
    );
  }

  /** A version of an object is compared once with a manifest. */
  #isAsWanted(live: KubeObject, manifest: KubeObject, hash: string): boolean {
    const agreed = this.#agreed.get(live);
    if (agreed !== undefined) return agreed === hash;
    const whole = wholeOf(live);
    if (whole === undefined || !covers(whole, manifest)) return false;
    if (!sameKeys(whole.data, manifest.data)) return false;
    this.#agree(live, hash);
    return true;
  }

  /**
   * What was just written is as wanted, also where the answer says something else: somebody has added an item to one
   * of our lists, or changes what is written on its way in. It is not to be written again and again.
   */
  #agreeAfter(object: KubeObject, { type, manifest, hash }: Wanted): void {
    const stored = this.#options.stored(type, manifest.metadata);
    if (stored?.metadata.resourceVersion !== object.metadata.resourceVersion) return;
    if (stored !== undefined) this.#agree(stored, hash);
  }

  #agree(stored: KubeObject, hash: string): void {
    this.#agreed.set(stored, hash);
    forgetRest(stored);
  }

  /**
   * Renames our "Update" entry of managedFields to "Apply", once for each object. Resolves with the version against
   * which a guarded write must go: the one in the store, or that of the renaming, when nothing came between.
   */
  async #adopt(wanted: Wanted, live: KubeObject, signal: AbortSignal): Promise<string | undefined> {
    const { client } = this.#options;
    const { uid, resourceVersion: known } = live.metadata;
    if (uid === undefined || this.#adopted.has(uid)) return known;
    const whole = await client.get(wanted.type, live.metadata, { signal });
    const fields = (whole?.metadata.managedFields ?? []) as ManagedFields[];
    const ours = (f: ManagedFields) => f.manager === FIELD_MANAGER && (f.subresource ?? '') === '';
    const made = fields.find((f) => ours(f) && f.operation === 'Update');
    if (whole === undefined || (wanted.guarded && whole.metadata.resourceVersion !== known))
      return known;
    if (made === undefined) {
      this.#adopted.add(uid);
      return known;
    }
    const applied = fields.find((f) => ours(f) && f.operation === 'Apply');
    const joined: ManagedFields = {
      ...made,
      operation: 'Apply',
      fieldsV1: union(applied?.fieldsV1, made.fieldsV1),
    };
    const managedFields = [...fields.filter((f) => f !== made && f !== applied), joined];
    const { resourceVersion } = whole.metadata;
    const object = await client.patch(
      wanted.type,
      live.metadata,
      { metadata: { managedFields, resourceVersion } },
      { signal },
    );
    this.#adopted.add(uid);
    return object.metadata.resourceVersion;
  }
}

/** Of an object that says how much may be opened, and that was not there when that was decided. */
export function madeSince({ kind, metadata }: KubeObject): ApiError {
  const what = `${kind} ${metadata.name}`;
  return new ApiError(409, 'Conflict', `${what} was made by somebody else after this was planned`);
}

interface ManagedFields {
  manager?: string;
  operation?: string;
  subresource?: string;
  fieldsV1?: Record<string, unknown>;
  [key: string]: unknown;
}

/** Two field sets as one: FieldsV1 is a tree of names. */
function union(
  a: Record<string, unknown> | undefined,
  b: Record<string, unknown> | undefined,
): Record<string, unknown> {
  const joined = { ...a };
  for (const [key, value] of Object.entries(b ?? {})) {
    joined[key] = union(joined[key] as Record<string, unknown>, value as Record<string, unknown>);
  }
  return joined;
}

/** A Secret gets no hash: whoever may see its metadata alone could try passwords with it. */
function marked({ manifest, hash }: Wanted): KubeObject {
  if (manifest.kind === 'Secret') return manifest;
  const annotations = { ...manifest.metadata.annotations, [APPLIED_ANNOTATION]: hash };
  return { ...manifest, metadata: { ...manifest.metadata, annotations } };
}

/** The data of a ConfigMap or Secret is all ours: a key that is not wanted is drift. */
function sameKeys(live: unknown, wanted: unknown): boolean {
  if (wanted === undefined) return true;
  return Object.keys(live ?? {}).length === Object.keys(wanted ?? {}).length;
}

function isControlledBy(object: KubeObject, uid: string): boolean {
  return (object.metadata.ownerReferences ?? []).some(
    (o) => o.controller === true && o.uid === uid,
  );
}
