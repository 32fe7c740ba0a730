// Watches of the kinds that facts of Postgres clusters are read from. None of them needs to be installed: a watch
// starts when its type appears and stops when it goes.
import type { Client } from '../kube/client.ts';
import type { Reflector, ReflectorObserver } from '../kube/reflector.ts';
import { customResourceDefinitions, type KubeObject, type ResourceType } from '../kube/types.ts';
import type { Fault, ObjectKind, PostgresRef, RawObject } from '../postgres/adapter.ts';
import { keepRead } from '../postgres/keep.ts';
import { readKinds } from '../postgres/table.ts';
import type { Source } from '../runtime/manager.ts';
import { Shelf } from './shelf.ts';

export interface PostgresKindsOptions {
  readonly client: Client;
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[];
  /** Kinds that are watched anyway. */
  readonly shelves: readonly Shelf[];
  readonly observer?: (type: ResourceType) => ReflectorObserver;
}

/** Names of types alone; a definition has up to some megabytes. */
const definitionNames: ResourceType = { ...customResourceDefinitions, metadataOnly: true };
/** A type that is not installed is looked for so rarely, because its definition announces it; seconds. */
const ABSENT_SECONDS = 60;
/** Without the right to see definitions, as where somebody else makes the roles; seconds. */
const MAX_BACKOFF_SECONDS = 600;

interface Watched {
  readonly kind: ObjectKind;
  readonly shelf: Shelf;
}

export class PostgresKinds {
  /** The watches that are only for Postgres clusters. */
  readonly sources: readonly Source[];
  readonly watched: readonly Watched[];
  /** Empty for an operator of some namespaces, who has no right to see what belongs to none. */
  readonly definitions: Shelf;
  readonly #byKind: ReadonlyMap<string, Watched>;
  readonly #seesDefinitions: boolean;

  constructor({ client, namespaces, shelves, observer }: PostgresKindsOptions) {
    this.#seesDefinitions = namespaces.length === 0;
    this.watched = readKinds().map((kind) => {
      const known = shelves.find(
        (s) => s.type.group === kind.apiGroup && s.type.kind === kind.kind,
      );
      return { kind, shelf: known ?? this.#shelf(kind, client, namespaces, observer) };
    });
    this.#byKind = new Map(
      this.watched.map((one) => [`${one.kind.apiGroup}/${one.kind.kind}`, one]),
    );
    this.definitions = new Shelf({
      client,
      type: definitionNames,
      namespaces: [],
      transform: nameOnly,
      timing: { maxBackoffSeconds: MAX_BACKOFF_SECONDS },
      ...(observer === undefined ? {} : { observer: saidOnce(observer(definitionNames)) }),
    });
    this.definitions.onChange((change) => {
      for (const reflector of this.#reflectorsOf(change.key)) reflector.expect();
    });
    const own = this.watched.filter(({ shelf }) => !shelves.includes(shelf));
    this.sources = [
      ...own.flatMap(({ shelf }) => shelf.reflectors),
      ...(this.#seesDefinitions ? this.definitions.reflectors.map(unneeded) : []),
    ];
  }

  get(ref: PostgresRef): RawObject | undefined {
    return this.#byKind.get(`${ref.apiGroup}/${ref.kind}`)?.shelf.get(ref.namespace, ref.name);
  }

  /** Why there can be no object of a kind; undefined when there can. */
  faultOf({ apiGroup, kind, version, plural }: ObjectKind): Fault | undefined {
    const reflectors = this.#byKind.get(`${apiGroup}/${kind}`)?.shelf.reflectors ?? [];
    if (!reflectors.some((reflector) => reflector.status === 'notInstalled')) return undefined;
    const name = `${plural}.${apiGroup}`;
    if (this.definitions.getKey(name) === undefined) {
      const what = this.#seesDefinitions ? '' : ` in version ${version}`;
      return {
        reason: 'PostgresKindNotInstalled',
        message: `spec.postgres.clusterRef: the API server has no type ${name}${what}: install the operator that ${kind} belongs to`,
      };
    }
    return {
      reason: 'PostgresVersionUnknown',
      message: `spec.postgres.clusterRef: the API server does not serve ${name} in version ${version}, the one that this Spillway knows: use a Spillway for the versions that are served, or let ${version} be served too`,
    };
  }

  #reflectorsOf(definition: string): readonly Reflector[] {
    return this.watched
      .filter(({ kind }) => `${kind.plural}.${kind.apiGroup}` === definition)
      .flatMap(({ shelf }) => shelf.reflectors);
  }

  #shelf(
    kind: ObjectKind,
    client: Client,
    namespaces: readonly string[],
    observer: PostgresKindsOptions['observer'],
  ): Shelf {
    const { apiGroup: group, version, plural } = kind;
    const type: ResourceType = { group, version, plural, kind: kind.kind, namespaced: true };
    return new Shelf({
      client,
      type,
      namespaces,
      transform: (object) => keepRead(kind, object) as KubeObject,
      timing: { absentSeconds: ABSENT_SECONDS },
      ...(observer === undefined ? {} : { observer: observer(type) }),
    });
  }
}

/** A right that is missing stays so for the life of the process: one line in the log is enough. */
function saidOnce({ failed, ...rest }: ReflectorObserver): ReflectorObserver {
  let said = false;
  return {
    ...rest,
    failed: (error, waitSeconds) => {
      if (!said) failed?.(error, waitSeconds);
      said = true;
    },
  };
}

/** Nothing waits for it: without it a new type is found a little later. */
function unneeded(reflector: Reflector): Source {
  return {
    name: reflector.name,
    run: (signal) => reflector.run(signal),
    whenReady: Promise.resolve(),
    ready: true,
  };
}

function nameOnly({ apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { name, uid, resourceVersion } = metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  };
}
