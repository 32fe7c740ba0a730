// Reads and writes of single objects and lists, as raw JSON, with this operator's field manager.

import { answered, briefly, readBriefly } from './brief.ts';
import { isNotFound } from './errors.ts';
import type { CallOptions, Transport } from './transport.ts';
import {
  apiVersionOf,
  type KubeObject,
  type ObjectRef,
  pathOf,
  type ResourceType,
} from './types.ts';

/** Selects a part of a collection; without a namespace, all of them. */
export interface ListOptions extends CallOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Objects per page; 500 when left out. */
  pageSize?: number;
}

/** One page: `continue` is '' on the last one. */
export interface ListPage<T extends KubeObject = KubeObject> {
  items: T[];
  resourceVersion: string;
  continue: string;
}

export interface ApplyOptions extends CallOptions {
  /**
   * Together with `uid` a compare-and-swap: a conflict where the object was changed, is gone, or was
   * made anew. `force` (always on, it settles the ownership of fields) does not bypass it. Alone it is
   * not enough: the API server makes an object that is gone anew, whatever the version says.
   */
  resourceVersion?: string;
  /** Only this very object: a conflict where it is gone or was made anew. */
  uid?: string;
}

export interface DeleteOptions extends CallOptions {
  uid?: string;
  resourceVersion?: string;
  /** Background when left out. */
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  gracePeriodSeconds?: number;
}

export interface PatchOptions extends CallOptions {
  subresource?: string;
}

export interface WriteOptions extends CallOptions {
  /**
   * Resolves with what was sent, and with uid, version and generation of the answer: for content that the API server
   * takes as it is, or whose defaults nobody reads. See brief.ts.
   */
  brief?: boolean;
}

export interface WatchOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  resourceVersion: string;
  /** The server ends the watch after so long. */
  timeoutSeconds: number;
  /** No byte for so long ends it too. */
  idleSeconds: number;
  signal: AbortSignal;
  /** The server has taken the watch. */
  onOpen: () => void;
  /** Bytes of the stream: JSON lines. */
  onChunk: (chunk: Buffer) => void;
}

/**
 * All methods reject with `ApiError` (the server refused) or `TransportError` (no answer); see
 * kube/errors.ts for the questions to ask of them.
 */
export class Client {
  readonly #transport: Transport;
  readonly #fieldManager: string;

  constructor(transport: Transport, fieldManager = 'spillway') {
    this.#transport = transport;
    this.#fieldManager = encodeURIComponent(fieldManager);
  }

  /** The object, or undefined where there is none (404). */
  async get<T extends KubeObject = KubeObject>(
    type: ResourceType,
    ref: ObjectRef,
    call: CallOptions = {},
  ): Promise<T | undefined> {
    try {
      return await this.#send<T>(type, 'GET', pathOf(type, ref.namespace, ref.name), call);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** One page. `continueToken` comes from the page before; it expires (410) after some minutes. */
  async listPage<T extends KubeObject = KubeObject>(
    type: ResourceType,
    options: ListOptions = {},
    continueToken = '',
  ): Promise<ListPage<T>> {
    const query = new URLSearchParams();
    const pageSize = options.pageSize ?? 500;
    if (pageSize > 0) query.set('limit', String(pageSize));
    if (options.labelSelector !== undefined) query.set('labelSelector', options.labelSelector);
    if (options.fieldSelector !== undefined) query.set('fieldSelector', options.fieldSelector);
    if (continueToken !== '') query.set('continue', continueToken);
    const path = `${pathOf(type, options.namespace)}?${query.toString()}`;
    const body = (await this.#transport.send({
      method: 'GET',
      path,
      resource: type.plural,
      ...accepting(type, 'PartialObjectMetadataList'),
      call: options,
    })) as ListBody<T>;
    const items = body.items ?? [];
    const apiVersion = apiVersionOf(type);
    for (const item of items) {
      // Lists of built-in types leave these two out of their items.
      item.apiVersion ??= apiVersion;
      item.kind ??= type.kind;
    }
    return {
      items,
      resourceVersion: body.metadata?.resourceVersion ?? '',
      continue: body.metadata?.continue ?? '',
    };
  }

  /** All objects, page by page. Rejects with 410 where the pages expire on the way. */
  async list<T extends KubeObject = KubeObject>(
    type: ResourceType,
    options: ListOptions = {},
  ): Promise<{ items: T[]; resourceVersion: string }> {
    const items: T[] = [];
    let page = await this.listPage<T>(type, options);
    for (;;) {
      for (const item of page.items) items.push(item);
      if (page.continue === '') return { items, resourceVersion: page.resourceVersion };
      page = await this.listPage<T>(type, options, page.continue);
    }
  }

