// From documents to what the plan is made of: pools and budgets judged by the API's own rules, Secrets, and
// raw objects that a pool may refer to. Everything else is left alone.
import { hash } from 'node:crypto';
import type { FieldFault } from '../api/parse.ts';
import { parseBudget } from '../api/parse-budget.ts';
import { parsePool } from '../api/parse-pool.ts';
import {
  API_VERSION,
  type ConnectionBudget,
  type ConnectionPool,
  GROUP,
} from '../api/resources.ts';
import { CLIENT_GROUPS, type ClientLookup } from '../core/clients/count.ts';
import { addressesOf, type ServiceLookup } from '../core/identity/alias.ts';
import type { ClusterAt } from '../core/identity/found-cluster.ts';
import type { RawObject } from '../postgres/adapter.ts';
import type { Lookup, PodLookup } from '../postgres/find.ts';
import { nodeKind, podKind } from '../postgres/pods.ts';
import { asMap, asText, asTexts } from '../postgres/raw.ts';
import { adapterFor, instanceKinds, podsIn, readKinds } from '../postgres/table.ts';
import type { Document, InputFault } from './documents.ts';
import { parsePath } from './positions.ts';

export interface Placed<T> {
  readonly object: T;
  readonly document: Document;
}

export interface Gathered {
  readonly pools: readonly Placed<ConnectionPool>[];
  readonly budgets: readonly Placed<ConnectionBudget>[];
  readonly lookup: Lookup;
  readonly pods: PodLookup;
  readonly services: ServiceLookup;
  /** The objects of Postgres clusters, which Services may be in front of. */
  readonly clusters: readonly ClusterAt[];
  /** Workloads that a pool may count, and what scales them. */
  readonly clients: ClientLookup;
  /** The values of a Secret, decoded; undefined when it is not in the files. */
  secret(namespace: string, name: string): Readonly<Record<string, string>> | undefined;
  readonly faults: readonly InputFault[];
}

/** `namespace` is for objects that name none. */
export function gather(documents: readonly Document[], namespace: string): Gathered {
  const faults: InputFault[] = [];
  const pools: Placed<ConnectionPool>[] = [];
  const budgets: Placed<ConnectionBudget>[] = [];
  const objects = new Map<string, RawObject>();
  for (const document of documents) {
    const refuse = (field: string, message: string) =>
      faults.push(faultAt(document, field, message));
    const raw = rawObject(document, namespace, refuse);
    if (raw === undefined || !isOfUse(raw)) continue;
    const key = keyOf(raw.group, raw.kind, raw.namespace, raw.name);
    if (raw.name !== '' && objects.has(key)) {
      refuse(
        'metadata.name',
        `${raw.kind} ${raw.namespace}/${raw.name} is there twice: remove one of them`,
      );
      continue;
    }
    objects.set(key, raw.object);
    if (raw.group !== GROUP) continue;
    const judged = judge(raw);
    if ('pool' in judged) pools.push({ object: judged.pool, document });
    else if ('budget' in judged) budgets.push({ object: judged.budget, document });
    else for (const { path, message } of judged.faults) refuse(path, message);
  }
  return {
    pools,
    budgets,
    faults,
    lookup: ({ apiGroup, kind, namespace, name }) =>
      objects.get(keyOf(apiGroup, kind, namespace, name)),
    pods: (cluster) =>
      podsIn(
        [...objects.values()].filter(({ kind }) => kind === podKind.kind),
        cluster,
      ),
    services: {
      byName: (namespace, name) => objects.get(keyOf('', 'Service', namespace, name)),
      byAddress: (address) =>
        [...objects.values()].find(
          (object) => object.kind === 'Service' && addressesOf(object).includes(address),
        ),
    },
    clusters: clustersOf([...objects.values()]),
    clients: (kind, namespace) =>
      [...objects.values()].filter(
        (object) => object.kind === kind && object.metadata?.namespace === namespace,
      ),
    secret: (namespace, name) => {
      const secret = objects.get(keyOf('', 'Secret', namespace, name));
      return secret === undefined ? undefined : decoded(secret);
    },
  };
}

/** A fault at its place in the files; `field` from the root of the object. */
export function faultAt(document: Document, field: string, message: string): InputFault {
  const line = document.lineOf([...document.root, ...parsePath(field)]);
  const { file, number, root } = document;
  // In a List, the field alone would not say of which object.
  const [list, index] = root;
  const path = list === undefined ? field : `${list}[${index}].${field}`;
  return { file, number, line, field: path, message: withoutField(field, message) };
}

/** Rules of the API begin with their field, because the API server's own answer may not name it. */
function withoutField(field: string, message: string): string {
  const names = [field, field.replace(/^spec\./, '')];
  const name = names.find((one) => one !== '' && message.startsWith(`${one} `));
  return name === undefined ? message : message.slice(name.length + 1);
}

interface Raw {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly object: RawObject;
}

/** Group, kind and name, with the namespace filled in. Undefined: it is no Kubernetes object, and refused. */
function rawObject(
  { value }: Document,
  defaultNamespace: string,
  refuse: (field: string, message: string) => void,
): Raw | undefined {
  const object = asMap(value);
  const apiVersion = asText(object.apiVersion);
  const kind = asText(object.kind);
  if (apiVersion === undefined || kind === undefined) {
    const field = apiVersion === undefined ? 'apiVersion' : 'kind';
    refuse(field, 'is required, as this is to be a Kubernetes object: set it');
    return undefined;
  }
  const metadata = asMap(object.metadata);
  const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
  const namespaced = group !== nodeKind.apiGroup || kind !== nodeKind.kind;
  const namespace = namespaced ? (asText(metadata.namespace) ?? defaultNamespace) : '';
  return {
    group,
    kind,
    namespace,
    name: asText(metadata.name) ?? '',
    object:
      typeof object.metadata === 'object'
        ? { ...object, metadata: { ...metadata, namespace } }
        : object,
  };
}

/** Secrets, our own kinds, and what a clusterRef may name. Files hold much else, which is not ours to judge. */
const readable = new Set(
  [...readKinds(), ...instanceKinds].map(({ apiGroup, kind }) => `${apiGroup}/${kind}`),
);

function isOfUse({ group, kind }: Raw): boolean {
  return (
    group === GROUP ||
    (group === '' && (kind === 'Secret' || kind === 'Service')) ||
    CLIENT_GROUPS.get(kind) === group ||
    readable.has(`${group}/${kind}`)
  );
}

/** A StatefulSet may be anything: those that are a Postgres are named by pools. */
function clustersOf(objects: readonly RawObject[]): ClusterAt[] {
  return objects.flatMap((object) => {
    const { namespace, name } = object.metadata ?? {};
    const apiGroup = object.apiVersion?.split('/')[0] ?? '';
    const kind = object.kind ?? '';
    if (namespace === undefined || name === undefined || apiGroup === 'apps') return [];
    if (adapterFor(apiGroup, kind) === undefined) return [];
    return [{ ref: { apiGroup, kind, name }, namespace }];
  });
}

type Judged =
  | { readonly pool: ConnectionPool }
  | { readonly budget: ConnectionBudget }
  | { readonly faults: readonly FieldFault[] };

function judge({ kind, namespace, name, object }: Raw): Judged {
  if (object.apiVersion !== API_VERSION) {
    return faulty('apiVersion', `${object.apiVersion} is not served: use ${API_VERSION}`);
  }
  if (kind === 'ConnectionPool') {
    const parsed = parsePool(object);
    return parsed.ok ? { pool: withUid(parsed.pool) } : parsed;
  }
  if (kind === 'ConnectionBudget') {
    const parsed = parseBudget(object);
    return parsed.ok ? { budget: parsed.budget } : parsed;
  }
  return faulty(
    'kind',
    `there is no ${kind} ${namespace}/${name} in ${API_VERSION}: use ConnectionPool or ConnectionBudget`,
  );
}

function faulty(path: string, message: string): Judged {
  return { faults: [{ path, message }] };
}

/** An object that has not been to an API server gets a uid made of its name: the same each time. */
function withUid(pool: ConnectionPool): ConnectionPool {
  const { metadata } = pool;
  if (metadata.uid !== '') return pool;
  const hex = hash('sha256', `${metadata.namespace}/${metadata.name}`, 'hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
  ];
  return { ...pool, metadata: { ...metadata, uid: [...parts, hex.slice(20, 32)].join('-') } };
}

/** As the API server would keep it: stringData over data. */
function decoded(secret: RawObject): Readonly<Record<string, string>> {
  const data = Object.entries(asTexts(secret.data)).map(
    ([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')] as const,
  );
  return { ...Object.fromEntries(data), ...asTexts(secret.stringData) };
}

function keyOf(group: string, kind: string, namespace: string, name: string): string {
  return [group, kind, namespace, name].join('/');
}