  /**
   * One watch, as bytes. Resolves when the server ends it properly. The server's timeout is backed by
   * a deadline of our own, some seconds later.
   */
  watch(type: ResourceType, options: WatchOptions): Promise<void> {
    const query = new URLSearchParams({
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: options.resourceVersion,
      timeoutSeconds: String(options.timeoutSeconds),
    });
    if (options.labelSelector !== undefined) query.set('labelSelector', options.labelSelector);
    if (options.fieldSelector !== undefined) query.set('fieldSelector', options.fieldSelector);
    return this.#transport.stream({
      path: `${pathOf(type, options.namespace)}?${query.toString()}`,
      resource: type.plural,
      ...accepting(type, 'PartialObjectMetadata'),
      signal: options.signal,
      idleSeconds: options.idleSeconds,
      deadlineSeconds: options.timeoutSeconds + 15,
      onOpen: options.onOpen,
      onChunk: options.onChunk,
    });
  }

  /** POST. Rejects with AlreadyExists where there is one of this name. Never repeated blindly. */
  create<T extends KubeObject>(type: ResourceType, object: T, call: WriteOptions = {}): Promise<T> {
    const path = `${pathOf(type, object.metadata.namespace)}?fieldManager=${this.#fieldManager}`;
    return this.#write<T>(type, 'POST', path, call, object);
  }

  /** PUT. With metadata.resourceVersion in the object, rejects with a conflict where it is stale. */
  update<T extends KubeObject>(
    type: ResourceType,
    object: T,
    options: PatchOptions & WriteOptions = {},
  ): Promise<T> {
    const { namespace, name } = object.metadata;
    const path = `${pathOf(type, namespace, name, options.subresource)}?fieldManager=${this.#fieldManager}`;
    return this.#write<T>(type, 'PUT', path, options, object);
  }

  /**
   * Server-side apply: creates the object or makes the fields in it ours, and removes those that we
   * applied before and are not in it now. Fields of others stay.
   */
  apply<T extends KubeObject>(
    type: ResourceType,
    object: T,
    options: ApplyOptions = {},
  ): Promise<T> {
    return this.#apply(type, object, options, undefined);
  }

  /** Server-side apply of the status subresource. The object must exist. */
  applyStatus<T extends KubeObject>(
    type: ResourceType,
    object: T,
    options: ApplyOptions = {},
  ): Promise<T> {
    return this.#apply(type, object, options, 'status');
  }

  /** JSON merge patch: null removes a field; a resourceVersion in it makes it a compare-and-swap. */
  patch<T extends KubeObject = KubeObject>(
    type: ResourceType,
    ref: ObjectRef,
    body: Record<string, unknown>,
    options: PatchOptions = {},
  ): Promise<T> {
    const path = `${pathOf(type, ref.namespace, ref.name, options.subresource)}?fieldManager=${this.#fieldManager}`;
    return this.#send<T>(type, 'PATCH', path, options, body, 'application/merge-patch+json');
  }

  /**
   * Deletes. Resolves with the object where it lingers (grace period, finalizers), with undefined
   * where it is gone, also when it was before. A stale uid or resourceVersion is a conflict.
   */
  async delete<T extends KubeObject = KubeObject>(
    type: ResourceType,
    ref: ObjectRef,
    options: DeleteOptions = {},
  ): Promise<T | undefined> {
    const preconditions = {
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.resourceVersion === undefined
        ? {}
        : { resourceVersion: options.resourceVersion }),
    };
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: options.propagationPolicy ?? 'Background',
      ...(options.gracePeriodSeconds === undefined
        ? {}
        : { gracePeriodSeconds: options.gracePeriodSeconds }),
      preconditions,
    };
    const path = pathOf(type, ref.namespace, ref.name);
    try {
      const answer = await this.#send<T>(type, 'DELETE', path, options, body);
      // A Status, or (some types) the object as it was last, without a deletionTimestamp.
      if (answer.kind === 'Status' || answer.metadata.deletionTimestamp === undefined) {
        return undefined;
      }
      return answer;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #apply<T extends KubeObject>(
    type: ResourceType,
    object: T,
    options: ApplyOptions,
    subresource: string | undefined,
  ): Promise<T> {
    const { namespace, name } = object.metadata;
    const path = `${pathOf(type, namespace, name, subresource)}?fieldManager=${this.#fieldManager}&force=true`;
    // What a read object says of itself is no wish of ours.
    const { resourceVersion: _v, uid: _u, managedFields: _m, ...metadata } = object.metadata;
    const body = {
      ...object,
      metadata: {
        ...metadata,
        ...(options.uid === undefined ? {} : { uid: options.uid }),
        ...(options.resourceVersion === undefined
          ? {}
          : { resourceVersion: options.resourceVersion }),
      },
    };
    // JSON is YAML, and the server knows no other name for an apply.
    const call = subresource === undefined ? options : { ...options, subresource };
    return this.#send<T>(type, 'PATCH', path, call, body, 'application/apply-patch+yaml');
  }

  async #write<T extends KubeObject>(
    type: ResourceType,
    method: 'POST' | 'PUT',
    path: string,
    options: PatchOptions & WriteOptions,
    object: T,
  ): Promise<T> {
    if (options.brief !== true) return this.#send<T>(type, method, path, options, object);
    const answer = await this.#transport.send({
      method,
      path,
      resource: resourceOf(type, options),
      body: JSON.stringify(object),
      contentType: 'application/json',
      accept: briefly,
      read: readBriefly,
      call: options,
    });
    return answered(object, answer as KubeObject);
  }

  async #send<T>(
    type: ResourceType,
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    call: PatchOptions,
    body?: unknown,
    contentType = 'application/json',
  ): Promise<T> {
    const answer = await this.#transport.send({
      method,
      path,
      resource: resourceOf(type, call),
      ...(body === undefined ? {} : { body: JSON.stringify(body), contentType }),
      call,
    });
    return answer as T;
  }
}

function resourceOf(type: ResourceType, { subresource }: PatchOptions): string {
  return subresource === undefined ? type.plural : `${type.plural}/${subresource}`;
}

/** Plain JSON, or the metadata alone for a type of which nothing else is wanted. */
function accepting({ metadataOnly }: ResourceType, kind: string): { accept?: string } {
  return metadataOnly === true ? { accept: `application/json;as=${kind};g=meta.k8s.io;v=v1` } : {};
}

interface ListBody<T extends KubeObject> {
  metadata?: { resourceVersion?: string; continue?: string };
  items?: T[] | null;
}
